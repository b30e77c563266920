//! A client that is nothing but gRPC.

use bytes::Bytes;
use phalanx_proto::host;
use phalanx_proto::ids::JobId;
use phalanx_proto::v1::client_event::Kind as Event;
use phalanx_proto::v1::client_message::Kind as Say;
use phalanx_proto::v1::cluster_client::ClusterClient;
use phalanx_proto::v1::{
    BalancedPlan, Cancel, ClientEvent, ClientHello, ClientMessage, ClientWelcome, DirectPlan, Goodbye, Peer,
    Program, Report, Segment, Submit, submit,
};
use phalanx_proto::version::{PROTOCOL_VERSION, VERSION};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::world::{PATIENCE, World};

pub(crate) struct Client {
    pub(crate) welcome: ClientWelcome,
    says: mpsc::Sender<ClientMessage>,
    hears: Streaming<ClientEvent>,
}

pub(crate) fn peer(protocol: u32, host_id: &str) -> Peer {
    Peer {
        protocol,
        version: VERSION.into(),
        host: host::name(),
        host_id: host_id.into(),
        pid: std::process::id(),
    }
}

/// A program that nobody has.
pub(crate) fn program(bytes: &[u8]) -> Program {
    let hash = blake3::hash(bytes).as_bytes().to_vec();
    Program { hash: hash.into(), size: bytes.len() as u64, path: "/nowhere".into(), target: "t".into() }
}

pub(crate) fn hello(protocol: u32, host_id: &str, program: Program) -> Say {
    Say::Hello(ClientHello { peer: Some(peer(protocol, host_id)), program: Some(program) })
}

/// The client's own id of its job: as unique as its number and this process.
pub(crate) fn id(number: u64) -> JobId {
    JobId(u128::from(std::process::id()) << 64 | u128::from(number))
}

pub(crate) fn submission(number: u64, elements: u64, plan: submit::Plan) -> Submit {
    Submit {
        job: number,
        id: id(number).to_bytes().to_vec().into(),
        entry: -16,
        label: "double".into(),
        elements,
        stride: 8,
        plan: Some(plan),
        ..Submit::default()
    }
}

pub(crate) fn balanced(chunksize: u64) -> submit::Plan {
    submit::Plan::Balanced(BalancedPlan { chunksize, ..BalancedPlan::default() })
}

pub(crate) fn direct(targets: &[u32]) -> submit::Plan {
    submit::Plan::Direct(DirectPlan { targets: targets.to_vec() })
}

pub(crate) fn encoded(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Lengths, as they go in messages.
pub(crate) fn packed(lens: &[u32]) -> Bytes {
    lens.iter().flat_map(|len| len.to_le_bytes()).collect()
}

impl Client {
    /// Opens a session without a greeting.
    pub(crate) async fn connect(channel: Channel) -> (mpsc::Sender<ClientMessage>, Streaming<ClientEvent>) {
        let (says, said) = mpsc::channel(64);
        let mut cluster = ClusterClient::new(channel).max_decoding_message_size(32 << 20);
        let hears = cluster.session(ReceiverStream::new(said)).await.unwrap().into_inner();
        (says, hears)
    }

    pub(crate) async fn join(world: &World) -> Self {
        Self::join_as(world.channel().await, "another host", program(b"a program")).await
    }

    pub(crate) async fn join_as(channel: Channel, host_id: &str, program: Program) -> Self {
        let (says, hears) = Self::connect(channel).await;
        let mut client = Self { welcome: ClientWelcome::default(), says, hears };
        client.say(hello(PROTOCOL_VERSION, host_id, program)).await;
        match client.hear().await {
            Event::Welcome(welcome) => client.welcome = welcome,
            other => panic!("{other:?}"),
        }
        client
    }

    pub(crate) async fn say(&self, kind: Say) {
        self.says.send(ClientMessage { kind: Some(kind) }).await.unwrap();
    }

    /// The next event, whatever it is.
    pub(crate) async fn hear_any(&mut self) -> Event {
        let event = timeout(PATIENCE, self.hears.message()).await.expect("an event").unwrap();
        event.expect("the session goes on").kind.unwrap()
    }

    /// The next event that is about this client, not about engines coming and going.
    pub(crate) async fn hear(&mut self) -> Event {
        loop {
            match self.hear_any().await {
                Event::Engines(_) => {}
                other => return other,
            }
        }
    }

    pub(crate) async fn hear_goodbye(&mut self) -> Goodbye {
        let goodbye = match self.hear().await {
            Event::Goodbye(goodbye) => goodbye,
            other => panic!("{other:?}"),
        };
        assert!(timeout(PATIENCE, self.hears.message()).await.unwrap().unwrap_or(None).is_none());
        goodbye
    }

    pub(crate) async fn submit(&mut self, submit: Submit) {
        let number = submit.job;
        self.say(Say::Submit(submit)).await;
        match self.hear().await {
            Event::Accepted(accepted) => assert_eq!(accepted.job, number),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn segment(&self, job: u64, data: Vec<u8>) {
        self.say(Say::Segment(Segment { job, lens: vec![].into(), data: data.into() })).await;
    }

    pub(crate) async fn send_balanced(&mut self, number: u64, chunksize: u64, values: &[u64]) {
        self.submit(submission(number, values.len() as u64, balanced(chunksize))).await;
        self.segment(number, encoded(values)).await;
    }

    pub(crate) async fn send_direct(&mut self, number: u64, targets: &[u32], values: &[u64]) {
        self.submit(submission(number, values.len() as u64, direct(targets))).await;
        self.segment(number, encoded(values)).await;
    }

    pub(crate) async fn cancel(&self, job: u64) {
        self.say(Say::Cancel(Cancel { job })).await;
    }

    pub(crate) async fn hear_report(&mut self) -> Report {
        match self.hear().await {
            Event::Report(report) => report,
            other => panic!("{other:?}"),
        }
    }

    /// All (element, value) of a job's reports, until it is finished.
    pub(crate) async fn values_until_finished(&mut self, job: u64) -> Vec<(u64, u64)> {
        let mut values = Vec::new();
        loop {
            match self.hear().await {
                Event::Report(report) => {
                    assert_eq!((report.job, report.stride), (job, 8));
                    let these =
                        report.data.chunks_exact(8).map(|v| u64::from_le_bytes(v.try_into().unwrap()));
                    values.extend((report.element_first..).zip(these));
                }
                Event::Lost(_) => {}
                Event::Finished(finished) => {
                    assert_eq!((finished.job, finished.cancelled), (job, false));
                    values.sort_unstable();
                    return values;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
