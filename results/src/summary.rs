//! What is in a file of results, told in short.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hdf5::Group;
use serde::Serialize;

use crate::element::{ElementRecord, Status};
use crate::open_error::OpenError;
use crate::open_file::OpenFile;
use crate::stored_run::{read_progress, read_records};

/// Failures that are named; the rest are counted.
const FAILURES_MAX: usize = 1000;

/// A file of results: of one job, or of a run.
#[derive(Clone, Debug, Serialize)]
pub struct FileSummary {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Whether it is of a run, which can go on.
    pub is_run: bool,
    /// A readable name of the function.
    pub label: String,
    /// The hash of the program it is part of.
    pub program: String,
    /// The version of Phalanx that wrote it.
    pub phalanx_version: String,
    /// The ids of its jobs: of a run, one for each time that it was started.
    pub jobs: Vec<String>,
    /// When the first was submitted, in nanoseconds since 1970 (UTC); 0 if unknown.
    pub submitted_ns: u64,
    /// When the last result was received; 0 if none was.
    pub received_ns: u64,
    /// How long somebody waited, in seconds.
    pub wall_seconds: f64,
    /// All elements.
    pub elements: u64,
    /// Those with a value.
    pub done: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those with neither.
    pub missing: u64,
    /// What all elements share, if it is told.
    pub shared_parameters: Option<String>,
    /// The first failures.
    pub failures: Vec<Failure>,
    /// How long elements with a value took.
    pub timings: Option<Timings>,
    /// Who computed them.
    pub engines: Vec<EngineShare>,
    /// The datasets of parameters and values.
    pub datasets: Vec<DatasetSummary>,
}

/// An element that failed.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// Which one.
    pub element: u64,
    /// What kind of error.
    pub kind: String,
    /// Its message.
    pub message: String,
}

/// Seconds per element.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Timings {
    /// All together: what one engine would have needed.
    pub total: f64,
    /// The shortest.
    pub min: f64,
    /// The middle one.
    pub median: f64,
    /// The longest.
    pub max: f64,
}

/// What one engine did.
#[derive(Clone, Debug, Serialize)]
pub struct EngineShare {
    /// Which of the run's sessions; 0 for a job.
    pub session: u32,
    /// Its id.
    pub engine: u32,
    /// Where it ran; empty if unknown.
    pub host: String,
    /// How many elements it did, those that failed included.
    pub elements: u64,
    /// How long that took.
    pub seconds: f64,
}

/// One dataset.
#[derive(Clone, Debug, Serialize)]
pub struct DatasetSummary {
    /// Where it is.
    pub path: String,
    /// The type of its values.
    pub dtype: String,
    /// Its shape, the elements first.
    pub shape: Vec<usize>,
}

/// The elements in a file.
struct Elements {
    numbers: Vec<u64>,
    sessions: Vec<u32>,
    status: Vec<Status>,
    records: Vec<ElementRecord>,
}

impl FileSummary {
    /// Looks into a file.
    ///
    /// # Errors
    /// An [`OpenError`]: it is not there, no file of results, or damaged.
    pub fn read(path: &Path) -> Result<Self, OpenError> {
        let file = OpenFile::open(path)?;
        let is_run = file.has("run");
        let found = Elements::read(&file, is_run)?;
        let elements = file.number("elements")?;
        let count = |wanted| found.status.iter().filter(|status| **status == wanted).count() as u64;
        let (done, failed) = (count(Status::ok), count(Status::failed));
        let (jobs, hosts) = jobs_and_hosts(&file, is_run)?;
        let text = |name| if is_run { file.text(name).map(Some) } else { Ok(None) };
        let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
        Ok(Self {
            path: path.to_owned(),
            bytes,
            is_run,
            label: file.text("label")?,
            program: file.text("program")?,
            phalanx_version: file.text("phalanx_version")?,
            jobs,
            submitted_ns: file.number("submitted_ns")?,
            received_ns: file.number("received_ns")?,
            wall_seconds: file.number("wall_seconds")?,
            elements,
            done,
            failed,
            missing: elements.saturating_sub(done + failed),
            shared_parameters: text("shared_parameters")?.filter(|json| !json.is_empty()),
            failures: found.failures(&file)?,
            timings: found.timings(),
            engines: found.shares(&hosts),
            datasets: datasets(&file)?,
        })
    }

