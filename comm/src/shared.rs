//! Arrays that ranks of one host share: one copy in memory, whatever the number of ranks.
//!
//! The memory is an anonymous file of rank 0 (`memfd`), which the others open through its process; so nothing is ever left over, not even when a
//! rank is killed: the system frees it with the last mapping. It is sealed, so that no rank can cut it short under the others' feet.
//!
//! Access is safe because it is in turns. Reading takes `&self`. Writing takes `&mut self` on every rank, and starts and ends with a
//! barrier of the array's own: while anybody writes, nobody can hold what [`read`](SharedArray::read) gave, and all write to parts of their own.
//! When a barrier fails, somebody might still be writing, so nothing can be read any more.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

use memmap2::{MmapOptions, MmapRaw};
use phalanx_codec::Number;
use phalanx_proto::block::block_range;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};

use crate::{CommError, Communicator};

/// Numbers in memory that all ranks of a communicator share.
///
/// ```
/// use phalanx_comm::{CommError, SharedArray, run_spmd_all};
///
/// let sums = run_spmd_all("threads", 3, |comm| {
///     let mut squares = SharedArray::<f64>::new(comm, 10)?;
///     // Each rank fills its own part.
///     squares.write(|start, part| {
///         for (i, x) in part.iter_mut().enumerate() {
///             *x = ((start + i) * (start + i)) as f64;
///         }
///     })?;
///     // All see all of it.
///     Ok::<_, CommError>(squares.read()?.iter().sum::<f64>())
/// });
/// assert_eq!(sums, Ok(vec![285.0; 3]));
/// ```
pub struct SharedArray<N> {
    /// Of the same ranks, for this array alone.
    group: Communicator,
    memory: MmapRaw,
    len: usize,
    /// Somebody may be writing.
    writing: bool,
    numbers: PhantomData<N>,
}

impl<N> std::fmt::Debug for SharedArray<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SharedArray of {} × {}", self.len, std::any::type_name::<N>())
    }
}

impl<N: Number> SharedArray<N> {
    /// A new array of so many zeros. To be called by all ranks, with the same length; they must be on one host.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let end = run_spmd("threads", 2, |comm| SharedArray::<u8>::new(comm, comm.rank()).map(|a| a.len()));
    /// assert!(end.unwrap_err().to_string().contains("rank 1 wants 1 numbers, rank 0 0"));
    /// ```
    pub fn new(comm: &Communicator, len: usize) -> Result<Self, CommError> {
        let ranks: Vec<usize> = (0..comm.size()).collect();
        let group = comm.subgroup(&ranks)?;
        let group = group.ok_or_else(|| comm.fail("a group of all ranks lacks this one"))?;
        let lens = group.all_gather(len as u64)?;
        if let Some(other) = lens.iter().position(|other| *other != lens[0]) {
            let message = format!("rank {other} wants {} numbers, rank 0 {}", lens[other], lens[0]);
            return Err(group.invalid("SharedArray::new".to_owned(), message));
        }
        let bytes = len.checked_mul(size_of::<N>()).filter(|bytes| i64::try_from(*bytes).is_ok());
        let bytes = bytes.ok_or_else(|| {
            group.invalid("SharedArray::new".to_owned(), format!("{len} numbers are more than there can be"))
        })?;
        let memory = share(&group, bytes.max(1))?;
        Ok(Self { group, memory, len, writing: false, numbers: PhantomData })
    }

    /// How many numbers there are.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// assert_eq!(run_spmd("threads", 2, |comm| SharedArray::<u8>::new(comm, 5).map(|a| a.len())), Ok(5));
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// assert_eq!(run_spmd("threads", 2, |comm| SharedArray::<f32>::new(comm, 0).map(|a| a.is_empty())), Ok(true));
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The part that this rank writes: that of the block split.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let parts = run_spmd_all("threads", 3, |comm| SharedArray::<f32>::new(comm, 7).map(|a| a.own_range()));
    /// assert_eq!(parts, Ok(vec![0..3, 3..5, 5..7]));
    /// ```
    #[must_use]
    pub fn own_range(&self) -> Range<usize> {
        let range = block_range(self.len as u64, self.group.size() as u64, self.group.rank() as u64);
        range.start as usize..range.end as usize
    }

    /// All numbers, as they are between two writes. Fails when a write has failed.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let zeros = run_spmd("threads", 2, |comm| SharedArray::<i32>::new(comm, 3)?.read().map(<[i32]>::to_vec));
    /// assert_eq!(zeros, Ok(vec![0; 3]));
    /// ```
    #[allow(unsafe_code, reason = "memory that others map too is reached by its address")]
    pub fn read(&self) -> Result<&[N], CommError> {
        if self.writing {
            let broken = self.group.failure();
            return Err(
                broken.unwrap_or_else(|| self.group.fail("it reads a shared array whose write failed"))
            );
        }
        // SAFETY: the mapping has this length, starts at a page, and holds plain numbers. It is written only between the two barriers
        // of a write on every rank, for which this rank needs `&mut self`: not while this borrow lasts.
        Ok(unsafe { std::slice::from_raw_parts(self.memory.as_ptr().cast::<N>(), self.len) })
    }

    /// Every rank writes its own part, all at the same time; the function gets where the part begins, and the part. To be called by
    /// all ranks. What was written is seen by all when this returns.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let ranks = run_spmd("threads", 3, |comm| {
    ///     let mut who = SharedArray::<u8>::new(comm, 5)?;
    ///     who.write(|_, part| part.fill(comm.rank() as u8))?;
    ///     who.read().map(<[u8]>::to_vec)
    /// });
    /// assert_eq!(ranks, Ok(vec![0, 0, 1, 1, 2]));
    /// ```
    pub fn write(&mut self, f: impl FnOnce(usize, &mut [N])) -> Result<(), CommError> {
        let range = self.own_range();
        self.write_range(range.clone(), |part| f(range.start, part))
    }

