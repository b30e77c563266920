//! How a function learns that it is not wanted any more.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

thread_local! {
    /// Of the worker that this thread is.
    static HERE: OnceCell<Arc<AtomicBool>> = const { OnceCell::new() };
}

/// Of the worker that this process is: threads that a function has started see it too.
static PROCESS: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// This thread is a worker; `is_process`: and all of its process.
pub(super) fn watch(interrupted: &Arc<AtomicBool>, is_process: bool) {
    HERE.with(|here| drop(here.set(Arc::clone(interrupted))));
    if is_process {
        let _ = PROCESS.set(Arc::clone(interrupted));
    }
}

/// Whether the job that this function runs for was aborted: a loop that may take long asks now and then, cleans up and returns.
/// What it returns is thrown away. A function that does not return within the engine's grace time (`engine --cancel-grace`, two
/// seconds unless set) is ended with its process, and so with the names that the engine kept.
///
/// Asking takes about a nanosecond. Outside of a function on an engine it is always false; so it is in threads that a function has started
/// on an engine of [`Client::in_process`](crate::Client::in_process), where several engines share a process.
///
/// ```
/// let client = phalanx::Client::in_process(1)?;
/// let out = client.direct_view(0).apply(
///     || {
///         while !phalanx::interrupted() {
///             std::thread::yield_now(); // a step of something long
///         }
///     },
///     (),
/// );
/// out.abort();
/// assert!(matches!(out.get(), Err(phalanx::Error::Aborted)));
/// assert!(!phalanx::interrupted());
/// # Ok::<(), phalanx::Error>(())
/// ```
#[must_use]
#[inline]
pub fn interrupted() -> bool {
    let is_set = |flag: &Arc<AtomicBool>| flag.load(Ordering::Relaxed);
    // At the end of a thread there is no asking it.
    let here = HERE.try_with(|here| here.get().map(is_set)).ok().flatten();
    here.unwrap_or_else(|| PROCESS.get().is_some_and(is_set))
}
