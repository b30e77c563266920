//! A session with a worker that the test plays, so that it ends when the test wants it to.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc as channel};
use std::time::Duration;

use bytes::BytesMut;
use phalanx_programs::Store;
use phalanx_proto::frames::{FrameDecoder, Ready};
use phalanx_proto::version::{PROTOCOL_VERSION, VERSION, target};
use tempfile::TempDir;
use tonic::transport::Endpoint;

use super::*;
use crate::board::Board;
use crate::config::{Connection, NodeConfig, Workers};
use crate::program::Programs;
use crate::worker::ThreadLauncher;

/// More than anything takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// Workers that greet, tell the test of the chunks they are given, hand back chunk 9, let another job's
/// urgent chunk run in place of chunk 7, and end when they are given chunk 0.
struct Mortal {
    protocol: u32,
    tell: Mutex<channel::Sender<u64>>,
}

impl ThreadLauncher for Mortal {
    fn run(&self, mut socket: UnixStream, board: Board) {
        let ready = Ready { protocol: self.protocol, pid: 1, version: "7.8.9".to_owned() };
        let mut bytes = BytesMut::new();
        let _ = Frame::Ready(ready).encode_head(&mut bytes);
        socket.write_all(&bytes).unwrap();
        let (mut decoder, mut piece) = (FrameDecoder::default(), [0; 4096]);
        loop {
            while let Some(frame) = decoder.next_frame().unwrap() {
                let Frame::Assign(assign) = frame else { continue };
                if assign.chunks.first == 7 {
                    board.suspend(assign.chunks.job);
                    board.start(assign.chunks.job + 1, 0, 1);
                }
                self.tell.lock().unwrap().send(assign.chunks.first).unwrap();
                match assign.chunks.first {
                    0 => return,
                    9 => {
                        let mut bytes = BytesMut::new();
                        let _ = Frame::Returned(assign.chunks).encode_head(&mut bytes);
                        socket.write_all(&bytes).unwrap();
                    }
                    _ => {}
                }
            }
            match socket.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(n) => decoder.buffer().extend_from_slice(&piece[..n]),
            }
        }
    }
}

fn open() -> NodeCommand {
    open_job(1, false)
}

fn open_job(job: u64, own_worker: bool) -> NodeCommand {
    let program =
        v1::Program { hash: vec![7; 32].into(), size: 1, path: "program".to_owned(), target: target() };
    let open = v1::Open { job, program: Some(program), own_worker, ..v1::Open::default() };
    NodeCommand { kind: Some(Kind::Open(open)) }
}

fn close(job: u64) -> NodeCommand {
    NodeCommand { kind: Some(Kind::Close(v1::Close { job })) }
}

fn assign(first_chunk: u64, epoch: u32) -> NodeCommand {
    assign_of(1, first_chunk, epoch)
}

fn assign_of(job: u64, first_chunk: u64, epoch: u32) -> NodeCommand {
    let assign = v1::Assign {
        job,
        first_chunk,
        chunk_count: 1,
        chunk_len: 1,
        attempt: 1,
        epoch,
        ..v1::Assign::default()
    };
    NodeCommand { kind: Some(Kind::Assign(assign)) }
}

/// A session with one engine, whose workers speak this version of the protocol.
struct Site {
    session: Session,
    news: mpsc::Receiver<Event>,
    /// The chunks that workers are given.
    given: channel::Receiver<u64>,
    messages: mpsc::Receiver<v1::NodeMessage>,
    _folder: TempDir,
}

impl Site {
    fn new(protocol: u32) -> Self {
        let (tell, given) = channel::channel();
        let folder = tempfile::tempdir().unwrap();
        let mut config = NodeConfig::new(1, Connection::Path(PathBuf::new()), folder.path().to_owned());
        config.workers = Workers::Threads(Arc::new(Mortal { protocol, tell: Mutex::new(tell) }));
        let store = Arc::new(Store::open(folder.path(), 1 << 20).unwrap());
        let nobody = Endpoint::from_static("http://nobody").connect_lazy();
        let ((outbound, messages), (events, news), (alive, _)) =
            (mpsc::channel(8), events(), mpsc::channel(1));
        let ctx = WorkerContext {
            config: Arc::new(config),
            programs: Arc::new(Programs::new(store, String::new(), nobody)),
            outbound,
            events,
            _alive: alive,
        };
        Self {
            session: Session::new(ctx, [(0, 0, Vec::new())].into_iter()),
            news,
            given,
            messages,
            _folder: folder,
        }
    }

    async fn command(&mut self, command: NodeCommand) {
        self.session.command(command).await.unwrap();
    }

    /// What the controller is told, if anything, of the next worker that ends.
    async fn next_end(&mut self) -> Option<v1::NodeMessage> {
        let event = tokio::time::timeout(DEADLINE, self.news.recv()).await.unwrap().unwrap();
        self.session.event(event)
    }

