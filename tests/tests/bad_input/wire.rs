//! A peer that speaks the wire by hand, and so can say what no program of ours would.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use phalanx_profile::{ConnectionFile, Role};
use phalanx_proto::host;
use phalanx_proto::v1::{
    ClientEvent, ClientHello, ClientMessage, NodeCommand, NodeMessage, Peer, Program, ProgramPiece, Register,
    StatusReply, StatusRequest, client_event, client_message, cluster_client::ClusterClient, node_message,
    nodes_client::NodesClient,
};
use phalanx_proto::version::{PROTOCOL_VERSION, VERSION, target};
use phalanx_tests::{Cluster, DEADLINE, wait_for};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

/// The connection file of a cluster.
pub(crate) fn connection_file(cluster: &Cluster, role: Role) -> ConnectionFile {
    ConnectionFile::load(cluster.profile_folder().join(role.file_name()), role).unwrap()
}

/// Us, as a peer of this protocol, on a host of its own.
pub(crate) fn peer(protocol: u32) -> Peer {
    Peer {
        protocol,
        version: VERSION.to_owned(),
        host: "elsewhere".to_owned(),
        host_id: "elsewhere".to_owned(),
        pid: 1,
    }
}

/// A program by its bytes.
pub(crate) fn program(bytes: &[u8], path: &str) -> Program {
    let hash = Bytes::copy_from_slice(blake3::hash(bytes).as_bytes());
    Program { hash, size: bytes.len() as u64, path: path.to_owned(), target: target() }
}

pub(crate) fn greeting(peer: Peer) -> ClientHello {
    ClientHello { peer: Some(peer), program: Some(program(b"some program", "some/program")) }
}

pub(crate) fn registration(protocol: u32) -> Register {
    Register { peer: Some(peer(protocol)), engines: 1, target: target(), ..Register::default() }
}

/// What a peer is told that does not look at its own file before it connects.
pub(crate) fn first_words(file: &ConnectionFile) -> String {
    let connected = runtime().block_on(phalanx_link::connect(file, &host::id()));
    connected.expect_err("the controller must not let it in").to_string()
}

/// What an `engine` daemon says that cannot use its connection file, having ended by itself.
pub(crate) fn engine_with(file: &Path) -> String {
    let engine = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("engine");
    let child = Command::new(engine)
        .arg("--connection")
        .arg(file)
        .args(["-n", "1", "--no-reconnect"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut engine = Ending(child);
    let status = wait_for("the engine daemon gives up", DEADLINE, || engine.0.try_wait().unwrap());
    assert!(!status.success());
    let mut said = String::new();
    engine.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    said
}

/// A process that ends at the latest with its test.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        // It has ended, as a rule, and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A connection, and the thread's runtime to use it on.
#[derive(Debug)]
pub(crate) struct Wire {
    runtime: Runtime,
    channel: Channel,
}

/// A session as a client: the way out, and what comes back.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    wire: &'a Wire,
    out: mpsc::Sender<ClientMessage>,
    events: Streaming<ClientEvent>,
}

impl Wire {
    pub(crate) fn connect(file: &ConnectionFile) -> Self {
        let runtime = runtime();
        let connected = runtime.block_on(phalanx_link::connect(file, &host::id()));
        Self { channel: connected.unwrap_or_else(|e| panic!("{e}")).channel, runtime }
    }

    fn within<T>(&self, what: &str, future: impl Future<Output = T>) -> T {
        let timed = async { tokio::time::timeout(DEADLINE, future).await };
        self.runtime.block_on(timed).unwrap_or_else(|_| panic!("waited {DEADLINE:?} in vain: {what}"))
    }

    pub(crate) fn status(&self) -> Result<StatusReply, String> {
        let asking = ClusterClient::new(self.channel.clone());
        let reply = self.within("a status", async move { asking.clone().status(StatusRequest {}).await });
        reply.map(tonic::Response::into_inner).map_err(|e| e.to_string())
    }

    /// Registers as a node; gives what the controller says first.
    pub(crate) fn register(&self, register: Register) -> Result<NodeCommand, String> {
        let message = NodeMessage { kind: Some(node_message::Kind::Register(register)) };
        let (out, messages) = mpsc::channel(4);
        out.try_send(message).unwrap();
        let mut nodes = NodesClient::new(self.channel.clone());
        self.within("an answer to a registration", async {
            let reply = nodes.session(ReceiverStream::new(messages)).await.map_err(|e| e.to_string())?;
            let first = reply.into_inner().message().await.map_err(|e| e.to_string())?;
            drop(out);
            first.ok_or_else(|| "nothing was said".to_owned())
        })
    }

    /// Greets as a client. The session's first event is the controller's answer.
    pub(crate) fn greet(&self, hello: ClientHello) -> Result<Session<'_>, String> {
        let (out, messages) = mpsc::channel(64);
        out.try_send(ClientMessage { kind: Some(client_message::Kind::Hello(hello)) }).unwrap();
        let mut cluster = ClusterClient::new(self.channel.clone()).max_encoding_message_size(usize::MAX);
        let reply = self.within("an answer to a greeting", cluster.session(ReceiverStream::new(messages)));
        let events = reply.map_err(|e| e.to_string())?.into_inner();
        Ok(Session { wire: self, out, events })
    }
}

impl Session<'_> {
    /// Greets as a client of this protocol with this program, and is welcome.
    pub(crate) fn open<'a>(wire: &'a Wire, program: Program) -> Session<'a> {
        let hello = ClientHello { peer: Some(peer(PROTOCOL_VERSION)), program: Some(program) };
        let mut session = wire.greet(hello).unwrap();
        assert!(matches!(session.next(), Some(client_event::Kind::Welcome(_))));
        session
    }

    pub(crate) fn send(&self, kind: client_message::Kind) {
        self.wire.within("room to send", self.out.send(ClientMessage { kind: Some(kind) })).unwrap();
    }

    /// The next event; none when the controller has ended the session.
    pub(crate) fn next(&mut self) -> Option<client_event::Kind> {
        let event = self.wire.within("an event", self.events.message());
        event.ok().flatten().and_then(|event| event.kind)
    }

    /// Events until one is what is looked for.
    pub(crate) fn until<T>(&mut self, mut wanted: impl FnMut(client_event::Kind) -> Option<T>) -> T {
        loop {
            let event = self.next().expect("the session goes on");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    }

    /// Sends the bytes of a program that the controller asked for.
    pub(crate) fn upload(&self, program: &Program, bytes: &[u8]) -> Result<(), String> {
        let pieces: Vec<_> = bytes
            .chunks(256 << 10)
            .enumerate()
            .map(|(i, data)| ProgramPiece {
                program: (i == 0).then(|| program.clone()),
                data: Bytes::copy_from_slice(data),
            })
            .collect();
        let mut cluster = ClusterClient::new(self.wire.channel.clone());
        let stored = self.wire.within("an upload", cluster.upload_program(tokio_stream::iter(pieces)));
        stored.map(drop).map_err(|e| e.message().to_owned())
    }
}
