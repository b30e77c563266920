//! Control of engines and of what they run: none of it waits behind data.

use phalanx_proto::v1::control::Wish;
use phalanx_proto::v1::{AbortRequest, Restart, Shutdown, Signal};

use crate::client::Client;
use crate::error::{Error, Result};
use crate::job::{JobExplanation, JobHandle};
use crate::queue_status::QueueStatus;
use crate::view::{DirectView, Shape, Targets};

/// Signals have small numbers.
const SIGNAL_MAX: i32 = 64;

impl Client {
    /// Aborts jobs: see [`JobHandle::abort`].
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let lview = client.load_balanced_view();
    /// let outs: Vec<_> = (0..3).map(|n| lview.map_async(|x: u32| x * x, 0..n, 1)).collect();
    /// client.abort(&outs);
    /// assert!(outs.iter().all(|out| out.ready()));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn abort(&self, jobs: impl IntoIterator<Item = impl AsRef<JobHandle>>) {
        jobs.into_iter().for_each(|job| job.as_ref().abort());
    }

    /// As [`abort`](Self::abort), jobs of which this program has no handle, whoever submitted them: by their ids, as [`jobs`](Self::jobs) gives them, or
    /// parts or labels that fit no other job under way, as for `phalanx abort`.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let gate = client.load_balanced_view().needs("gpu").patient();
    /// let id = gate.keep().map_async(|x: u32| x * x, 0..10, 5).id();
    /// // Later, and perhaps elsewhere:
    /// # while !client.jobs()?.iter().any(|job| job.id == id) {}
    /// println!("{}", client.explain(&id)?);
    /// client.abort_ids([&id])?;
    /// assert!(client.abort_ids(["nothing"]).unwrap_err().to_string().contains("no job under way"));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Question`] when one of them names no job that is under way, or several: none is aborted then. [`Error::ControllerLost`].
    pub fn abort_ids<I: AsRef<str>>(&self, ids: impl IntoIterator<Item = I>) -> Result<()> {
        let jobs = ids.into_iter().map(|id| id.as_ref().to_owned()).collect();
        let request = AbortRequest { jobs };
        self.session.ask(|mut cluster| async move { cluster.abort(request).await }).map(drop)
    }

    /// As [`JobHandle::explain`], for a job of which this program has no handle, by its id, or a part or label that fits no other.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let waiting = client.load_balanced_view().needs("gpu").patient().label("train").apply(|| 1, ());
    /// # while client.explain("train").is_err() {}
    /// assert!(client.explain("train")?.to_string().contains("no engine that is there has what it needs: gpu"));
    /// waiting.abort();
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`abort_ids`](Self::abort_ids).
    pub fn explain(&self, id: &str) -> Result<JobExplanation> {
        crate::job::explain_by_name(&self.session, id)
    }

    /// Aborts all jobs of this client that have not ended; how many those were.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// client.abort_all();
    /// assert!(out.ready());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn abort_all(&self) -> usize {
        self.session.abort_all()
    }

    /// Restarts engines: their processes are ended at once, whatever they run, and the next call starts new ones, whose namespaces are
    /// empty. The engines keep their ids. Returns when the processes are gone.
    ///
    /// Chunks of load-balanced jobs that they ran or had queued run again, here or elsewhere, and no element is blamed. Calls on direct
    /// views that were made before end with an error that says who restarted the engine; calls made afterwards are not touched. The
    /// engines of [`in_process`](Self::in_process) are threads, which cannot be ended: a function that runs goes on, and nobody hears of it.
    ///
    /// # Errors
    /// [`Error::UnknownEngine`], [`Error::NoEngines`]; [`Error::Control`] when an engine went away meanwhile, or its process does not end.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let dview = client.direct_view(..);
    /// dview.push("a", &1).get()?;
    /// client.restart(0)?;
    /// assert!(client.direct_view(0).pull::<i32>("a").get().is_err());
    /// assert_eq!(client.direct_view(1).pull::<i32>("a").get()?, 1);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn restart(&self, targets: impl Targets) -> Result<()> {
        self.session.control(self.resolved(&targets)?, Wish::Restart(Restart {}))
    }

    /// Shuts engines down, at once, whatever they run, and for good: their ids never come back. A daemon whose last engine goes ends, with
    /// exit code 0. Load-balanced chunks that they had run elsewhere, or wait for engines to come; calls on direct views end with an error.
    /// For a polite end wait for your results first, or send the daemon SIGTERM: it finishes what runs.
    ///
    /// Other clients see the engines leave.
    ///
    /// # Errors
    /// As [`restart`](Self::restart).
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(3)?;
    /// client.shutdown([0, 2])?;
    /// assert_eq!(client.ids(), [1]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn shutdown(&self, targets: impl Targets) -> Result<()> {
        let wish = Wish::Shutdown(Shutdown { all: false, controller: false });
        self.session.control(self.resolved(&targets)?, wish)
    }

    /// Shuts all engines down, those of all daemons, as [`shutdown`](Self::shutdown). The controller goes on.
    ///
    /// # Errors
    /// [`Error::Control`], [`Error::ControllerLost`].
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(3)?;
    /// client.shutdown_all()?;
    /// assert!(client.ids().is_empty());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn shutdown_all(&self) -> Result<()> {
        self.session.control(Vec::new(), Wish::Shutdown(Shutdown { all: true, controller: false }))
    }

    /// Shuts all engines down and then the controller: `phalanx stop` from within a program. This client is closed then: its jobs and
    /// all later calls end with [`Error::Closed`]. Others are told who did it.
    ///
    /// # Errors
    /// [`Error::Control`], [`Error::ControllerLost`].
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(3)?;
    /// client.shutdown_cluster()?;
    /// let out = client.load_balanced_view().map_sync(|x: u32| x, 0..3, 1);
    /// assert!(matches!(out, Err(phalanx::Error::Closed)));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn shutdown_cluster(&self) -> Result<()> {
        let wish = Wish::Shutdown(Shutdown { all: true, controller: true });
        self.session.control(Vec::new(), wish)?;
        self.session.close();
        Ok(())
    }

    /// Sends a signal, by its number, to the processes in which engines run functions now: `SIGUSR1` for a function that handles it, say.
    /// The process of a function that does not handle it does what the system does by default, as a rule it ends; then the chunk that ran
    /// is tried again as after any other death.
    ///
    /// # Errors
    /// As [`restart`](Self::restart); [`Error::Control`] also when there is no such signal, or no process: nothing has run on the engine
    /// yet, or it is a thread.
    ///
    /// ```no_run
    /// # phalanx::init();
    /// # let client = phalanx::Client::local(2)?;
    /// const SIGUSR1: i32 = 10;
    /// client.send_signal(SIGUSR1, 0)?;
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn send_signal(&self, signal: i32, targets: impl Targets) -> Result<()> {
        let number = u32::try_from(signal).ok().filter(|_| (1..=SIGNAL_MAX).contains(&signal));
        let number = number.ok_or_else(|| {
            Error::Control(format!("there is no signal {signal}: they have the numbers 1 to {SIGNAL_MAX}"))
        })?;
        self.session.control(self.resolved(&targets)?, Wish::Signal(Signal { signal: number }))
    }

    /// What engines run, have queued and have done, and how much waits for any of them.
    ///
    /// # Errors
    /// [`Error::UnknownEngine`], [`Error::NoEngines`], [`Error::ControllerLost`].
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// client.load_balanced_view().map_sync(|x: u32| x * x, 0..10, 1)?;
    /// let status = client.queue_status(phalanx::All)?;
    /// assert_eq!(status.engines.iter().map(|engine| engine.completed).sum::<u64>(), 10);
    /// assert_eq!(status.unassigned, 0);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn queue_status(&self, targets: impl Targets) -> Result<QueueStatus> {
        let engines = self.resolved(&targets)?;
        Ok(QueueStatus::of(&self.session.status()?, &engines))
    }

    fn resolved(&self, targets: &impl Targets) -> Result<Vec<u32>> {
        targets.resolve(&self.session.engines().ids())
    }
}

impl<S: Shape> DirectView<S> {
    /// Restarts its engines: see [`Client::restart`].
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let dview = client.direct_view(..);
    /// dview.push("a", &1).get()?;
    /// dview.restart()?;
    /// assert!(dview.pull::<i32>("a").get().is_err());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn restart(&self) -> Result<()> {
        self.session.control(self.targets()?, Wish::Restart(Restart {}))
    }

    /// Shuts its engines down: see [`Client::shutdown`].
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// client.direct_view(1).shutdown()?;
    /// assert_eq!(client.ids(), [0]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn shutdown(&self) -> Result<()> {
        let wish = Wish::Shutdown(Shutdown { all: false, controller: false });
        self.session.control(self.targets()?, wish)
    }

    /// What its engines run, have queued and have done: see [`Client::queue_status`].
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// assert_eq!(client.direct_view(1).queue_status()?.engines[0].engine, 1);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn queue_status(&self) -> Result<QueueStatus> {
        let engines = self.targets()?;
        Ok(QueueStatus::of(&self.session.status()?, &engines))
    }
}