    /// Waits for a chunk to be handed back.
    async fn returned(&mut self) {
        let message = tokio::time::timeout(DEADLINE, self.messages.recv()).await.unwrap().unwrap();
        assert!(matches!(message.kind, Some(v1::node_message::Kind::Returned(_))), "{message:?}");
    }

    /// What the controller is told of the next worker that ends.
    async fn next_loss(&mut self) -> v1::WorkerLost {
        let message = self.next_end().await.expect("the controller is told");
        let Some(v1::node_message::Kind::WorkerLost(lost)) = message.kind else { panic!("{message:?}") };
        lost
    }
}

/// The controller has given up, or moved, what it sent to a worker before it heard of its end: the next worker must not
/// run it.
#[tokio::test]
async fn what_was_sent_to_a_worker_that_is_gone_is_dropped() {
    let mut site = Site::new(PROTOCOL_VERSION);
    site.command(open()).await;
    site.command(assign(0, 0)).await;
    site.next_loss().await;
    // On its way before the controller was told; and after.
    site.command(assign(1, 0)).await;
    site.command(assign(2, 1)).await;
    let given = tokio::task::spawn_blocking(move || [0, 1].map(|_| site.given.recv_timeout(DEADLINE))).await;
    assert_eq!(given.unwrap(), [Ok(0), Ok(2)]);
}

/// A cancelled chunk that waits for an urgent one of another client has not refused to end: nobody is ended for it.
#[tokio::test]
async fn a_cancelled_chunk_that_waits_for_anothers_is_given_more_time() {
    let mut site = Site::new(PROTOCOL_VERSION);
    site.command(open()).await;
    site.command(assign(7, 0)).await;
    let (given, site) =
        tokio::task::spawn_blocking(move || (site.given.recv_timeout(DEADLINE), site)).await.unwrap();
    let mut site = site;
    assert_eq!(given, Ok(7));
    assert!(site.session.event(Event::GraceOver { engine: 0, generation: 1, job: 1 }).is_none());
    let next = tokio::time::timeout(DEADLINE, site.news.recv()).await.unwrap();
    assert!(matches!(next, Some(Event::GraceOver { engine: 0, generation: 1, job: 1 })), "{next:?}");
    // The one that runs is ended when it is its own job that was cancelled.
    site.session.event(Event::GraceOver { engine: 0, generation: 1, job: 2 });
    assert_eq!(site.next_loss().await.kind(), v1::WorkerLossKind::Stopped);
}

#[tokio::test]
async fn a_program_of_another_version_is_told_so() {
    let mut site = Site::new(PROTOCOL_VERSION + 1);
    site.command(open()).await;
    site.command(assign(1, 0)).await;
    let lost = site.next_loss().await;
    assert_eq!(lost.kind(), v1::WorkerLossKind::CannotStart);
    for part in ["program was built with phalanx 7.8.9", VERSION, "Build both with the same version"] {
        assert!(lost.message.contains(part), "{part:?} is missing in: {}", lost.message);
    }
}

/// The controller has all it was promised, and may have given the engine something else to do by now: what was assigned since must
/// not be dropped.
#[tokio::test]
async fn a_jobs_own_worker_that_owes_nothing_is_not_missed() {
    let mut site = Site::new(PROTOCOL_VERSION);
    site.command(open_job(2, true)).await;
    site.command(assign_of(2, 9, 0)).await;
    site.returned().await;
    site.command(close(2)).await;
    assert!(site.next_end().await.is_none());
    site.command(open_job(3, true)).await;
    site.command(assign_of(3, 5, 0)).await;
    let given = tokio::task::spawn_blocking(move || [0, 1].map(|_| site.given.recv_timeout(DEADLINE))).await;
    assert_eq!(given.unwrap(), [Ok(9), Ok(5)]);
}

/// A job that was cancelled is closed at once; its chunk is held until the controller hears of its end.
#[tokio::test]
async fn a_jobs_own_worker_that_leaves_in_debt_is_told_of() {
    let mut site = Site::new(PROTOCOL_VERSION);
    site.command(open_job(2, true)).await;
    site.command(assign_of(2, 5, 0)).await;
    site.command(close(2)).await;
    let lost = site.next_loss().await;
    assert_eq!(lost.kind(), v1::WorkerLossKind::Stopped);
    // Nothing is left of it to stand in the next one's way.
    site.command(open_job(3, true)).await;
    site.command(assign_of(3, 0, 1)).await;
    assert_eq!(site.next_loss().await.kind(), v1::WorkerLossKind::Died);
}

