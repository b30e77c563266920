//! The chunks of a stream that are under way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::codec::CodecError;
use crate::job::Job;
use crate::session::Session;

/// A chunk that is under way.
pub(super) struct Chunk {
    /// Its first element, among the stream's.
    pub(super) first: u64,
    pub(super) what: What,
}

/// What became of a chunk.
pub(super) enum What {
    /// It was submitted.
    Job(Arc<Job>),
    /// It is one element, which could not be encoded.
    Refused(CodecError),
}

impl Chunk {
    fn is_done(&self) -> bool {
        match &self.what {
            What::Job(job) => job.is_over(),
            What::Refused(_) => true,
        }
    }
}

/// All of them, in the order of the input; shared with those who may cancel.
pub(super) struct Fleet {
    session: Arc<Session>,
    chunks: Mutex<VecDeque<Chunk>>,
    is_cancelled: AtomicBool,
}

impl Fleet {
    pub(super) fn new(session: Arc<Session>) -> Self {
        Self { session, chunks: Mutex::default(), is_cancelled: AtomicBool::new(false) }
    }

    pub(super) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Acquire)
    }

    pub(super) fn add(&self, chunk: Chunk) {
        self.chunks.lock().push_back(chunk);
        if self.is_cancelled() {
            // It was cancelled while this was on its way here.
            self.abort();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.lock().is_empty()
    }

    /// How many are not done, and how many there are.
    pub(super) fn counts(&self) -> (u64, u64) {
        let chunks = self.chunks.lock();
        (chunks.iter().filter(|chunk| !chunk.is_done()).count() as u64, chunks.len() as u64)
    }

    /// The first chunk, if it is done; or, if it need not be the first, any one that is.
    pub(super) fn take_done(&self, first: bool) -> Option<Chunk> {
        let mut chunks = self.chunks.lock();
        let places = if first { 1 } else { chunks.len() };
        let done = chunks.iter().take(places).position(Chunk::is_done)?;
        chunks.remove(done)
    }

    /// The jobs of which one must end before more can be done: the first chunk's, or any.
    pub(super) fn awaited(&self, first: bool) -> Vec<Arc<Job>> {
        let chunks = self.chunks.lock();
        let places = if first { 1 } else { chunks.len() };
        let job = |chunk: &Chunk| match &chunk.what {
            What::Job(job) => Some(Arc::clone(job)),
            What::Refused(_) => None,
        };
        chunks.iter().take(places).filter(|chunk| !chunk.is_done()).filter_map(job).collect()
    }

    /// Nothing more is wanted of the stream.
    pub(super) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Release);
        self.abort();
    }

    /// Ends all that is under way.
    pub(super) fn abort(&self) {
        // Whoever waits for one of them is woken, so none of that happens under the lock.
        let chunks = std::mem::take(&mut *self.chunks.lock());
        for chunk in chunks {
            if let What::Job(job) = chunk.what {
                self.session.abort(&job);
            }
        }
    }
}

/// Cancels a stream, from whichever thread.
#[derive(Clone)]
pub struct StreamCanceller(pub(super) Arc<Fleet>);

impl StreamCanceller {
    /// Ends the stream and all that is under way of it. Whoever reads it gets
    /// [`Error::StreamCancelled`](crate::Error::StreamCancelled) once, and then nothing more.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let mut squares = client.load_balanced_view().map_stream(|x: u64| x * x, 0..);
    /// let canceller = squares.canceller();
    /// std::thread::spawn(move || canceller.cancel());
    /// let last = squares.find_map(Result::err);
    /// assert!(matches!(last, Some(phalanx::Error::StreamCancelled)));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether it was cancelled.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let squares = client.load_balanced_view().map_stream(|x: u64| x * x, 0..);
    /// assert!(!squares.canceller().is_cancelled());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl std::fmt::Debug for StreamCanceller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamCanceller").field("is_cancelled", &self.is_cancelled()).finish()
    }
}