    /// Whether every element has a value.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.done == self.elements
    }
}

type Hosts = BTreeMap<(u32, u32), String>;

/// The jobs' ids, and the engines' hosts by session and id.
fn jobs_and_hosts(file: &OpenFile<'_>, is_run: bool) -> Result<(Vec<String>, Hosts), OpenError> {
    if is_run {
        let progress = read_progress(file)?;
        return Ok((progress.sessions.into_iter().map(|s| s.job).collect(), progress.hosts));
    }
    let ids: Vec<u32> = file.values("engines/id", None)?;
    let hosts = file.texts("engines/host", Some(ids.len()))?;
    let job = Some(file.text("job")?).filter(|job| !job.is_empty());
    Ok((job.into_iter().collect(), ids.into_iter().map(|id| (0, id)).zip(hosts).collect()))
}

impl Elements {
    fn read(file: &OpenFile<'_>, is_run: bool) -> Result<Self, OpenError> {
        let status: Vec<Status> = file.values("elements/status", None)?;
        let rows = Some(status.len());
        let (numbers, sessions) = match is_run {
            true => (file.values("elements/element", rows)?, file.values("elements/session", rows)?),
            false => ((0..status.len() as u64).collect(), vec![0; status.len()]),
        };
        let records = read_records(file, status.len())?;
        Ok(Self { numbers, sessions, status, records })
    }

    fn failures(&self, file: &OpenFile<'_>) -> Result<Vec<Failure>, OpenError> {
        let mut failed: Vec<usize> =
            (0..self.status.len()).filter(|&row| self.status[row] == Status::failed).collect();
        if failed.is_empty() {
            return Ok(Vec::new());
        }
        failed.sort_by_key(|&row| self.numbers[row]);
        let rows = Some(self.status.len());
        let kinds = file.texts("elements/error_kind", rows)?;
        let messages = file.texts("elements/error", rows)?;
        let failure = |row: usize| Failure {
            element: self.numbers[row],
            kind: kinds[row].clone(),
            message: messages[row].clone(),
        };
        Ok(failed.into_iter().take(FAILURES_MAX).map(failure).collect())
    }

    fn timings(&self) -> Option<Timings> {
        let done = self.records.iter().zip(&self.status).filter(|(_, status)| **status == Status::ok);
        let mut seconds: Vec<f64> =
            done.map(|(record, _)| record.seconds()).filter(|s| s.is_finite()).collect();
        seconds.sort_by(f64::total_cmp);
        let (&min, &max) = (seconds.first()?, seconds.last()?);
        Some(Timings { total: seconds.iter().sum(), min, median: seconds[seconds.len() / 2], max })
    }

    fn shares(&self, hosts: &Hosts) -> Vec<EngineShare> {
        let mut shares: BTreeMap<(u32, u32), (u64, f64)> = BTreeMap::new();
        for ((record, status), session) in self.records.iter().zip(&self.status).zip(&self.sessions) {
            if *status != Status::missing {
                let (elements, seconds) = shares.entry((*session, record.engine)).or_default();
                *elements += 1;
                *seconds += Some(record.seconds()).filter(|s| s.is_finite()).unwrap_or(0.0);
            }
        }
        let share = |((session, engine), (elements, seconds))| EngineShare {
            session,
            engine,
            host: hosts.get(&(session, engine)).cloned().unwrap_or_default(),
            elements,
            seconds,
        };
        shares.into_iter().map(share).collect()
    }
}

fn datasets(file: &OpenFile<'_>) -> Result<Vec<DatasetSummary>, OpenError> {
    let mut found = Vec::new();
    for part in ["parameters", "context", "values"] {
        if file.has(part) {
            list(file.root(), part, &mut found).map_err(|error| file.damaged(format!("/{part}: {error}")))?;
        }
    }
    Ok(found)
}

fn list(root: &Group, path: &str, found: &mut Vec<DatasetSummary>) -> hdf5::Result<()> {
    if let Ok(dataset) = root.dataset(path) {
        let dtype = dataset.dtype()?.to_descriptor()?.to_string();
        found.push(DatasetSummary { path: format!("/{path}"), dtype, shape: dataset.shape() });
        return Ok(());
    }
    let mut names = root.group(path)?.member_names()?;
    names.sort();
    names.into_iter().try_for_each(|name| list(root, &format!("{path}/{name}"), found))
}