/// The engine's own worker, which keeps names, is another one.
#[tokio::test]
async fn a_job_with_its_own_worker_leaves_the_engines_alone() {
    let mut site = Site::new(PROTOCOL_VERSION);
    site.command(open()).await;
    site.command(assign(9, 0)).await;
    site.returned().await;
    for job in 2..9 {
        site.command(open_job(job, true)).await;
        site.command(assign_of(job, 9, 0)).await;
        site.returned().await;
        if job > 5 {
            // The others are left open: they make room for each other, not for the engine's own.
            site.command(close(job)).await;
        }
    }
    // It is still there, and ends when it is given what ends it.
    site.command(assign(0, 0)).await;
    let told = loop {
        if let Some(told) = site.next_end().await {
            break told;
        }
    };
    let Some(v1::node_message::Kind::WorkerLost(lost)) = told.kind else { panic!("{told:?}") };
    assert_eq!(lost.kind(), v1::WorkerLossKind::Died);
    assert_eq!(site.session.slots[&0].generation(), 8, "one of the engine's, seven of jobs");
}

fn command(kind: Kind) -> NodeCommand {
    NodeCommand { kind: Some(kind) }
}

fn control(ticket: u64, signal: u32) -> NodeCommand {
    command(Kind::Control(v1::EngineControl { engine: 0, ticket, signal }))
}

impl Site {
    /// The answer to a wish: its ticket, and what went wrong.
    async fn answered(&mut self) -> (u64, String) {
        let message = tokio::time::timeout(DEADLINE, self.messages.recv()).await.unwrap().unwrap();
        let Some(v1::node_message::Kind::Controlled(done)) = message.kind else { panic!("{message:?}") };
        assert_eq!(done.engine, 0);
        (done.ticket, done.error)
    }
}

#[tokio::test]
async fn what_comes_of_a_job_after_its_cancellation_is_handed_back() {
    let mut site = Site::new(PROTOCOL_VERSION);
    site.command(command(Kind::Cancel(v1::CancelOn { engine: 0, job: 1 }))).await;
    site.command(open()).await;
    let part = v1::AssignPart { engine: 0, job: 1, total: 9, data: Bytes::from_static(b"data"), epoch: 0 };
    site.command(command(Kind::AssignPart(part))).await;
    site.command(assign(5, 0)).await;
    site.returned().await;
    assert_eq!(site.session.slots[&0].generation(), 0, "no worker was started for it");
    // Its number means nothing any more when it is closed.
    site.command(close(1)).await;
    site.command(open_job(2, false)).await;
    site.command(assign_of(2, 9, 0)).await;
    site.returned().await;
}

#[tokio::test]
async fn a_restart_ends_the_worker_drops_what_was_for_it_and_answers_when_it_is_gone() {
    let mut site = Site::new(PROTOCOL_VERSION);
    site.command(open()).await;
    site.command(assign(9, 0)).await;
    site.returned().await;
    site.command(control(7, 0)).await;
    assert_eq!(site.answered().await, (7, String::new()));
    assert!(site.next_end().await.is_none(), "the controller has counted it as lost already");
    site.command(assign(8, 0)).await;
    site.command(assign(9, 1)).await;
    site.returned().await;
    assert_eq!(site.session.slots[&0].generation(), 2);
    // With nothing to end, it is done at once.
    site.command(control(8, 0)).await;
    site.command(control(9, 0)).await;
    let mut done = [site.answered().await, site.answered().await];
    done.sort();
    assert_eq!(done, [(8, String::new()), (9, String::new())]);
}

#[tokio::test]
async fn an_engine_that_has_left_is_deaf_and_the_node_without_any_is_done() {
    let mut site = Site::new(PROTOCOL_VERSION);
    site.command(open()).await;
    site.command(command(Kind::Leave(v1::Leave { engines: vec![0], ticket: 3 }))).await;
    assert_eq!(site.answered().await, (3, String::new()));
    assert_eq!(site.session.engines().count(), 0);
    site.command(assign(5, 0)).await;
    site.command(command(Kind::Cancel(v1::CancelOn { engine: 0, job: 1 }))).await;
    site.command(control(4, 0)).await;
    assert_eq!(site.answered().await, (4, "it was shut down".to_owned()));
    let stranger = command(Kind::Cancel(v1::CancelOn { engine: 5, job: 1 }));
    assert!(site.session.command(stranger).await.is_err(), "this was never an engine of the node");
}

#[tokio::test]
async fn a_signal_needs_a_process() {
    let mut site = Site::new(PROTOCOL_VERSION);
    site.command(control(1, 10)).await;
    let (_, nothing) = site.answered().await;
    assert!(nothing.contains("no process at present"), "{nothing}");
    site.command(open()).await;
    site.command(assign(9, 0)).await;
    site.returned().await;
    site.command(control(2, 10)).await;
    let (_, thread) = site.answered().await;
    assert!(thread.contains("no process of its own"), "{thread}");
}
