//! What came since a run's file was last written: a commit takes milliseconds, so it is made for many results at once, and a client that is
//! killed meanwhile would lose them. So every result goes first, as it comes, to the end of a small file beside the run's: one write,
//! which the system keeps whatever becomes of the process. Whoever goes on with the run takes the results from there.
//!
//! A journal belongs to one version of a run's header. What was written together is checked together: if it was cut short, it and what lies
//! behind it is not there. Rows that the run's file holds already are passed over, so it does not matter when the journal is emptied.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::element::ElementRecord;
use crate::row::Row;
use crate::run_header::RunHeader;
use crate::stored_run::StoredRow;

const MAGIC: [u8; 8] = *b"PhlxJrn1";
const HASH_BYTES: usize = 8;
/// The magic and the hash of the run's header.
const HEAD_BYTES: usize = MAGIC.len() + 32;
/// Before rows that were written together: their length and hash.
const BATCH_HEAD_BYTES: usize = 8 + HASH_BYTES;

/// The journal of a run that is going on.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    path: PathBuf,
    /// None when it could not be made: results are then safe when the run's file is written.
    file: Option<File>,
    length: u64,
    buffer: Vec<u8>,
}

/// A row from a journal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) row: StoredRow,
    /// The host of its engine, if that was known.
    pub(crate) host: String,
}

impl Journal {
    /// An empty one for the run's file at `target`, in place of what was there.
    pub(crate) fn create(target: &Path, header: &RunHeader) -> Self {
        let path = path(target);
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path);
        let mut journal = Self { path, file: file.ok(), length: 0, buffer: Vec::new() };
        journal.buffer.extend_from_slice(&MAGIC);
        journal.buffer.extend_from_slice(identity(header).as_bytes());
        journal.flush();
        journal
    }

    /// Takes a row up, to be written with others.
    pub(crate) fn add(&mut self, row: &Row<'_>, host: &str) {
        if self.file.is_none() {
            return;
        }
        if self.buffer.is_empty() {
            self.buffer.extend_from_slice(&[0; BATCH_HEAD_BYTES]);
        }
        encode(row, host, &mut self.buffer);
    }

    /// Writes what was taken up, and says whether the disk took it. Where it does not (it is full), these rows are safe only when the
    /// run's file is written. There is nothing to write where no journal could be made.
    pub(crate) fn write(&mut self) -> bool {
        if self.buffer.is_empty() {
            return true;
        }
        let body = &self.buffer[BATCH_HEAD_BYTES..];
        let (len, hash) = ((body.len() as u64).to_le_bytes(), checked(body));
        self.buffer[..8].copy_from_slice(&len);
        self.buffer[8..BATCH_HEAD_BYTES].copy_from_slice(&hash);
        self.flush()
    }

    fn flush(&mut self) -> bool {
        let Some(file) = &self.file else { return true };
        let written = file.write_all_at(&self.buffer, self.length).is_ok();
        if written {
            self.length += self.buffer.len() as u64;
        } else {
            // What was written of it ends nowhere: it would hide what comes after.
            let _ = file.set_len(self.length);
        }
        self.buffer.clear();
        if self.length < HEAD_BYTES as u64 {
            self.file = None;
        }
        written
    }

    /// How much it holds.
    pub(crate) fn bytes(&self) -> u64 {
        self.length.saturating_sub(HEAD_BYTES as u64)
    }

    /// All its rows are in the run's file.
    pub(crate) fn clear(&mut self) {
        self.buffer.clear();
        if let Some(file) = &self.file
            && self.length > HEAD_BYTES as u64
            && file.set_len(HEAD_BYTES as u64).is_ok()
        {
            self.length = HEAD_BYTES as u64;
        }
    }

    /// It is not needed any more.
    pub(crate) fn remove(&mut self) {
        self.file = None;
        let _ = fs::remove_file(&self.path);
    }
}

impl Drop for Journal {
    /// One that holds nothing is of no use to anybody.
    fn drop(&mut self) {
        if self.file.is_some() && self.bytes() == 0 {
            self.remove();
        }
    }
}

