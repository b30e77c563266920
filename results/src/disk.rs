//! The bytes of an HDF5 file on their way to the disk.
//!
//! HDF5 does not survive a disk that fills up: when a write fails it cannot close the file, and has been
//! seen to crash. So it never learns: [`Disk`] remembers the first failure, keeps what HDF5 writes after
//! it in memory, to be read back, and whoever saves asks for the failure when the file is closed.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

const PAGE_BYTES: usize = 4096;
/// Raw data is hardly ever read back: after a failure no more than this much memory is spent on it.
const RAW_PAGES_MAX: usize = (16 << 20) / PAGE_BYTES;

/// The size of HDF5's superblock (versions 2 and 3), from the start of the file.
const SUPERBLOCK_BYTES: usize = 48;

/// An open file that never refuses a write.
///
/// One that is written from the start on takes everything as it comes. One that [goes on](Self::onward) behind what a file holds
/// already leaves all of that alone: the new superblock is kept back, and is written by [`commit`](Self::commit), after
/// everything it refers to. At every moment the file is what it was before or what it is afterwards.
#[derive(Debug)]
pub(crate) struct Disk {
    file: File,
    failure: Option<io::Error>,
    /// What was written since the failure, by page.
    pages: HashMap<u64, Box<[u8; PAGE_BYTES]>>,
    /// Where what is written begins, but for the superblock.
    start: u64,
    /// How far was written.
    end: u64,
    /// The superblock that was kept back.
    superblock: [u8; SUPERBLOCK_BYTES],
    /// The chunk that HDF5 is about to allocate and write, and that lies in the file already: its place and size.
    attached: Option<(u64, u64)>,
}

impl Disk {
    pub(crate) fn new(file: File) -> Self {
        Self::onward(file, 0)
    }

    /// Leaves the first `start` bytes of the file as they are.
    pub(crate) fn onward(file: File, start: u64) -> Self {
        Self {
            file,
            failure: None,
            pages: HashMap::new(),
            start,
            end: start,
            superblock: [0; SUPERBLOCK_BYTES],
            attached: None,
        }
    }

    /// Where allocation begins.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// How long the file is by what was written.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// The next chunk of that many bytes that HDF5 allocates lies here already, and is not to be written again.
    pub(crate) fn attach(&mut self, address: u64, size: u64) {
        self.attached = Some((address, size));
    }

    /// Whether that chunk has not been written yet.
    pub(crate) fn is_attaching(&self) -> bool {
        self.attached.is_some()
    }

    /// The place of such a chunk.
    pub(crate) fn place_of_attached(&self, size: u64, raw: bool) -> Option<u64> {
        self.attached.filter(|(_, attached)| raw && *attached == size).map(|(address, _)| address)
    }

    /// Brings what was written to the disk, and then makes it what the file holds, if it is complete.
    pub(crate) fn commit(&mut self, complete: bool) -> io::Result<()> {
        if let Some(failure) = self.take_failure() {
            return Err(failure);
        }
        if !complete {
            return Ok(());
        }
        self.file.sync_data()?;
        if self.start > 0 {
            self.file.write_all_at(&self.superblock, 0)?;
        }
        Ok(())
    }

