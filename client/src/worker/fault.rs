//! What goes wrong in a user's function, caught and described.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

use phalanx_proto::limits::{TEXT_BYTES_MAX, clip};
use phalanx_proto::v1::FailureKind;

use super::namespace_error::NamespaceError;
use super::reference;
use crate::codec::CodecError;

/// Why one element has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
    pub(crate) location: String,
    pub(crate) backtrace: String,
}

impl Fault {
    pub(crate) fn new(kind: FailureKind, message: impl std::fmt::Display) -> Self {
        let message = clip(&message.to_string(), TEXT_BYTES_MAX);
        Self { kind, message, location: String::new(), backtrace: String::new() }
    }
}

impl From<CodecError> for Fault {
    fn from(e: CodecError) -> Self {
        reference::why_unresolved().unwrap_or_else(|| Self::new(FailureKind::Decode, e))
    }
}

impl From<NamespaceError> for Fault {
    fn from(e: NamespaceError) -> Self {
        Self::new(e.kind(), e)
    }
}

/// Backtraces are slow to resolve and long: the first few panics of a worker carry one.
const BACKTRACES_MAX: u32 = 8;

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static CAUGHT: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
    static BACKTRACES: Cell<u32> = const { Cell::new(0) };
}

/// Installs the hook that notes where a user's function panicked. Panics elsewhere are shown as ever.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| if CATCHING.get() { note(info) } else { others(info) }));
    });
}

fn note(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let seen = BACKTRACES.get();
    BACKTRACES.set(seen + 1);
    let backtrace = if seen < BACKTRACES_MAX {
        of_the_users(&Backtrace::force_capture().to_string())
    } else {
        String::new()
    };
    CAUGHT.set(Some((location, backtrace)));
}

/// Leaves out the frames of the panic machinery above and of the worker below the user's own.
fn of_the_users(backtrace: &str) -> String {
    // The standard library catches panics below the user's frames too: its machinery above ends with the handler.
    let mut start =
        backtrace.find("rust_begin_unwind").and_then(|at| frame_after(backtrace, at)).unwrap_or(0);
    while let Some(next) = frame_after(backtrace, start)
        && !backtrace[start..].lines().next().is_some_and(is_of_the_users)
    {
        start = next;
    }
    let rest = &backtrace[start..];
    let end = rest.find("phalanx::worker::").map_or(rest.len(), |at| rest[..at].rfind('\n').unwrap_or(0));
    let own = &rest[..end];
    // In optimised programs the user's frames are often part of the worker's: what is left then says nothing.
    if own.lines().any(is_of_the_users) { clip(own, TEXT_BYTES_MAX) } else { String::new() }
}

/// Whether a line is a frame, `  12: name`, of a function that is not the standard library's.
fn is_of_the_users(line: &str) -> bool {
    let frame =
        line.trim_start().split_once(": ").filter(|(number, _)| number.bytes().all(|b| b.is_ascii_digit()));
    let library = ["core::", "std::", "alloc::", "__rustc", "<core::", "<std::", "<alloc::"];
    frame.is_some_and(|(_, name)| !library.iter().any(|library| name.starts_with(library)))
}

/// Where the first frame after `at` begins: a line "  12: name".
fn frame_after(backtrace: &str, at: usize) -> Option<usize> {
    let mut place = at + backtrace[at..].find('\n')? + 1;
    loop {
        let line = backtrace[place..].lines().next()?;
        if line.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
            return Some(place);
        }
        place += line.len() + 1;
        if place >= backtrace.len() {
            return None;
        }
    }
}

/// Runs a user's function; a panic becomes a [`Fault`]. Calls may be nested.
#[inline]
pub(crate) fn guard<T>(f: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let before = CATCHING.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(f));
    CATCHING.set(before);
    match outcome {
        Ok(result) => result,
        Err(payload) => Err(described(payload.as_ref())),
    }
}

#[cold]
fn described(payload: &(dyn Any + Send)) -> Fault {
    if let Some(e) = payload.downcast_ref::<NamespaceError>() {
        return e.clone().into();
    }
    let message = payload
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the panic carried no text".to_owned());
    let (location, backtrace) = CAUGHT.take().unwrap_or_default();
    Fault { kind: FailureKind::Panic, message: clip(&message, TEXT_BYTES_MAX), location, backtrace }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backtrace_without_the_users_frames_is_none() {
        let machinery = "   0: __rustc::rust_begin_unwind\n   1: core::panicking::panic_fmt\n             at lib.rs:80:14\n";
        let worker = "   9: phalanx::worker::call::run\n  10: main\n";
        let call = "   6: core::ops::function::FnOnce::call_once\n";
        assert_eq!(of_the_users(&format!("{machinery}{call}{worker}")), "");
        let own = "   2: sweep::step\n             at src/main.rs:7:9\n";
        assert_eq!(
            of_the_users(&format!("{machinery}{own}{call}{worker}")).trim_end(),
            format!("{own}{call}").trim_end()
        );
    }

    /// As in programs that are not optimised: the library's own frames, above and below, and the worker's.
    #[test]
    fn the_users_frames_are_found_between_all_others() {
        let above = "   0: std::backtrace::Backtrace::force_capture\n   1: phalanx::worker::fault::note\n   2: std::panicking::panic_with_hook\n   3: __rustc::rust_begin_unwind\n             at library/std/src/panicking.rs:689:5\n   4: core::panicking::panic_fmt\n   5: core::option::expect_failed\n";
        let own = "   6: sweep::step\n             at ./src/main.rs:7:9\n   7: sweep::simulate\n             at ./src/main.rs:12:5\n";
        let below = "   8: phalanx::worker::entries::map\n   9: std::panicking::catch_unwind::do_call\n  10: std::panicking::catch_unwind\n  11: main\n";
        assert_eq!(of_the_users(&format!("{above}{own}{below}")).trim_end(), own.trim_end());
    }

    #[test]
    fn a_panic_tells_what_and_where() {
        install_hook();
        let fault = guard::<()>(|| panic!("broken at {}", 7)).unwrap_err();
        assert_eq!(fault.kind, FailureKind::Panic);
        assert_eq!(fault.message, "broken at 7");
        assert!(fault.location.contains("fault.rs:"), "{}", fault.location);
        assert_eq!(guard(|| Ok(3)), Ok(3));
        let behind = guard::<()>(|| {
            guard(|| Ok(()))?;
            panic!("behind another")
        });
        assert!(behind.unwrap_err().location.contains("fault.rs:"));
    }
}
