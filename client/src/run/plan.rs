//! A run before it starts: what it is, and what of it a file already holds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use phalanx_results::{RunHeader, RunProgress, RunSession, RunSlot, SaveOptions, StoredRun};

use super::difference::differences;
use super::done::{Done, Kept};
use super::recorder::{Recorder, Recording};
use crate::codec::{self, Elements, ElementsBuilder, Value};
use crate::error::{Error, Result};
use crate::job::{JobHandle, JobOptions, JobPlan, JobSpec};
use crate::session::Session;
use crate::worker::Function;

/// Shared parameters are written for people up to this size; beyond it their hash tells whether they are the same.
const PARAMETERS_BYTES_MAX: usize = 64 << 10;

/// A run.
pub(crate) struct Plan<A> {
    pub(crate) path: PathBuf,
    pub(crate) options: SaveOptions,
    /// Whether the run may go on with another program.
    pub(crate) any_program: bool,
    pub(crate) function: Function,
    pub(crate) items: Vec<A>,
    /// What all elements share: its bytes, and what it is for people.
    pub(crate) shared: (Bytes, String),
    pub(crate) plan: JobPlan,
    pub(crate) asked: JobOptions,
}

/// A run that was started.
pub(crate) struct Started<T> {
    pub(crate) handle: JobHandle,
    pub(crate) recording: Arc<Recording<T>>,
    /// How many values the file had.
    pub(crate) resumed: u64,
    pub(crate) elements: u64,
    pub(crate) path: PathBuf,
}

impl<A: Value> Plan<A> {
    /// Submits what the file does not hold, and records what comes. `keep` makes of an element what is kept of it.
    pub(crate) fn start<T: Kept>(
        self,
        session: &Arc<Session>,
        slot: RunSlot,
        stored: Option<StoredRun>,
        mut keep: impl FnMut(Done) -> T + Send + 'static,
    ) -> Result<Started<T>> {
        let encoded = self.encoded()?;
        let header = self.header(&encoded)?;
        let (rows, mut progress) = match &stored {
            Some(stored) => self.resumed(&header, stored)?,
            None => (Vec::new(), RunProgress::default()),
        };
        let elements = header.elements.len() as u64;
        let resumed = rows.len() as u64;
        let mut is_there = vec![false; self.items.len()];
        rows.iter().for_each(|done| is_there[done.element as usize] = true);
        let missing: Arc<[u64]> = (0..elements).filter(|&i| !is_there[i as usize]).collect();
        let rows: Vec<T> = rows.into_iter().map(&mut keep).collect();
        let other = stored.as_ref().filter(|stored| stored.header.program != header.program);
        self.check_values(&rows, other)?;
        let spec = self.spec(encoded, &missing)?;
        if missing.is_empty() && stored.is_some_and(|stored| stored.complete) {
            // Nothing to do: the file is left as it is, with whatever others have put into it.
            let handle = JobHandle { job: session.submit(spec), session: Arc::clone(session) };
            let recording = Recording::of_complete(rows, self.path.clone());
            return Ok(Started { handle, recording, resumed, elements, path: self.path });
        }
        // The file comes first: a run that cannot be recorded does not start.
        let options = SaveOptions { overwrite: true, ..self.options };
        let program = header.program.clone();
        let file = slot.create(header, &self.items, &progress, &rows, &options).map_err(not_saved)?;
        let job = session.submit(spec);
        let id = job.id.to_string();
        progress.sessions.push(RunSession {
            job: id,
            program,
            submitted_ns: job.submitted_ns,
            received_ns: 0,
        });
        let handle = JobHandle { job, session: Arc::clone(session) };
        let recorder = Recorder::new(handle.clone(), file, rows, missing, progress, Box::new(keep));
        let recording = recorder.spawn()?;
        Ok(Started { handle, recording, resumed, elements, path: self.path })
    }

    fn encoded(&self) -> Result<Elements> {
        let mut elements = ElementsBuilder::with_capacity(self.items.len());
        for item in &self.items {
            elements.push(item)?;
        }
        Ok(elements.finish())
    }

