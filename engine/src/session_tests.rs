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

/// Workers that greet, tell the test of the chunks they are given, and end when they are given chunk 0.
struct Mortal {
    protocol: u32,
    tell: Mutex<channel::Sender<u64>>,
}

impl ThreadLauncher for Mortal {
    fn run(&self, mut socket: UnixStream, _board: Board) {
        let ready = Ready { protocol: self.protocol, pid: 1, version: "7.8.9".to_owned() };
        let mut bytes = BytesMut::new();
        let _ = Frame::Ready(ready).encode_head(&mut bytes);
        socket.write_all(&bytes).unwrap();
        let (mut decoder, mut piece) = (FrameDecoder::default(), [0; 4096]);
        loop {
            while let Some(frame) = decoder.next_frame().unwrap() {
                let Frame::Assign(assign) = frame else { continue };
                self.tell.lock().unwrap().send(assign.chunks.first).unwrap();
                if assign.chunks.first == 0 {
                    return;
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
    let program =
        v1::Program { hash: vec![7; 32].into(), size: 1, path: "program".to_owned(), target: target() };
    NodeCommand { kind: Some(Kind::Open(v1::Open { job: 1, program: Some(program), ..v1::Open::default() })) }
}

fn assign(first_chunk: u64, epoch: u32) -> NodeCommand {
    let assign = v1::Assign {
        job: 1,
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
    _messages: mpsc::Receiver<v1::NodeMessage>,
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
        Self { session: Session::new(ctx, &[0]), news, given, _messages: messages, _folder: folder }
    }

    async fn command(&mut self, command: NodeCommand) {
        self.session.command(command).await.unwrap();
    }

    /// What the controller is told of the next worker that ends.
    async fn next_loss(&mut self) -> v1::WorkerLost {
        let event = tokio::time::timeout(DEADLINE, self.news.recv()).await.unwrap().unwrap();
        let message = self.session.event(event).expect("the controller is told");
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
