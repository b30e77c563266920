//! Conditions of jobs: functions that say, on each engine, whether a job may run there.

use std::sync::OnceLock;

use super::entry::{BadEntry, code_at, offset_of_code, summon};
use super::fault::guard;
use super::namespace::Namespace;

/// A condition's monomorphised entry point.
type Ask = fn(&Namespace) -> bool;

/// The place in this executable of a condition.
pub(crate) fn condition<F>() -> Result<i64, BadEntry>
where
    F: Fn(&Namespace) -> bool + Copy + 'static,
{
    let ask: Ask = |namespace| summon::<F>()(namespace);
    offset_of_code(ask as usize)
}

/// A job's condition in a worker: asked once.
pub(crate) struct Condition {
    offset: i64,
    answer: OnceLock<Result<(), String>>,
}

impl Condition {
    pub(crate) fn new(offset: i64) -> Self {
        Self { offset, answer: OnceLock::new() }
    }

    /// Whether it is met; if not, why, where there is more to say.
    pub(crate) fn check(&self, namespace: &Namespace) -> Result<(), String> {
        self.answer.get_or_init(|| ask(self.offset, namespace)).clone()
    }
}

#[allow(unsafe_code, reason = "a number becomes a function, as for entry points")]
fn ask(offset: i64, namespace: &Namespace) -> Result<(), String> {
    let address = code_at(offset).map_err(|e| e.to_string())?;
    // SAFETY: as in `entry_at`: the offset was computed by `condition` in a process that runs the byte-identical executable, for a
    // function of this type, and the address lies in this executable's code.
    let ask =
        unsafe { std::mem::transmute::<*const std::ffi::c_void, Ask>(address as *const std::ffi::c_void) };
    let mut met = false;
    match guard(|| {
        met = ask(namespace);
        Ok(())
    }) {
        Ok(()) if met => Ok(()),
        Ok(()) => Err(String::new()),
        Err(fault) => Err(format!("its condition panicked: {} ({})", fault.message, fault.location)),
    }
}