    fn header(&self, encoded: &Elements) -> Result<RunHeader> {
        let program = crate::program::this_program().map_err(Error::BadFunction)?;
        let (bytes, parameters) = &self.shared;
        let short = parameters.len() <= PARAMETERS_BYTES_MAX;
        Ok(RunHeader {
            label: self.function.label.to_owned(),
            program: crate::program::hex(&program.hash),
            entry: self.function.entry,
            shared: blake3::Hasher::new()
                .update(bytes)
                .update(parameters.as_bytes())
                .finalize()
                .to_hex()
                .to_string(),
            parameters: if short { parameters.clone() } else { String::new() },
            elements: values(encoded).map(identity).collect(),
        })
    }

    /// What an earlier session has left, if this is the same run.
    fn resumed(&self, header: &RunHeader, stored: &StoredRun) -> Result<(Vec<Done>, RunProgress)> {
        let element = |i: usize| serde_json::to_string(&self.items[i]).unwrap_or_else(|e| e.to_string());
        let found = differences(&stored.header, header, self.any_program, element);
        if !found.is_empty() {
            return Err(Error::AnotherRun { path: self.path.clone(), differences: found });
        }
        Ok((stored.rows.iter().filter_map(Done::stored).collect(), stored.progress.clone()))
    }

    /// Refuses values that mean something else to this program than to another one that wrote them. What values are made of is learnt
    /// from them, and may depend on the order in which they came: the same program is asked nothing.
    fn check_values<T: Kept>(&self, rows: &[T], stored: Option<&StoredRun>) -> Result<()> {
        let Some(stored) = stored.filter(|_| !rows.is_empty()) else { return Ok(()) };
        let unreadable = rows.iter().find_map(|row| row.done().outcome.as_ref().err());
        let difference = match unreadable {
            Some(e) => {
                format!("the value of element {} cannot be read by this program: {}", e.element, e.message)
            }
            None => {
                let (was, is) = (&stored.values_type, phalanx_results::values_type(rows).map_err(not_saved)?);
                if *was == is {
                    return Ok(());
                }
                format!("values were {was} and are now {is}")
            }
        };
        Err(Error::AnotherRun { path: self.path.clone(), differences: vec![difference] })
    }

    /// The job of the missing elements.
    fn spec(&self, encoded: Elements, missing: &Arc<[u64]>) -> Result<JobSpec> {
        let elements = if missing.len() == self.items.len() { encoded } else { only(&encoded, missing)? };
        let (shared, plan) = (self.shared.0.clone(), self.plan.clone());
        let spec = JobSpec::new(self.function, elements, shared, plan);
        // What goes to a file is not kept at the controller too: the next session would do again what still goes on.
        let options = JobOptions { kept: false, ..self.asked.clone() };
        Ok(JobSpec { options, numbers: Some(Arc::clone(missing)), ..spec })
    }
}

/// Takes the place of a run's file, and reads what is there.
pub(crate) fn slot(path: &Path) -> Result<(RunSlot, Option<StoredRun>)> {
    let slot = RunSlot::take(path).map_err(not_saved)?;
    let stored = slot.stored().map_err(|e| Error::Save(e.to_string()))?;
    Ok((slot, stored))
}

/// What is shared, as bytes and for people.
pub(crate) fn shared<C: Value>(value: &C) -> Result<(Bytes, String)> {
    let mut bytes = Vec::new();
    codec::encode(value, &mut bytes)?;
    Ok((bytes.into(), serde_json::to_string(value).unwrap_or_default()))
}

pub(super) fn not_saved(error: phalanx_results::SaveError) -> Error {
    Error::Save(error.to_string())
}

/// The bytes of each.
fn values(elements: &Elements) -> impl Iterator<Item = &[u8]> {
    let (stride, each) = (elements.lens.stride(), elements.lens.each());
    let mut at = 0;
    (0..elements.lens.count()).map(move |i| {
        let start = at;
        at += each.get(i).copied().unwrap_or(stride) as usize;
        &elements.data[start..at]
    })
}

/// Those of these numbers, which rise.
fn only(elements: &Elements, numbers: &[u64]) -> Result<Elements> {
    let mut chosen = ElementsBuilder::with_capacity(numbers.len());
    let mut numbers = numbers.iter().peekable();
    for (number, bytes) in values(elements).enumerate() {
        if numbers.next_if(|next| **next == number as u64).is_some() {
            chosen.push_with(|out| out.extend_from_slice(bytes))?;
        }
    }
    Ok(chosen.finish())
}

/// A hash of an element's parameters: enough to tell whether they are the same.
fn identity(bytes: &[u8]) -> u64 {
    let hash = blake3::hash(bytes);
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a hash has 32 bytes"))
}
