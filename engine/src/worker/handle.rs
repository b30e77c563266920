//! The daemon's end of a worker: what it is to be, what it is sent, and what is heard of it.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use phalanx_proto::frames::Frame;
use phalanx_proto::v1::WorkerLossKind;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinError;

use super::life::{Inbox, Life};
use super::run_limits::RunLimits;
use crate::board::{Board, Running};
use crate::config::NodeConfig;
use crate::outbound::Outbound;
use crate::program::{Hash, Origin, Programs};
use crate::slot::Ending;

/// How long a worker's start waits for those that a restart has ended.
const ENDING_TIMEOUT: Duration = Duration::from_secs(10);

/// How many frames may wait for a worker; when it is full, the node's commands wait.
const FRAMES_MAX: usize = 1024;
/// How many cancellations may wait for a worker, ahead of all other frames; the next ones wait among those.
const URGENT_FRAMES_MAX: usize = 1024;

/// What the session hears of its workers.
#[derive(Debug)]
pub(crate) enum Event {
    /// A worker is gone.
    Ended { engine: u32, generation: u64, ended: Ended },
    /// A cancelled chunk has had its time.
    GraceOver { engine: u32, generation: u64, job: u64 },
}

/// How a worker ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) kind: WorkerLossKind,
    pub(crate) message: String,
    pub(crate) running: Option<Running>,
    /// The signal that ended it, if one did.
    pub(crate) signal: Option<u32>,
    /// It was given chunks of which it has said nothing yet.
    pub(crate) owes: bool,
}

impl Ended {
    /// Who looked after it has failed.
    fn by_fault(error: &JoinError) -> Self {
        Self {
            kind: WorkerLossKind::Died,
            message: format!(
                "the engine daemon could not look after its process any more: {error}; please report this"
            ),
            running: None,
            signal: None,
            owes: true,
        }
    }
}

/// What became of the worker before.
#[derive(Debug, Clone, Default)]
pub(crate) struct Predecessor {
    pub(crate) message: String,
    pub(crate) signal: Option<u32>,
}

/// Which worker is to be started.
pub(crate) struct Order<'a> {
    pub(crate) engine: u32,
    pub(crate) place: usize,
    pub(crate) generation: u64,
    pub(crate) origin: &'a Origin,
    pub(crate) predecessor: Predecessor,
    /// The job that it is for alone, and that it ends with.
    pub(crate) own: Option<u64>,
    /// It starts when this one has ended.
    pub(crate) after: Option<Gone>,
    /// And when these have.
    pub(crate) ending: Option<Ending>,
}

/// Is ready when a worker has ended.
pub(crate) type Gone = oneshot::Receiver<()>;

/// All that a worker needs of its node.
#[derive(Clone)]
pub(crate) struct WorkerContext {
    pub(crate) config: Arc<NodeConfig>,
    pub(crate) programs: Arc<Programs>,
    pub(crate) outbound: Outbound,
    pub(crate) events: mpsc::Sender<Event>,
    /// Dropped with the last worker.
    pub(crate) _alive: mpsc::Sender<()>,
}

/// What a worker is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Purpose {
    /// The program it runs.
    pub(crate) hash: Hash,
    /// The only job it runs chunks of.
    pub(crate) own: Option<u64>,
}

/// The daemon's handle. Dropping it ends the worker.
pub(crate) struct Worker {
    pub(crate) purpose: Purpose,
    pub(crate) generation: u64,
    /// None when it has been told to leave.
    frames: Option<mpsc::Sender<Frame>>,
    urgent: mpsc::Sender<Frame>,
    gone: Option<Gone>,
    /// Chunks that it was given and has said nothing of yet.
    open: Arc<AtomicU64>,
    /// Urgent runs that it was given.
    announced: AtomicU64,
    board: Arc<OnceLock<Board>>,
    kill: Arc<Notify>,
    /// Its process, once it has been started; none when it is a thread.
    process: Arc<OnceLock<OwnedFd>>,
    pub(crate) run_limits: Arc<RunLimits>,
}