    /// Forgets what was written and not committed: the file is as long as it was.
    pub(crate) fn roll_back(&mut self) {
        if self.start > 0 {
            // What lies behind the end does no harm but that it takes room.
            let _ = self.file.set_len(self.start);
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// What the disk said first, if it refused anything.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Writes, or remembers what could not be written. `raw` is data, as opposed to HDF5's own records.
    pub(crate) fn write(&mut self, at: u64, bytes: &[u8], raw: bool) {
        if self.attached.is_some_and(|attached| raw && attached == (at, bytes.len() as u64)) {
            self.attached = None;
            return;
        }
        if at < self.start {
            match self.superblock.get_mut(at as usize..).and_then(|rest| rest.get_mut(..bytes.len())) {
                Some(place) => place.copy_from_slice(bytes),
                None => {
                    let error = io::Error::other("HDF5 meant to change what is in the file already");
                    self.failure.get_or_insert(error);
                }
            }
            return;
        }
        self.end = self.end.max(at + bytes.len() as u64);
        if self.failure.is_none() {
            match self.file.write_all_at(bytes, at) {
                Ok(()) => return,
                Err(error) => self.failure = Some(error),
            }
        }
        if !raw || self.pages.len() + bytes.len() / PAGE_BYTES < RAW_PAGES_MAX {
            self.keep(at, bytes);
        }
    }

    /// Reads what was written, zeros where nothing was.
    pub(crate) fn read(&mut self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        if at < self.start {
            bytes.fill(0);
            let at = at.min(SUPERBLOCK_BYTES as u64) as usize;
            let length = bytes.len().min(SUPERBLOCK_BYTES - at);
            bytes[..length].copy_from_slice(&self.superblock[at..at + length]);
            return Ok(());
        }
        let read = read_from(&self.file, at, bytes);
        if let Err(error) = read {
            let told = io::Error::new(error.kind(), error.to_string());
            self.failure.get_or_insert(error);
            return Err(told);
        }
        for (page, offset, range) in pages(at, bytes.len()) {
            if let Some(kept) = self.pages.get(&page) {
                let length = range.len();
                bytes[range].copy_from_slice(&kept[offset..offset + length]);
            }
        }
        Ok(())
    }

    /// Makes the file this long.
    pub(crate) fn set_len(&mut self, bytes: u64) {
        self.end = self.end.max(bytes);
        if self.failure.is_none() {
            self.failure = self.file.set_len(bytes.max(self.start)).err();
        }
    }

    fn keep(&mut self, at: u64, bytes: &[u8]) {
        for (page, offset, range) in pages(at, bytes.len()) {
            let kept = self.pages.entry(page).or_insert_with(|| {
                let mut content = Box::new([0; PAGE_BYTES]);
                // A page that cannot be read was not written either.
                let _ = read_from(&self.file, page * PAGE_BYTES as u64, &mut content[..]);
                content
            });
            kept[offset..offset + range.len()].copy_from_slice(&bytes[range]);
        }
    }
}

/// The pages that `length` bytes from `at` lie in: the page, where in it, and which of the bytes.
fn pages(at: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let position = at + done as u64;
        // Less than a page, so it fits.
        let offset = (position % PAGE_BYTES as u64) as usize;
        let start = done;
        done = length.min(start + PAGE_BYTES - offset);
        (start < length).then_some((position / PAGE_BYTES as u64, offset, start..done))
    })
}

/// Fills the buffer from the file, with zeros beyond its end.
fn read_from(file: &File, mut at: u64, mut bytes: &mut [u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.read_at(bytes, at) {
            Ok(0) => {
                bytes.fill(0);
                break;
            }
            Ok(read) => {
                at += read as u64;
                bytes = &mut bytes[read..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failure_everything_can_still_be_read() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut file, &[1; 5000]).unwrap();
        // Opened for reading only, every write fails.
        let mut disk = Disk::new(File::open(file.path()).unwrap());
        disk.write(4090, &[2; 5000], false);
        assert!(disk.has_failed());
        disk.write(4092, &[3; 2], false);
        let mut all = [9; 10_000];
        disk.read(0, &mut all).unwrap();
        let expected = [vec![1; 4090], vec![2, 2, 3, 3], vec![2; 4996], vec![0; 910]].concat();
        assert_eq!(all[..], expected);
        let mut few = [9; 3];
        disk.read(4093, &mut few).unwrap();
        assert_eq!(few, [3, 2, 2]);
        assert!(disk.take_failure().is_some());
    }

    #[test]
    fn raw_data_after_a_failure_takes_little_memory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut disk = Disk::new(File::open(file.path()).unwrap());
        disk.write(0, &vec![1; 64 << 20], true);
        for block in 0..64 {
            disk.write(block << 20, &vec![1; 1 << 20], true);
        }
        assert!(disk.pages.len() <= RAW_PAGES_MAX);
    }
}
