//! A program as a runner gets it.

use std::fmt::Display;
use std::ptr::NonNull;

use phalanx_codec::Value;

use crate::Communicator;

/// The program of every rank.
#[derive(Clone, Copy)]
pub struct Program<'p> {
    body: &'p (dyn Fn(&Communicator) -> Result<Vec<u8>, String> + Sync),
    remote: Option<Remote<'p>>,
    label: &'static str,
}

/// A program by its address: takes its argument's bytes, gives its value's, or what went wrong.
pub type Entry = fn(&Communicator, &[u8]) -> Result<Vec<u8>, String>;

/// A program as another process of the same executable can run it: a function's address, and the argument that it is called with.
#[derive(Debug, Clone, Copy)]
pub struct Remote<'p> {
    /// To be called on each rank.
    pub entry: Entry,
    /// The encoded argument.
    pub argument: &'p [u8],
}

impl std::fmt::Debug for Program<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.label)
    }
}

impl<'p> Program<'p> {
    pub(crate) fn new(
        body: &'p (dyn Fn(&Communicator) -> Result<Vec<u8>, String> + Sync),
        remote: Option<Remote<'p>>,
        label: &'static str,
    ) -> Self {
        Self { body, remote, label }
    }

    /// Runs it on this rank, in this process: the encoded value.
    pub fn call(&self, comm: &Communicator) -> Result<Vec<u8>, String> {
        (self.body)(comm)
    }

    /// How other processes can run it; `None` when it captures something, which they would not have.
    #[must_use]
    pub fn remote(&self) -> Option<Remote<'p>> {
        self.remote
    }

    /// The function's name, for people.
    #[must_use]
    pub fn label(&self) -> &'static str {
        self.label
    }
}

/// Calls the program and encodes its value.
pub(crate) fn encoded<T: Value, E: Display>(result: Result<T, E>) -> Result<Vec<u8>, String> {
    let value = result.map_err(|e| format!("{e:#}"))?;
    let mut bytes = Vec::new();
    phalanx_codec::encode(&value, &mut bytes).map_err(|e| e.to_string())?;
    Ok(bytes)
}

/// The entry of a function that captures nothing.
pub(crate) fn entry<F, A, T, E>() -> Option<Entry>
where
    F: Fn(&Communicator, &A) -> Result<T, E> + Copy,
    A: Value,
    T: Value,
    E: Display,
{
    if size_of::<F>() != 0 {
        return None;
    }
    Some(|comm, argument| {
        let argument: A = phalanx_codec::decode(argument).map_err(|e| e.to_string())?;
        encoded(summon::<F>()(comm, &argument))
    })
}

/// A function that captures nothing, out of its type.
#[allow(unsafe_code, reason = "a function item has no other way to come back from its type")]
pub(crate) fn summon<F: Copy>() -> F {
    assert_eq!(size_of::<F>(), 0, "only a function that captures nothing is its type");
    // SAFETY: a value without bytes can be read from any aligned address; one existed, since callers got the type from a value, and it may be copied.
    unsafe { NonNull::<F>::dangling().read() }
}