    /// Rank 0 writes all of it; the others wait. To be called by all ranks.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let seen = run_spmd_all("threads", 2, |comm| {
    ///     let mut table = SharedArray::<u16>::new(comm, 3)?;
    ///     table.write_on_root(|all| all.copy_from_slice(&[5, 6, 7]))?;
    ///     table.read().map(|all| all[2])
    /// });
    /// assert_eq!(seen, Ok(vec![7, 7]));
    /// ```
    pub fn write_on_root(&mut self, f: impl FnOnce(&mut [N])) -> Result<(), CommError> {
        let is_root = self.group.is_root();
        let range = if is_root { 0..self.len } else { 0..0 };
        self.write_range(range, |part| {
            if is_root {
                f(part);
            }
        })
    }

    /// `range`: no other rank may be given any of it at the same time.
    #[allow(unsafe_code, reason = "memory that others map too is reached by its address")]
    fn write_range(&mut self, range: Range<usize>, f: impl FnOnce(&mut [N])) -> Result<(), CommError> {
        // What an earlier write left is found by the barrier, since the communicator is broken then; a panic's is not.
        self.read().map(drop)?;
        self.group.barrier()?;
        self.writing = true;
        // SAFETY: the range lies within the mapping, which starts at a page and holds plain numbers. Every rank has come to the barrier
        // with `&mut self`, so nobody reads; the ranges of all ranks are disjoint, so nobody else writes here.
        f(unsafe {
            std::slice::from_raw_parts_mut(self.memory.as_mut_ptr().cast::<N>().add(range.start), range.len())
        });
        self.group.barrier()?;
        self.writing = false;
        Ok(())
    }
}

/// The same memory on all ranks.
fn share(group: &Communicator, bytes: usize) -> Result<MmapRaw, CommError> {
    let host = phalanx_proto::host::id();
    let file = group.is_root().then(|| anonymous(bytes)).transpose();
    let file = file.map_err(|e| group.fail(format_args!("no {bytes} bytes of shared memory: {e}")))?;
    let place = file
        .as_ref()
        .map(|file| (host.clone(), format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())));
    let (root_host, path) = group.broadcast(0, place)?;
    if root_host != host {
        return Err(group.fail("it is on another host than rank 0, and cannot share memory with it"));
    }
    let mapped = match &file {
        Some(file) => map(file, bytes),
        None => OpenOptions::new().read(true).write(true).open(path).and_then(|file| map(&file, bytes)),
    };
    let memory =
        mapped.map_err(|e| group.fail(format_args!("cannot map the shared memory of rank 0: {e}")))?;
    // The root keeps its file open until all have theirs.
    group.barrier()?;
    Ok(memory)
}

/// Memory that looks like a file, of this length for good.
fn anonymous(bytes: usize) -> io::Result<File> {
    let file = memfd_create("phalanx-shared", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let file = File::from(file);
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.set_len(bytes as u64)?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}

fn map(file: &File, bytes: usize) -> io::Result<MmapRaw> {
    let sealed = fcntl_get_seals(file)?.contains(SealFlags::SHRINK);
    if !sealed || file.metadata()?.len() != bytes as u64 {
        return Err(io::Error::other("it is not the memory that rank 0 made"));
    }
    MmapOptions::new().len(bytes).map_raw(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{run_spmd, run_spmd_all};

    #[test]
    fn turns_of_writing_and_reading() {
        let sums = run_spmd_all("threads", 4, |comm| {
            let mut shared = SharedArray::<u64>::new(comm, 1003)?;
            for turn in 1..50 {
                let before = shared.read()?.iter().sum::<u64>();
                shared.write(|start, part| {
                    part.iter_mut().enumerate().for_each(|(i, x)| *x += (start + i) as u64);
                })?;
                let now = shared.read()?.iter().sum::<u64>();
                if now - before != 1002 * 1003 / 2 {
                    return Err(comm.fail(format_args!("turn {turn}: {before} then {now}")));
                }
            }
            shared.write_on_root(|all| all.fill(1))?;
            Ok(shared.read()?.iter().sum::<u64>())
        });
        assert_eq!(sums, Ok(vec![1003; 4]));
    }

    #[test]
    fn after_a_failed_write_nothing_is_read() {
        let end = run_spmd("threads", 3, |comm| {
            let mut shared = SharedArray::<u8>::new(comm, 9)?;
            let write =
                std::panic::AssertUnwindSafe(|| shared.write(|_, _| assert_ne!(comm.rank(), 1, "boom")));
            let end = std::panic::catch_unwind(write);
            match end {
                // The rank that panicked must not read what others may be writing.
                Err(_) => shared.read().map(drop),
                Ok(end) => {
                    let error = end.unwrap_err();
                    assert_eq!(shared.read(), Err(error.clone()));
                    Err(error)
                }
            }
        });
        let end = end.unwrap_err();
        assert_eq!(end.to_string(), "rank 1 failed: it reads a shared array whose write failed");
    }

    #[test]
    fn lengths_must_agree_and_be_possible() {
        let end = run_spmd("threads", 2, |comm| SharedArray::<u8>::new(comm, 5 + comm.rank()).map(drop));
        assert!(end.unwrap_err().to_string().contains("rank 1 wants 6 numbers, rank 0 5"));
        let end = run_spmd("threads", 2, |comm| SharedArray::<f64>::new(comm, usize::MAX).map(drop));
        assert!(matches!(end, Err(CommError::Invalid { .. })));
    }
}
