//! The driver without a network: events in, messages out, in an order of the test's choosing.

mod kept;

use bytes::Bytes;
use phalanx_programs::Store;
use phalanx_proto::ids::JobId;
use phalanx_proto::v1::{Assign, Output, Report};
use phalanx_scheduler::Place;
use phalanx_scheduler::{Chunking, Plan};
use tempfile::TempDir;
use tokio_stream::{Stream, StreamExt};

use super::*;
use crate::inbox::{Inbox, inbox};
use crate::outbox::{Marks, OutboxStream, outbox};
use crate::parse::{ClientSaid, Hello, NodeSaid, PeerInfo, ProgramInfo, Registration, Submission};

pub(super) const CLIENT: ClientId = ClientId(1);
pub(super) const NODE: NodeId = NodeId(2);
const MARKS: Marks = Marks { high: 10_000, low: 2_000, max: 100_000 };

/// A driver with a client and a node of one engine.
pub(super) struct Bench {
    pub(super) driver: Driver,
    pub(super) client: OutboxStream<ClientEvent>,
    pub(super) node: OutboxStream<NodeCommand>,
    _inbox: Inbox,
    _directory: TempDir,
}

fn peer() -> PeerInfo {
    PeerInfo { version: String::new(), host: "h".into(), host_id: "i".into(), pid: 1 }
}

/// A balanced job whose elements have eight bytes and are a chunk each.
fn submission(elements: u64) -> Submission {
    Submission {
        after: Vec::new(),
        place: Place::default(),
        condition: None,
        job: 7,
        id: JobId(7),
        entry: 0,
        label: String::new(),
        elements,
        stride: 8,
        varying: false,
        retries: 0,
        priority: 0,
        run_limit: None,
        queue_limit: None,
        context_bytes: 0,
        own_worker: false,
        kept: false,
        result_type: "u64".into(),
        plan: Plan::Balanced { chunking: Chunking::Fixed(1), remaining: vec![] },
    }
}

impl Bench {
    pub(super) fn new(limits: Limits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let library = Arc::new(Library::new(Store::open(directory.path(), 1 << 20).unwrap()));
        let (inbox, events) = inbox();
        let relief = Arc::new(Relief::default());
        let config = Config { window_chunks_max: 2, ..Config::default() };
        let mut driver = Driver::new(config, 1, limits, events, Arc::clone(&relief), library, None);
        let (to_client, client) = outbox(PeerId::Client(CLIENT), MARKS, Arc::clone(&relief));
        let (to_node, node) = outbox(PeerId::Node(NODE), MARKS, relief);
        let program = ProgramInfo { hash: [1; 32], size: 1, path: String::new(), target: String::new() };
        let hello = Box::new(Hello { peer: peer(), program });
        driver.on_event(Event::ClientJoined { client: CLIENT, hello, outbox: to_client });
        let registration = Box::new(Registration { peer: peer(), engines: 1, wanted: vec![], tags: vec![] });
        driver.on_event(Event::NodeJoined { node: NODE, registration, outbox: to_node });
        Self { driver, client, node, _inbox: inbox, _directory: directory }
    }

    pub(super) fn client_says(&mut self, said: ClientSaid) {
        self.driver.on_event(Event::FromClient { client: CLIENT, said });
    }

    /// Submits a job with all its elements.
    pub(super) fn submit(&mut self, elements: u64) {
        let wanted = submission(elements);
        self.client_says(ClientSaid::Submit(Box::new(wanted)));
        let data = Bytes::from(vec![0; 8 * elements as usize]);
        self.client_says(ClientSaid::Segment { job: 7, lens: Bytes::new(), data });
    }

    /// What the node was assigned since the last time.
    fn assigned(&mut self) -> Vec<Assign> {
        let is_assign = |command| match command {
            ToNode::Assign(assign) => Some(assign),
            _ => None,
        };
        waiting(&mut self.node).into_iter().filter_map(|command| command.kind.and_then(is_assign)).collect()
    }

    /// The node reports a run with results of `bytes` bytes each.
    fn report(&mut self, assign: &Assign, bytes: u32) {
        let count = assign.chunk_count;
        let wire = Report {
            job: assign.job,
            engine: assign.engine,
            first_chunk: assign.first_chunk,
            chunk_count: count,
            attempt: assign.attempt,
            chunk_len: 1,
            timings: vec![0; 2 * count as usize + 8].into(),
            stride: bytes,
            data: vec![0; (bytes * count) as usize].into(),
            ..Report::default()
        };
        let report = Box::new(NodeReport::parse(wire).unwrap());
        self.driver.on_event(Event::FromNode { node: NODE, said: NodeSaid::Report(report) });
    }
}