impl Worker {
    /// Starts one; how it fares comes as an [`Event`].
    pub(crate) fn start(ctx: &WorkerContext, order: Order<'_>) -> Self {
        let Order { engine, place, generation, origin, predecessor, own, after, ending } = order;
        let (frames, inbox) = mpsc::channel(FRAMES_MAX);
        let (urgent, urgent_inbox) = mpsc::channel(URGENT_FRAMES_MAX);
        let (tell, gone) = oneshot::channel();
        let (board, kill) = (Arc::new(OnceLock::new()), Arc::new(Notify::new()));
        let (process, run_limits) = (Arc::new(OnceLock::new()), Arc::new(RunLimits::default()));
        let life = Life {
            ctx: ctx.clone(),
            engine,
            place,
            origin: origin.clone(),
            predecessor,
            is_own: own.is_some(),
            open: Arc::default(),
            board: Arc::clone(&board),
            kill: Arc::clone(&kill),
            process: Arc::clone(&process),
            run_limits: Arc::clone(&run_limits),
        };
        let (purpose, open) = (Purpose { hash: origin.hash, own }, Arc::clone(&life.open));
        let events = ctx.events.clone();
        let life = tokio::spawn(async move {
            let inbox = Inbox { frames: inbox, urgent: urgent_inbox };
            if let Some(ending) = ending {
                // One that hangs in the kernel is not waited for without end.
                let _ = tokio::time::timeout(ENDING_TIMEOUT, ending.over()).await;
            }
            let ended = life.live(inbox, after).await;
            drop(tell);
            ended
        });
        tokio::spawn(async move {
            // What holds for all that is run of it holds for a fault of ours too: it ends, and says so.
            let ended = life.await.unwrap_or_else(|e| Ended::by_fault(&e));
            // When nobody listens the session is over, and so is its interest.
            let _ = events.send(Event::Ended { engine, generation, ended }).await;
        });
        Self {
            purpose,
            generation,
            frames: Some(frames),
            urgent,
            announced: AtomicU64::new(0),
            gone: Some(gone),
            open,
            board,
            kill,
            process,
            run_limits,
        }
    }

    /// Passes a frame on ahead of those that wait.
    pub(crate) async fn send_urgently(&self, frame: Frame) {
        if let Err(TrySendError::Full(frame)) = self.urgent.try_send(frame) {
            self.send(frame).await;
        }
    }

    /// Passes a signal to its process.
    pub(crate) fn signal(&self, signal: u32) -> Result<(), String> {
        let named = i32::try_from(signal).ok().and_then(rustix::process::Signal::from_named_raw);
        let named = named.ok_or_else(|| format!("signal {signal} is not one that can be sent"))?;
        let process = self.process.get().ok_or(
            "its functions run in no process of its own that could get a signal, or it has not started yet",
        )?;
        rustix::process::pidfd_send_signal(process, named)
            .map_err(|e| format!("its process cannot be sent signal {signal}: {e}"))
    }

    /// Passes a frame on, waiting while too many wait.
    pub(crate) async fn send(&self, frame: Frame) {
        let Some(frames) = &self.frames else { return };
        let mut urgent = false;
        if let Frame::Assign(assign) = &frame {
            self.open.fetch_add(assign.chunks.count.into(), Ordering::AcqRel);
            urgent = assign.urgent;
        }
        // A worker that has ended reads no more; the session hears of it by its event.
        let _ = frames.send(frame).await;
        if urgent {
            let runs = self.announced.fetch_add(1, Ordering::AcqRel) + 1;
            // One that is only starting finds out when it comes.
            if let Some(board) = self.board.get() {
                board.announce(runs);
            }
        }
    }

    /// Lets it end when it has read what it was sent; what it still runs ends with it. `None` when it was told before.
    pub(crate) fn leave(&mut self) -> Option<Gone> {
        self.frames = None;
        self.gone.take()
    }

    /// What it runs at the moment.
    pub(crate) fn running(&self) -> Option<Running> {
        self.board.get().and_then(Board::running)
    }

    /// The job of which a chunk waits while an urgent one runs.
    pub(crate) fn suspended(&self) -> Option<u64> {
        self.board.get().and_then(Board::suspended)
    }

    /// Ends it at once, whatever it does.
    pub(crate) fn kill(&self) {
        self.kill.notify_one();
    }
}
