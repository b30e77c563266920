//! A node that is nothing but gRPC: it doubles numbers.

use phalanx_proto::v1::node_command::Kind as Command;
use phalanx_proto::v1::node_message::Kind as Say;
use phalanx_proto::v1::nodes_client::NodesClient;
use phalanx_proto::v1::{Assign, Goodbye, NodeCommand, NodeMessage, Open, Register, Report};
use phalanx_proto::version::PROTOCOL_VERSION;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::peer::{encoded, peer};
use crate::world::{PATIENCE, World};

pub(crate) struct Node {
    pub(crate) id: u64,
    pub(crate) engines: Vec<u32>,
    says: mpsc::Sender<NodeMessage>,
    hears: Streaming<NodeCommand>,
    /// The data of AssignParts that wait for their Assign.
    parts: Vec<u8>,
    pub(crate) opened: Vec<Open>,
    pub(crate) closed: Vec<u64>,
}

pub(crate) fn register(protocol: u32, engines: u32) -> Say {
    Say::Register(Register { peer: Some(peer(protocol, "a node")), engines, ..Register::default() })
}

/// A report that an honest engine makes for what it was assigned.
pub(crate) fn honest_report(assign: &Assign) -> Report {
    let values: Vec<u64> =
        assign.data.chunks_exact(8).map(|v| 2 * u64::from_le_bytes(v.try_into().unwrap())).collect();
    Report {
        job: assign.job,
        engine: assign.engine,
        first_chunk: assign.first_chunk,
        chunk_count: assign.chunk_count,
        attempt: assign.attempt,
        element_first: assign.element_first,
        chunk_len: assign.chunk_len,
        timings: vec![1; 2 * assign.chunk_count as usize + 8].into(),
        stride: 8,
        data: encoded(&values).into(),
        only: assign.only.clone(),
        busy_ns: 1_000,
        ..Report::default()
    }
}

impl Node {
    /// Opens a session without a greeting.
    pub(crate) async fn connect(channel: Channel) -> Self {
        let (says, said) = mpsc::channel(64);
        let mut nodes = NodesClient::new(channel).max_decoding_message_size(32 << 20);
        let hears = nodes.session(ReceiverStream::new(said)).await.unwrap().into_inner();
        Self { id: 0, engines: vec![], says, hears, parts: vec![], opened: vec![], closed: vec![] }
    }

    pub(crate) async fn join(world: &World, engines: u32) -> Self {
        let mut node = Self::connect(world.channel().await).await;
        node.say(register(PROTOCOL_VERSION, engines)).await;
        match node.hear().await {
            Command::Registered(registered) => {
                assert_eq!(registered.engines.len(), engines as usize);
                (node.id, node.engines) = (registered.node, registered.engines);
            }
            other => panic!("{other:?}"),
        }
        node
    }

    pub(crate) async fn say(&self, kind: Say) {
        self.says.send(NodeMessage { kind: Some(kind) }).await.unwrap();
    }

    pub(crate) async fn report(&self, report: Report) {
        self.say(Say::Report(report)).await;
    }

    pub(crate) async fn answer(&self, assign: &Assign) {
        self.report(honest_report(assign)).await;
    }

    /// The next command, whatever it is.
    pub(crate) async fn hear(&mut self) -> Command {
        let command = timeout(PATIENCE, self.hears.message()).await.expect("a command").unwrap();
        command.expect("the session goes on").kind.unwrap()
    }

    /// The next command that is not the opening or closing of a job, or a part.
    async fn hear_order(&mut self) -> Command {
        loop {
            match self.hear().await {
                Command::Open(open) => self.opened.push(open),
                Command::Close(close) => self.closed.push(close.job),
                Command::AssignPart(part) => self.parts.extend_from_slice(&part.data),
                Command::Recall(_) => {}
                Command::Assign(mut assign) => {
                    let mut data = std::mem::take(&mut self.parts);
                    data.extend_from_slice(&assign.data);
                    assign.data = data.into();
                    return Command::Assign(assign);
                }
                other => return other,
            }
        }
    }

    /// The next assignment, with all its data.
    pub(crate) async fn assigned(&mut self) -> Assign {
        match self.hear_order().await {
            Command::Assign(assign) => assign,
            other => panic!("{other:?}"),
        }
    }

    /// Answers everything until `job` is closed here; gives the number of runs.
    pub(crate) async fn serve_until_closed(&mut self) -> usize {
        let mut runs = 0;
        loop {
            match self.hear().await {
                Command::Assign(assign) => {
                    runs += 1;
                    self.answer(&assign).await;
                }
                Command::Open(open) => self.opened.push(open),
                Command::Close(close) => {
                    self.closed.push(close.job);
                    return runs;
                }
                Command::Recall(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn cancelled(&mut self) -> (u32, u64) {
        match self.hear_order().await {
            Command::Cancel(cancel) => (cancel.engine, cancel.job),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn hear_goodbye(&mut self) -> Goodbye {
        match self.hear_order().await {
            Command::Goodbye(goodbye) => goodbye,
            other => panic!("{other:?}"),
        }
    }
}