/// All that waits in an outbox.
pub(super) fn waiting<M>(stream: &mut OutboxStream<M>) -> Vec<M> {
    let mut found = Vec::new();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    while let std::task::Poll::Ready(Some(message)) = std::pin::Pin::new(&mut *stream).poll_next(&mut context)
    {
        found.push(message.unwrap());
    }
    found
}

#[tokio::test]
async fn clients_hear_that_an_engine_has_a_queue_and_nothing_when_it_has_none() {
    phalanx_idle::watch();
    let run = |elements| {
        let mut bench = Bench::new(Limits::default());
        bench.submit(elements);
        loop {
            let assigned = bench.assigned();
            if assigned.is_empty() {
                break waiting(&mut bench.client);
            }
            assigned.iter().for_each(|assign| bench.report(assign, 8));
        }
    };
    let alone = run(1);
    assert!(!alone.is_empty() && alone.iter().all(|event| !event.crowded));
    assert!(run(100).iter().any(|event| event.crowded));
}

#[test]
fn a_client_that_does_not_read_gets_no_more_made_until_it_does() {
    let mut bench = Bench::new(Limits::default());
    bench.submit(100);
    let mut runs = 0;
    loop {
        let assigned = bench.assigned();
        if assigned.is_empty() {
            break;
        }
        runs += assigned.len();
        assigned.iter().for_each(|assign| bench.report(assign, 3_000));
    }
    assert!((1..20).contains(&runs), "{runs} runs of results were made for a client that reads nothing");
    assert_eq!(bench.driver.jobs.len(), 1);
    waiting(&mut bench.client);
    bench.driver.relieve();
    assert!(!bench.assigned().is_empty(), "it reads again");
}

/// Acknowledgements of many small jobs are what it does not read.
#[test]
fn a_client_that_reads_no_acknowledgements_gets_nothing_made_either() {
    let mut bench = Bench::new(Limits::default());
    for number in 0..200 {
        let wanted = Submission { job: number, id: JobId(number.into()), ..submission(1) };
        bench.client_says(ClientSaid::Submit(Box::new(wanted)));
        let data = Bytes::from(vec![0; 8]);
        bench.client_says(ClientSaid::Segment { job: number, lens: Bytes::new(), data });
    }
    let assigned = bench.assigned();
    assert!(!assigned.is_empty());
    assigned.iter().for_each(|assign| bench.report(assign, 8));
    assert_eq!(bench.assigned(), [], "it has not read that its jobs were accepted");
    waiting(&mut bench.client);
    bench.driver.relieve();
    assert!(!bench.assigned().is_empty(), "it reads again");
}

#[test]
fn a_client_that_hoards_results_is_cut_off_and_its_work_ends() {
    let mut bench = Bench::new(Limits::default());
    bench.submit(10);
    let assigned = bench.assigned();
    bench.report(&assigned[0], 200_000);
    let said = waiting(&mut bench.client);
    let Some(ToClient::Goodbye(goodbye)) = &said.last().unwrap().kind else { panic!("{said:?}") };
    assert_eq!((said.len(), goodbye.code()), (1, Refusal::Limit));
    assert!(bench.driver.clients.is_empty() && bench.driver.jobs.is_empty());
    assert_eq!(bench.driver.payload_bytes, 0);
}

/// What was passed on of a job's output: to which job, bytes dropped, bytes.
fn output_of(bench: &mut Bench) -> Vec<(u64, u64, usize)> {
    let output = |event: ClientEvent| match event.kind {
        Some(ToClient::Output(output)) => Some((output.job, output.dropped, output.data.len())),
        _ => None,
    };
    waiting(&mut bench.client).into_iter().filter_map(output).collect()
}

fn say(bench: &mut Bench, output: Output) {
    bench.driver.on_event(Event::FromNode { node: NODE, said: NodeSaid::Output(output) });
}

