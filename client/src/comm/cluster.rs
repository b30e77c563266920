//! Ranks that are engines.

use std::sync::Arc;

use phalanx_comm::transport::sockets::{Address, Secret};
use phalanx_comm::{Choice, CommError, Program, Runner};

use super::rank::{Meeting, RankEnd};
use crate::codec::Value;
use crate::error::{Error, Result};
use crate::job::{JobHandle, JobPlan, JobSpec};
use crate::session::Session;
use crate::view::{DirectView, Many, context, encoded, submit};
use crate::worker::{self, BadEntry, Function};

/// Runs programs on the engines of a direct view, a rank on each: made by [`DirectView::ranks`].
///
/// It runs one program at a time on an engine, like any call; a rank whose engine has other work begins when that is done. Programs travel
/// as their place in the executable, so they capture nothing: what they need goes through
/// [`run_spmd_with`](crate::comm::run_spmd_with).
#[derive(Clone)]
pub struct ClusterRunner {
    session: Arc<Session>,
    view: DirectView<Many>,
}

impl DirectView<Many> {
    /// The engines of this view as the ranks of a communicator, in their order; see [`comm`](crate::comm).
    ///
    /// ```
    /// use phalanx::comm::{CommError, Communicator, run_spmd_all};
    /// # let client = phalanx::Client::in_process(2)?;
    /// let ranks = client.direct_view(..).ranks();
    /// let squares = |comm: &Communicator| Ok::<_, CommError>(comm.rank() * comm.rank());
    /// assert_eq!(run_spmd_all(&ranks, 2, squares)?, [0, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn ranks(&self) -> ClusterRunner {
        ClusterRunner { session: Arc::clone(&self.session), view: self.clone() }
    }
}

impl<'r> From<&'r ClusterRunner> for Choice<'r> {
    fn from(runner: &'r ClusterRunner) -> Self {
        Choice::Runner(runner)
    }
}

impl Runner for ClusterRunner {
    fn name(&self) -> &str {
        "cluster"
    }

    fn run(&self, size: usize, program: &Program<'_>) -> std::result::Result<Vec<Vec<u8>>, CommError> {
        let remote = program.remote().ok_or_else(|| {
            start(format_args!(
                "{} captures something, which engines would not have; pass it along with run_spmd_with",
                program.label()
            ))
        })?;
        let targets = self.targets(size)?;
        let mut meeting = Meeting {
            id: uuid::Uuid::now_v7().as_u128(),
            size,
            secret: *Secret::new()?.reveal(),
            program: this_program().map_err(start)?,
            entry: worker::offset_of_code(remote.entry as usize).map_err(start)?,
            argument: remote.argument.to_vec(),
            hosts: targets.iter().map(|id| self.session.host_of(*id).unwrap_or_default()).collect(),
            addresses: Vec::new(),
        };
        let listening = self.on_each(&targets, worker::listen(program.label()), &meeting);
        meeting.addresses = agreed(listening.and_then(|job| ends::<Address>(&job)).map_err(start)?)?;
        let running = self.on_each(&targets, worker::take_part(program.label()), &meeting).map_err(start)?;
        agreed(every_end(&running)?)
    }
}

impl ClusterRunner {
    /// The engines of so many ranks.
    fn targets(&self, size: usize) -> std::result::Result<Vec<u32>, CommError> {
        let mut targets = self.view.targets().map_err(start)?;
        if size == 0 || size > targets.len() {
            let there = targets.len();
            return Err(start(format_args!("{size} ranks; the view's engines can be 1 to {there}")));
        }
        targets.truncate(size);
        Ok(targets)
    }

    /// A job with one element per rank: its number.
    fn on_each(
        &self,
        targets: &[u32],
        function: std::result::Result<Function, BadEntry>,
        meeting: &Meeting,
    ) -> Result<JobHandle> {
        let plan = JobPlan::Direct { targets: targets.to_vec() };
        let spec = JobSpec::new(function?, encoded(0..meeting.size)?, context(meeting)?, plan);
        let handle = submit::<()>(&self.session, Ok(spec));
        let _ = handle.wait(None);
        handle.error().map_or(Ok(handle), Err)
    }
}

/// What each rank said; an engine that said nothing is the error.
fn ends<T: Value>(job: &JobHandle) -> Result<Vec<std::result::Result<T, CommError>>> {
    crate::result::values(&job.job)
}

/// What each rank said. Where workers died, those that were left know who is lost, and agree.
fn every_end(job: &JobHandle) -> std::result::Result<Vec<RankEnd>, CommError> {
    let outcomes = crate::result::outcomes::<RankEnd>(&job.job);
    let (mut said, mut lost) = (Vec::new(), None);
    for outcome in outcomes {
        match outcome {
            Ok(end) => said.push(end),
            Err(e) => lost = lost.or(Some(e)),
        }
    }
    match lost {
        // A program that had ended well on all others does not make this one's end a good one.
        Some(lost) if said.iter().all(std::result::Result::is_ok) => {
            Err(CommError::PeerLost { rank: lost.element as usize, message: lost.to_string() })
        }
        _ => Ok(said),
    }
}

/// The values of all, or the error: all ranks have the same, but for those that could not even begin.
fn agreed<T>(ends: Vec<std::result::Result<T, CommError>>) -> std::result::Result<Vec<T>, CommError> {
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for end in ends {
        match end {
            Ok(value) => values.push(value),
            Err(e) => errors.push(e),
        }
    }
    errors.into_iter().min().map_or(Ok(values), Err)
}

fn start(message: impl std::fmt::Display) -> CommError {
    CommError::start(message)
}

fn this_program() -> Result<[u8; 32]> {
    let program = crate::program::this_program().map_err(Error::BadFunction)?;
    program.hash[..].try_into().map_err(|_| Error::BadFunction("this program's hash is damaged".to_owned()))
}
