//! What a run's file holds, read back so that the run can go on.

use std::collections::HashMap;
use std::path::Path;

use crate::element::{ElementRecord, Status};
use crate::journal::Entry;
use crate::open_error::OpenError;
use crate::open_file::OpenFile;
use crate::run_header::{RunHeader, RunProgress, RunSession};

/// A run as its file tells it.
#[derive(Clone, Debug)]
pub struct StoredRun {
    /// What it is.
    pub header: RunHeader,
    /// How it went.
    pub progress: RunProgress,
    /// Whether no element was missing when it was written.
    pub complete: bool,
    /// What its values are made of; see [`values_type`](crate::values_type).
    pub values_type: String,
    /// The elements that were run.
    pub rows: Vec<StoredRow>,
}

/// One element that was run.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRow {
    /// Which element.
    pub element: u64,
    /// In which session.
    pub session: u32,
    /// Its value's bytes, or the kind of its error and the message.
    pub outcome: Result<Vec<u8>, (String, String)>,
    /// Where and when it was run.
    pub record: ElementRecord,
}

impl StoredRun {
    /// Reads a run's file.
    ///
    /// # Errors
    /// An [`OpenError`]: it is not there, no HDF5 file, damaged, or not of a run.
    pub fn read(path: &Path) -> Result<Self, OpenError> {
        let file = OpenFile::open(path)?;
        if !file.has("run") {
            let message =
                "it holds the results of one job, saved when it had ended, not a run that can go on";
            return Err(OpenError::Foreign { path: path.to_owned(), message: message.to_owned() });
        }
        let header = read_header(&file)?;
        let rows = read_rows(&file, header.elements.len() as u64)?;
        Ok(Self {
            header,
            progress: read_progress(&file)?,
            complete: file.number("complete")?,
            values_type: file.text("values_type")?,
            rows,
        })
    }
}

impl StoredRun {
    /// Adds what a journal holds beyond the file: of an element that the file has of an earlier session, too.
    pub(crate) fn add(&mut self, noted: Vec<Entry>) {
        let mut places: HashMap<u64, usize> =
            self.rows.iter().enumerate().map(|(i, row)| (row.element, i)).collect();
        // The last session may have ended before the file knew of it.
        let sessions = self.progress.sessions.len() + 1;
        for Entry { row, host } in noted.into_iter().filter(|entry| (entry.row.session as usize) < sessions) {
            let submitted_ns = row.record.started_ns;
            let program = &self.header.program;
            let unknown = || RunSession {
                job: String::new(),
                program: program.clone(),
                submitted_ns,
                received_ns: submitted_ns,
            };
            if row.session as usize == self.progress.sessions.len() {
                self.progress.sessions.push(unknown());
            }
            let session = &mut self.progress.sessions[row.session as usize];
            session.received_ns = session.received_ns.max(row.record.completed_ns);
            if !host.is_empty() {
                self.progress.hosts.entry((row.session, row.record.engine)).or_insert(host);
            }
            match places.get(&row.element) {
                Some(&at) if self.rows[at].session < row.session => self.rows[at] = row,
                Some(_) => {}
                None => {
                    places.insert(row.element, self.rows.len());
                    self.rows.push(row);
                }
            }
        }
    }
}

/// The numbers of one dataset of a file of results.
///
/// # Errors
/// An [`OpenError`]: it is no such file, or has no such numbers.
pub fn read_numbers(path: &Path, dataset: &str) -> Result<Vec<u64>, OpenError> {
    OpenFile::open(path)?.values(dataset, None)
}

fn read_header(file: &OpenFile<'_>) -> Result<RunHeader, OpenError> {
    let elements = file.number::<u64>("elements")?;
    Ok(RunHeader {
        label: file.text("label")?,
        program: file.text("program")?,
        entry: file.number("entry")?,
        shared: file.text("shared")?,
        parameters: file.text("shared_parameters")?,
        elements: file.values("run/identity", usize::try_from(elements).ok())?,
    })
}

pub(crate) fn read_progress(file: &OpenFile<'_>) -> Result<RunProgress, OpenError> {
    let jobs = file.texts("sessions/job", None)?;
    let programs = file.texts("sessions/program", Some(jobs.len()))?;
    let submitted: Vec<u64> = file.values("sessions/submitted_ns", Some(jobs.len()))?;
    let received: Vec<u64> = file.values("sessions/received_ns", Some(jobs.len()))?;
    let times = submitted.into_iter().zip(received);
    let session = |((job, program), (submitted_ns, received_ns))| RunSession {
        job,
        program,
        submitted_ns,
        received_ns,
    };
    let sessions = jobs.into_iter().zip(programs).zip(times).map(session).collect();
    let ids: Vec<u32> = file.values("engines/id", None)?;
    let numbers: Vec<u32> = file.values("engines/session", Some(ids.len()))?;
    let hosts = file.texts("engines/host", Some(ids.len()))?;
    Ok(RunProgress { sessions, hosts: numbers.into_iter().zip(ids).zip(hosts).collect() })
}

fn read_rows(file: &OpenFile<'_>, elements: u64) -> Result<Vec<StoredRow>, OpenError> {
    let numbers: Vec<u64> = file.values("elements/element", None)?;
    let rows = Some(numbers.len());
    if let Some(beyond) = numbers.iter().find(|element| **element >= elements) {
        return Err(
            file.damaged(format!("it has a result of element {beyond}, but only {elements} elements"))
        );
    }
    let sessions: Vec<u32> = file.values("elements/session", rows)?;
    let status: Vec<Status> = file.values("elements/status", rows)?;
    let kinds = file.texts("elements/error_kind", rows)?;
    let messages = file.texts("elements/error", rows)?;
    let records = read_records(file, numbers.len())?;
    let encoded = file.bytes("run/encoded", numbers.len())?;
    let errors = kinds.into_iter().zip(messages);
    let outcomes = status.into_iter().zip(encoded).zip(errors).map(|((status, bytes), error)| match status {
        Status::ok => Ok(bytes),
        Status::failed | Status::missing => Err(error),
    });
    let each = numbers.into_iter().zip(sessions).zip(outcomes).zip(records);
    Ok(each
        .map(|(((element, session), outcome), record)| StoredRow { element, session, outcome, record })
        .collect())
}

pub(crate) fn read_records(file: &OpenFile<'_>, rows: usize) -> Result<Vec<ElementRecord>, OpenError> {
    let rows = Some(rows);
    let engines: Vec<u32> = file.values("elements/engine", rows)?;
    let attempts: Vec<u32> = file.values("elements/attempt", rows)?;
    let chunks: Vec<u64> = file.values("elements/chunk", rows)?;
    let started: Vec<u64> = file.values("elements/started_ns", rows)?;
    let completed: Vec<u64> = file.values("elements/completed_ns", rows)?;
    let ran_with: Vec<u32> = file.values("elements/ran_with", rows)?;
    let numbers = engines.into_iter().zip(attempts).zip(chunks.into_iter().zip(ran_with));
    let record = |(((engine, attempt), (chunk, ran_with)), (started_ns, completed_ns))| ElementRecord {
        engine,
        attempt,
        started_ns,
        completed_ns,
        chunk,
        ran_with,
    };
    Ok(numbers.zip(started.into_iter().zip(completed)).map(record).collect())
}
