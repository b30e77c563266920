//! What a worker has to do: jobs it knows, runs it was given.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use phalanx_proto::frames::{Assign, Chunks};
use phalanx_proto::v1::FailureKind;
use serde::de::DeserializeOwned;

use super::entry::Entry;
use super::fault::Fault;
use crate::codec;

/// A job, as long as its runs may come.
pub(crate) struct Job {
    /// The function, or why it cannot be called.
    pub(crate) entry: Result<Entry, String>,
    /// Its name.
    pub(crate) label: String,
    context: Bytes,
    decoded: OnceLock<Result<Box<dyn Any + Send + Sync>, Fault>>,
}

impl Job {
    pub(crate) fn new(entry: Result<Entry, String>, label: String, context: Bytes) -> Self {
        Self { entry, label, context, decoded: OnceLock::new() }
    }

    /// The context's bytes.
    pub(crate) fn context_bytes(&self) -> &[u8] {
        &self.context
    }

    /// The value given by `with`, decoded once.
    pub(crate) fn context<C: DeserializeOwned + Send + Sync + 'static>(&self) -> Result<&C, Fault> {
        let decode = || match codec::decode::<C>(&self.context) {
            Ok(value) => Ok(Box::new(value) as Box<dyn Any + Send + Sync>),
            Err(e) => Err(Fault::from(e)),
        };
        match self.decoded.get_or_init(decode) {
            Ok(value) => value
                .downcast_ref()
                .ok_or_else(|| Fault::new(FailureKind::Decode, "the value given by `with` has another type")),
            Err(fault) => Err(fault.clone()),
        }
    }
}

/// A run that waits for its turn, or has it.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) job: Arc<Job>,
    pub(crate) chunks: Chunks,
    pub(crate) element_first: u64,
    pub(crate) chunk_len: u32,
    pub(crate) stride: u32,
    pub(crate) lens: Bytes,
    pub(crate) only: Bytes,
    /// It goes before what waits, and between two elements of what runs, for that is of other clients.
    pub(crate) urgent: bool,
    pub(crate) data: Payload,
}

/// The elements' bytes, in the parts in which they arrived.
#[derive(Clone, Default)]
pub(crate) struct Payload {
    parts: Vec<Bytes>,
    whole: OnceLock<Bytes>,
}

impl Payload {
    pub(crate) fn add(&mut self, part: Bytes) {
        self.parts.push(part);
    }

    pub(crate) fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// All of it in one piece: joined the first time that somebody wants it so.
    pub(crate) fn whole(&self) -> &Bytes {
        self.whole.get_or_init(|| match self.parts.as_slice() {
            [one] => one.clone(),
            many => {
                let mut whole = Vec::new();
                codec::reserve(&mut whole, many.iter().map(Bytes::len).sum());
                many.iter().for_each(|part| whole.extend_from_slice(part));
                whole.into()
            }
        })
    }
}

impl Work {
    /// `data` is what came ahead of the assignment.
    pub(crate) fn new(job: Arc<Job>, assign: Assign, mut data: Payload) -> Self {
        let Assign { chunks, element_first, chunk_len, stride, lens, only, urgent, data: last } = assign;
        data.add(last);
        Self { job, chunks, element_first, chunk_len, stride, lens, only, urgent, data }
    }

    /// How many elements of each chunk are run.
    pub(crate) fn per_chunk(&self) -> usize {
        if self.only.is_empty() { self.chunk_len as usize } else { self.only.len() / 4 }
    }
}
