//! What a worker has to do: jobs it knows, runs it was given.

use std::any::Any;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use phalanx_proto::frames::{Assign, Chunks, During};
use phalanx_proto::v1::FailureKind;
use serde::de::DeserializeOwned;

use super::condition::Condition;
use super::entry::Entry;
use super::fault::Fault;
use crate::codec;

/// A job, as long as its runs may come.
pub(crate) struct Job {
    /// The function, or why it cannot be called.
    pub(crate) entry: Result<Entry, String>,
    /// Its name.
    pub(crate) label: String,
    /// What must be so for it to run here.
    pub(crate) condition: Option<Condition>,
    /// How many targets it has, when it is a direct one; else 0.
    pub(crate) ranks: u32,
    /// Whether its chunks are looked at one by one for what they print.
    pub(crate) prints: Prints,
    context: Bytes,
    decoded: OnceLock<Result<Arc<dyn Any + Send + Sync>, Fault>>,
}

/// Whether a job prints. Its first chunk on a worker is looked at, and all others once anything was seen.
#[derive(Debug, Default)]
pub(crate) struct Prints(AtomicU8);

impl Prints {
    const QUIET: u8 = 1;
    const PRINTS: u8 = 2;

    /// Whether a chunk that has ended is worth a look; the first always is.
    #[inline]
    pub(crate) fn is_worth_a_look(&self) -> bool {
        self.0.load(Ordering::Relaxed) != Self::QUIET
    }

    /// A look has shown something, or nothing.
    pub(crate) fn note(&self, printed: bool) {
        if printed {
            self.0.store(Self::PRINTS, Ordering::Relaxed);
        } else if self.0.load(Ordering::Relaxed) != Self::PRINTS {
            self.0.store(Self::QUIET, Ordering::Relaxed);
        }
    }
}

impl Job {
    pub(crate) fn new(entry: Result<Entry, String>, label: String, ranks: u32, context: Bytes) -> Self {
        let (prints, decoded) = (Prints::default(), OnceLock::new());
        Self { entry, label, condition: None, ranks, prints, context, decoded }
    }

    /// The context's bytes.
    pub(crate) fn context_bytes(&self) -> &[u8] {
        &self.context
    }

    /// The value given by `with`, decoded once; of a direct call, which has one chunk here, for each that asks, so that
    /// [`Reference`](super::Reference)s in it are let go when it has run.
    pub(crate) fn context<C: DeserializeOwned + Send + Sync + 'static>(&self) -> Result<Arc<C>, Fault> {
        let decode = || codec::decode::<C>(&self.context).map_err(Fault::from);
        if self.ranks > 0 {
            return decode().map(Arc::new);
        }
        let shared = || decode().map(|value| Arc::new(value) as Arc<dyn Any + Send + Sync>);
        let value = self.decoded.get_or_init(shared).clone()?;
        value
            .downcast()
            .map_err(|_| Fault::new(FailureKind::Decode, "the value given by `with` has another type"))
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

#[cfg(test)]
impl Work {
    /// Chunks of one element each, of a job without a function.
    pub(super) fn of_chunks(job: u64, first: u64, count: u32) -> Self {
        Self {
            job: Arc::new(Job::new(Err(String::new()), String::new(), 0, Bytes::new())),
            chunks: Chunks { job, first, count, attempt: 1 },
            element_first: first,
            chunk_len: 1,
            stride: 0,
            lens: Bytes::new(),
            only: Bytes::new(),
            urgent: false,
            data: Payload::default(),
        }
    }
}

impl Work {
    /// `data` is what came ahead of the assignment.
    pub(crate) fn new(job: Arc<Job>, assign: Assign, mut data: Payload) -> Self {
        let Assign { chunks, element_first, chunk_len, stride, lens, only, urgent, data: last } = assign;
        data.add(last);
        Self { job, chunks, element_first, chunk_len, stride, lens, only, urgent, data }
    }

    /// How many elements it has.
    pub(crate) fn elements(&self) -> u64 {
        u64::from(self.chunks.count) * u64::from(self.chunk_len)
    }

    /// What is written while chunk `place` of it runs was written during this.
    pub(crate) fn during(&self, place: u32) -> During {
        let first = self.chunks.first + u64::from(place);
        During {
            chunks: Chunks { first, count: 1, ..self.chunks },
            element_first: self.element_first + u64::from(place) * u64::from(self.chunk_len),
            chunk_len: self.chunk_len,
        }
    }

    /// How many elements of each chunk are run.
    pub(crate) fn per_chunk(&self) -> usize {
        if self.only.is_empty() { self.chunk_len as usize } else { self.only.len() / 4 }
    }
}