/// What the journal beside `target` holds, if it is of the run with this header. Nothing of it can be relied on but what its hashes confirm.
pub(crate) fn read(target: &Path, header: &RunHeader) -> io::Result<Vec<Entry>> {
    let bytes = match fs::read(path(target)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let Some(head) = bytes.get(..HEAD_BYTES) else { return Ok(Vec::new()) };
    if head[..8] != MAGIC || head[8..] != *identity(header).as_bytes() {
        return Ok(Vec::new());
    }
    let mut entries = Vec::new();
    let mut rest = &bytes[HEAD_BYTES..];
    while let Some((mut batch, behind)) = next(rest) {
        while let Some(entry) = decode(&mut batch) {
            entries.push(entry);
        }
        rest = behind;
    }
    entries.retain(|entry| entry.row.element < header.elements.len() as u64);
    Ok(entries)
}

fn path(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.journal"))
}

/// What tells one run from another, and one version of its file's header from the next.
fn identity(header: &RunHeader) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for text in [&header.label, &header.program, &header.shared] {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    hasher.update(&header.entry.to_le_bytes());
    for element in &header.elements {
        hasher.update(&element.to_le_bytes());
    }
    hasher.finalize()
}

fn checked(body: &[u8]) -> [u8; HASH_BYTES] {
    std::array::from_fn({
        let hash = blake3::hash(body);
        move |i| hash.as_bytes()[i]
    })
}

/// The rows that were written together first, and what lies behind them.
fn next(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(BATCH_HEAD_BYTES)?;
    let len = u64::from_le_bytes(head[..8].try_into().ok()?);
    let (body, behind) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    (checked(body) == head[8..]).then_some((body, behind))
}

fn encode(row: &Row<'_>, host: &str, out: &mut Vec<u8>) {
    let ElementRecord { engine, attempt, started_ns, completed_ns, chunk, ran_with } = row.record;
    for number in [
        row.element,
        row.session.into(),
        engine.into(),
        attempt.into(),
        started_ns,
        completed_ns,
        chunk,
        ran_with.into(),
    ] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    let (failed, kind, message) = row.failure.map_or((0, "", ""), |(kind, message)| (1, kind, message));
    out.push(failed);
    for bytes in [host.as_bytes(), kind.as_bytes(), message.as_bytes(), row.encoded] {
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(bytes);
    }
}

/// Takes the first row off.
fn decode(body: &mut &[u8]) -> Option<Entry> {
    let mut number = || {
        let (number, rest) = body.split_first_chunk::<8>()?;
        *body = rest;
        Some(u64::from_le_bytes(*number))
    };
    let element = number()?;
    let mut small = || u32::try_from(number()?).ok();
    let (session, engine, attempt) = (small()?, small()?, small()?);
    let (started_ns, completed_ns, chunk) = (number()?, number()?, number()?);
    let ran_with = u32::try_from(number()?).ok()?;
    let (&failed, rest) = body.split_first()?;
    *body = rest;
    let mut bytes = || {
        let (len, rest) = body.split_first_chunk::<8>()?;
        let (bytes, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
        *body = rest;
        Some(bytes)
    };
    let mut text = || Some(String::from_utf8_lossy(bytes()?).into_owned());
    let (host, kind, message) = (text()?, text()?, text()?);
    let encoded = bytes()?.to_vec();
    let outcome = if failed == 0 { Ok(encoded) } else { Err((kind, message)) };
    let record = ElementRecord { engine, attempt, started_ns, completed_ns, chunk, ran_with };
    Some(Entry { row: StoredRow { element, session, outcome, record }, host })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> RunHeader {
        RunHeader { label: "f".into(), elements: vec![7; 10], ..RunHeader::default() }
    }

    fn row<'a>(element: u64, encoded: &'a [u8], failure: Option<(&'a str, &'a str)>) -> Row<'a> {
        let record =
            ElementRecord { engine: 2, attempt: 1, started_ns: 5, completed_ns: 9, chunk: 4, ran_with: 3 };
        Row { element, session: 1, failure, encoded, record }
    }

    fn elements(target: &Path) -> Vec<u64> {
        read(target, &header()).unwrap().iter().map(|entry| entry.row.element).collect()
    }

    #[test]
    fn what_was_written_is_read_back_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("run.h5");
        assert!(elements(&target).is_empty());
        let mut journal = Journal::create(&target, &header());
        journal.add(&row(3, &[1, 2, 3], None), "node7");
        journal.add(&row(9, &[], Some(("panic", "oh"))), "");
        assert!(elements(&target).is_empty(), "it was not written");
        journal.write();
        let entries = read(&target, &header()).unwrap();
        assert_eq!((entries[0].row.outcome.clone(), entries[0].host.as_str()), (Ok(vec![1, 2, 3]), "node7"));
        assert_eq!(entries[0].row.record, row(3, &[], None).record);
        assert_eq!((entries[0].row.session, entries[1].row.element), (1, 9));
        assert_eq!(entries[1].row.outcome, Err(("panic".into(), "oh".into())));
        let other = RunHeader { entry: 1, ..header() };
        assert!(read(&target, &other).unwrap().is_empty(), "it is of another run");
        // An element that the run does not have.
        journal.add(&row(10, &[1], None), "");
        journal.write();
        assert_eq!(elements(&target), [3, 9]);
        journal.clear();
        assert!(elements(&target).is_empty() && journal.bytes() == 0);
        journal.add(&row(1, &[8], None), "");
        journal.write();
        assert_eq!(elements(&target), [1]);
        journal.remove();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_damaged_or_cut_short_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("run.h5");
        let mut journal = Journal::create(&target, &header());
        for element in 0..3 {
            journal.add(&row(element, &[element as u8; 100], None), "node7");
            journal.write();
        }
        let whole = fs::read(path(&target)).unwrap();
        let record = (whole.len() - HEAD_BYTES) / 3;
        for cut in 0..whole.len() {
            fs::write(path(&target), &whole[..cut]).unwrap();
            let complete = cut.saturating_sub(HEAD_BYTES) / record;
            assert_eq!(elements(&target), (0..complete as u64).collect::<Vec<_>>(), "cut at {cut}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x40;
            fs::write(path(&target), damaged).unwrap();
            let good = at.checked_sub(HEAD_BYTES).map_or(0, |at| at / record);
            assert_eq!(elements(&target), (0..good as u64).collect::<Vec<_>>(), "damaged at {at}");
        }
    }
}
