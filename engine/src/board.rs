//! The page that an engine daemon and its worker share: on it the worker writes what it runs, so
//! that its death can be blamed on the right chunk, without a message per chunk. The daemon writes there how many urgent runs it
//! has sent, so that a busy worker knows when to look, without a system call.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapRaw;
use phalanx_proto::frames::{Chunks, During};

const BYTES: usize = 4096;

/// What a worker runs at the moment, and what it is wanted for. One side writes what the other reads.
#[derive(Debug)]
pub struct Board {
    file: File,
    page: MmapRaw,
}

/// A chunk that is being run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// The job.
    pub job: u64,
    /// The chunk's index.
    pub chunk: u64,
    /// The attempt.
    pub attempt: u32,
    /// The element: its place among those that this attempt runs; [`NO_ELEMENT`] when it is at none.
    pub place: u32,
}

/// The place of a worker that has a chunk and runs none of its elements: it decodes what goes with all, or sends results.
pub const NO_ELEMENT: u32 = u32::MAX;

impl Board {
    /// A blank page, in memory.
    ///
    /// # Errors
    /// When the system gives no memory.
    pub fn create() -> io::Result<Self> {
        let fd = rustix::fs::memfd_create("phalanx-board", rustix::fs::MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&fd, BYTES as u64)?;
        Self::from_fd(fd)
    }

    /// The page behind a descriptor that the other side made.
    ///
    /// # Errors
    /// When it is not such a page.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        let file = File::from(fd);
        if file.metadata()?.len() < BYTES as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a page shared with an engine"));
        }
        let page = MmapRaw::map_raw(&file)?;
        Ok(Self { file, page })
    }

    /// The descriptor to hand over.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The worker starts on a run of chunks.
    pub fn start(&self, job: u64, chunk: u64, attempt: u32) {
        self.word(1).store(chunk, Ordering::Relaxed);
        self.word(2).store(u64::from(attempt), Ordering::Relaxed);
        self.reach(NO_ELEMENT);
        self.word(0).store(job.wrapping_add(1), Ordering::Release);
    }

    /// Which run that is: its first chunk, that one's first element, and how many elements each of its chunks has.
    pub fn set_run(&self, first: u64, element_first: u64, chunk_len: u32) {
        self.word(4).store(first, Ordering::Relaxed);
        self.word(5).store(element_first, Ordering::Relaxed);
        self.word(6).store(u64::from(chunk_len), Ordering::Relaxed);
    }

    /// What it runs, with its elements. Exact once the worker is dead.
    #[must_use]
    pub fn during(&self) -> Option<During> {
        let Running { job, chunk, attempt, .. } = self.running()?;
        let [first, element_first, chunk_len] = [4, 5, 6].map(|at| self.word(at).load(Ordering::Relaxed));
        let chunk_len = u32::try_from(chunk_len).unwrap_or(u32::MAX);
        let before = chunk.saturating_sub(first).saturating_mul(chunk_len.into());
        let chunks = Chunks { job, first: chunk, count: 1, attempt };
        Some(During { chunks, element_first: element_first.saturating_add(before), chunk_len })
    }

    /// It goes on with another chunk of the same run.
    #[inline]
    pub fn advance(&self, chunk: u64) {
        self.word(1).store(chunk, Ordering::Relaxed);
    }

    /// It goes on with an element of the chunk, or has come to its end ([`NO_ELEMENT`]).
    #[inline]
    pub fn reach(&self, place: u32) {
        self.word(3).store(u64::from(place), Ordering::Relaxed);
    }

    /// The run of this job waits between two elements, while an urgent one is started in its place.
    pub fn suspend(&self, job: u64) {
        self.word(7).store(job.wrapping_add(1), Ordering::Release);
    }

    /// Nothing waits any more.
    pub fn resume(&self) {
        self.word(7).store(0, Ordering::Release);
    }

    /// The job of which a run waits.
    #[must_use]
    pub fn suspended(&self) -> Option<u64> {
        self.word(7).load(Ordering::Acquire).checked_sub(1)
    }

    /// So many urgent runs were sent in all. The daemon says so when one is on its way; the worker when one has come, for while it was
    /// starting there was no page to say it on.
    pub fn announce(&self, runs: u64) {
        self.word(8).fetch_max(runs, Ordering::AcqRel);
    }

    /// How many urgent runs were announced.
    #[inline]
    #[must_use]
    pub fn announced(&self) -> u64 {
        self.word(8).load(Ordering::Relaxed)
    }

    /// It runs nothing.
    pub fn idle(&self) {
        self.word(0).store(0, Ordering::Release);
    }

    /// What it runs. Exact once the worker is dead; a moment old while it lives.
    #[must_use]
    pub fn running(&self) -> Option<Running> {
        let job = self.word(0).load(Ordering::Acquire).checked_sub(1)?;
        let chunk = self.word(1).load(Ordering::Relaxed);
        let attempt = u32::try_from(self.word(2).load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        let place = u32::try_from(self.word(3).load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        Some(Running { job, chunk, attempt, place })
    }

    #[inline]
    #[allow(unsafe_code, reason = "the words of a shared page are atomics")]
    fn word(&self, index: usize) -> &AtomicU64 {
        debug_assert!(index < BYTES / 8);
        // SAFETY: the mapping is BYTES long (checked in `from_fd`), page-aligned, lives as long as
        // `self`, and both processes touch its words through atomics only.
        unsafe { AtomicU64::from_ptr(self.page.as_mut_ptr().cast::<u64>().add(index)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_see_the_same_page() {
        let daemon = Board::create().unwrap();
        let worker = Board::from_fd(daemon.fd().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!(daemon.running(), None);
        worker.start(7, 40, 2);
        worker.advance(41);
        worker.reach(3);
        assert_eq!(daemon.running(), Some(Running { job: 7, chunk: 41, attempt: 2, place: 3 }));
        worker.suspend(7);
        assert_eq!((daemon.suspended(), daemon.running().map(|running| running.job)), (Some(7), Some(7)));
        worker.resume();
        assert_eq!(daemon.suspended(), None);
        daemon.announce(3);
        worker.announce(2);
        assert_eq!(worker.announced(), 3);
        worker.set_run(40, 400, 10);
        let during = daemon.during().unwrap();
        assert_eq!((during.chunks.first, during.chunks.count, during.element_first), (41, 1, 410));
        worker.idle();
        assert_eq!((daemon.running(), daemon.during()), (None, None));
    }

    #[test]
    fn another_file_is_refused() {
        let file = tempfile::tempfile().unwrap();
        assert!(Board::from_fd(file.into()).is_err());
    }
}