#[test]
fn output_is_passed_on_and_that_of_other_jobs_elements_and_engines_is_not() {
    let mut bench = Bench::new(Limits::default());
    bench.submit(10);
    let assign = bench.assigned().remove(0);
    let data = Bytes::from_static(b"words");
    let output = Output { job: assign.job, chunk_count: 2, chunk_len: 1, data, ..Output::default() };
    let output = Output { engine: assign.engine, element_first: 8, ..output };
    say(&mut bench, output.clone());
    assert_eq!(output_of(&mut bench), [(7, 0, 5)], "the client's own number");
    say(&mut bench, Output { element_first: 9, ..output.clone() });
    say(&mut bench, Output { chunk_len: u32::MAX, chunk_count: u32::MAX, ..output.clone() });
    say(&mut bench, Output { element_first: u64::MAX, ..output.clone() });
    say(&mut bench, Output { job: assign.job + 1, ..output.clone() });
    say(&mut bench, Output { engine: assign.engine + 1, ..output });
    assert_eq!(output_of(&mut bench), []);
    assert_eq!(bench.driver.nodes.len(), 1);
}

#[test]
fn output_costs_a_client_that_does_not_read_its_words_and_not_its_session() {
    let mut bench = Bench::new(Limits::default());
    bench.submit(1);
    let assign = bench.assigned().remove(0);
    let data = Bytes::from(vec![b'x'; 1000]);
    let output =
        Output { job: assign.job, engine: assign.engine, chunk_count: 1, chunk_len: 1, ..Output::default() };
    let output = Output { data, ..output };
    for _ in 0..1000 {
        say(&mut bench, output.clone());
    }
    let passed = output_of(&mut bench);
    assert!((5..20).contains(&passed.len()), "{}", passed.len());
    // It reads again, and hears what it missed.
    say(&mut bench, Output { is_stderr: true, dropped: 3, ..output.clone() });
    let missed = 1000 * (1000 - passed.len() as u64);
    assert_eq!(output_of(&mut bench), [(7, missed, 0), (7, 3, 1000)]);
    // Or when the job ends: before the last report, which the client takes for the end.
    for _ in 0..20 {
        say(&mut bench, output.clone());
    }
    bench.report(&assign, 8);
    let said = waiting(&mut bench.client);
    let is_missed =
        |event: &ClientEvent| matches!(&event.kind, Some(ToClient::Output(output)) if output.dropped > 0);
    let is_report = |event: &ClientEvent| matches!(event.kind, Some(ToClient::Report(_)));
    let (missed, reported) = (said.iter().position(is_missed), said.iter().position(is_report));
    assert!(missed.is_some() && missed < reported, "{said:?}");
}

#[test]
fn a_finished_job_leaves_nothing() {
    let mut bench = Bench::new(Limits::default());
    bench.submit(3);
    assert_eq!(bench.driver.payload_bytes, 24);
    loop {
        let assigned = bench.assigned();
        if assigned.is_empty() {
            break;
        }
        assigned.iter().for_each(|assign| bench.report(assign, 8));
    }
    assert!(bench.driver.jobs.is_empty() && bench.driver.payload_bytes == 0);
    let client = &bench.driver.clients[&CLIENT];
    assert!(client.jobs.is_empty() && client.ids.is_empty());
    assert_eq!(client.ended(JobId(7)), Some(phalanx_scheduler::Outcome::Completed));
}

#[test]
fn more_clients_than_allowed_are_sent_away() {
    let mut bench = Bench::new(Limits { sessions_max: 1, ..Limits::default() });
    let (to_second, mut second) = outbox(PeerId::Client(ClientId(9)), MARKS, Arc::default());
    let program = ProgramInfo { hash: [1; 32], size: 1, path: String::new(), target: String::new() };
    let hello = Box::new(Hello { peer: peer(), program });
    bench.driver.on_event(Event::ClientJoined { client: ClientId(9), hello, outbox: to_second });
    let said = waiting(&mut second);
    let Some(ToClient::Goodbye(goodbye)) = &said[0].kind else { panic!("{said:?}") };
    assert_eq!(goodbye.code(), Refusal::Limit);
    assert_eq!(bench.driver.clients.len(), 1);
}

#[tokio::test]
async fn an_acknowledgement_alone_is_sent_after_a_moment() {
    let Bench { driver, mut client, node, _inbox, _directory } = Bench::new(Limits::default());
    let (_stop, stopped) = oneshot::channel();
    let running = tokio::spawn(driver.run(stopped));
    let wanted = submission(1);
    let said = ClientSaid::Submit(Box::new(wanted));
    _inbox.send(Event::FromClient { client: CLIENT, said }).await.unwrap();
    loop {
        let event = client.next().await.unwrap().unwrap();
        if matches!(event.kind, Some(ToClient::Accepted(_))) {
            break;
        }
    }
    running.abort();
    drop(node);
}
