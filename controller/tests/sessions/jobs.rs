//! Jobs that go well.

use phalanx_proto::limits::PART_BYTES;
use phalanx_proto::v1::client_event::Kind as Event;
use phalanx_proto::v1::client_message::Kind as Say;
use phalanx_proto::v1::node_command::Kind as Command;
use phalanx_proto::v1::node_message::Kind as NodeSay;
use phalanx_proto::v1::{ContextPart, ElementFailure, FailureKind, Report, ReportPart, Segment, Submit};

use crate::node::{Node, honest_report};
use crate::peer::{Client, balanced, direct, encoded, packed, submission};
use crate::world::World;

#[tokio::test]
async fn a_map_of_ten_elements_with_a_context() {
    let world = World::start().await;
    let mut node = Node::join(&world, 2).await;
    let mut client = Client::join(&world).await;
    assert_eq!(client.welcome.engines.len(), 2);
    let values: Vec<u64> = (0..10).collect();
    client.submit(Submit { context_len: 6, ..submission(5, 10, balanced(1)) }).await;
    // Elements before the context, and split within one of them: nothing may be assigned yet.
    let data = encoded(&values);
    client.segment(5, data[..37].to_vec()).await;
    client.say(Say::Context(ContextPart { job: 5, data: b"par".as_slice().into() })).await;
    client.segment(5, data[37..].to_vec()).await;
    client.say(Say::Context(ContextPart { job: 5, data: b"ams".as_slice().into() })).await;
    node.serve_until_closed().await;
    let doubled: Vec<(u64, u64)> = values.iter().map(|v| (*v, 2 * v)).collect();
    assert_eq!(client.values_until_finished(5).await, doubled);
    assert_eq!(node.opened.len(), 1);
    let open = &node.opened[0];
    assert_eq!((&open.context[..], open.entry, open.label.as_str()), (&b"params"[..], -16, "double"));
    assert_eq!(open.client_pid, std::process::id());
    assert_eq!(node.closed, [open.job]);
}

#[tokio::test]
async fn reports_reach_the_client_with_the_schedulers_numbers() {
    let world = World::start().await;
    let mut node = Node::join(&world, 1).await;
    let mut client = Client::join(&world).await;
    client.send_direct(9, &node.engines.clone(), &[3, 4]).await;
    let assign = node.assigned().await;
    // The engine lies about where its results belong.
    node.report(Report { element_first: 1_000, ..honest_report(&assign) }).await;
    let report = client.hear_report().await;
    assert_eq!((report.job, report.element_first, report.chunk_len, report.retrying), (9, 0, 2, false));
    assert_eq!((report.first_chunk, report.chunk_count, report.attempt), (0, 1, assign.attempt));
    assert!(matches!(client.hear().await, Event::Finished(f) if f.job == 9 && !f.cancelled));
}

#[tokio::test]
async fn a_large_scatter_travels_in_parts_and_comes_back_in_parts() {
    let world = World::start().await;
    let mut node = Node::join(&world, 2).await;
    let mut client = Client::join(&world).await;
    let values: Vec<u64> = (0..400_000).collect();
    client.submit(submission(1, 400_000, direct(&node.engines.clone()))).await;
    for part in encoded(&values).chunks(300_000) {
        client.segment(1, part.to_vec()).await;
    }
    for block in [0..200_000, 200_000..400_000] {
        let assign = node.assigned().await;
        assert_eq!(&assign.data[..], &encoded(&values[block])[..]);
        let report = honest_report(&assign);
        let ahead = report.data.len() / PART_BYTES * PART_BYTES;
        for data in report.data.slice(..ahead).chunks(PART_BYTES) {
            let (engine, total) = (assign.engine, report.data.len() as u64);
            let part = ReportPart {
                job: assign.job,
                engine,
                chunk: assign.first_chunk,
                attempt: assign.attempt,
                data: data.to_vec().into(),
                total,
            };
            node.say(NodeSay::Part(part)).await;
        }
        node.report(Report { data: report.data.slice(ahead..), data_before: ahead as u64, ..report }).await;
    }
    let mut received = [Vec::new(), Vec::new()];
    let mut ended = 0;
    while ended < 2 {
        match client.hear().await {
            Event::Part(part) => {
                assert_eq!(part.job, 1);
                received[part.chunk as usize].extend_from_slice(&part.data);
            }
            Event::Report(report) => {
                let whole = &mut received[report.first_chunk as usize];
                assert_eq!(report.data_before, whole.len() as u64);
                whole.extend_from_slice(&report.data);
                ended += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    let doubled: Vec<u64> = values.iter().map(|v| 2 * v).collect();
    assert_eq!(received.concat(), encoded(&doubled));
}

#[tokio::test]
async fn elements_of_differing_lengths_arrive_as_they_were() {
    let world = World::start().await;
    let mut node = Node::join(&world, 1).await;
    let mut client = Client::join(&world).await;
    client
        .submit(Submit { stride: 0, varying: true, ..submission(1, 4, direct(&node.engines.clone())) })
        .await;
    client
        .say(Say::Segment(Segment { job: 1, lens: packed(&[1, 0, 3]), data: b"ab".as_slice().into() }))
        .await;
    client.say(Say::Segment(Segment { job: 1, lens: packed(&[2]), data: b"cdef".as_slice().into() })).await;
    let assign = node.assigned().await;
    assert_eq!(assign.lens, packed(&[1, 0, 3, 2]));
    assert_eq!((&assign.data[..], assign.stride), (&b"abcdef"[..], 0));
}

#[tokio::test]
async fn an_element_that_failed_is_tried_again_alone() {
    let world = World::start().await;
    let mut node = Node::join(&world, 1).await;
    let mut client = Client::join(&world).await;
    client.submit(Submit { retries: 1, ..submission(1, 3, balanced(3)) }).await;
    client.segment(1, encoded(&[10, 20, 30])).await;
    let assign = node.assigned().await;
    let failure = ElementFailure {
        offset: 1,
        kind: FailureKind::Panic.into(),
        message: "no".into(),
        ..Default::default()
    };
    let (data, lens) = (encoded(&[20, 60]).into(), packed(&[8, 0, 8]));
    node.report(Report { failures: vec![failure], data, lens, stride: 0, ..honest_report(&assign) }).await;
    let report = client.hear_report().await;
    assert!(report.retrying && report.failures[0].message == "no");
    let again = node.assigned().await;
    assert_eq!((again.only.as_slice(), again.attempt), (&[1][..], assign.attempt + 1));
    assert_eq!(&again.data[..], &encoded(&[20])[..], "only what is run is sent");
    node.answer(&again).await;
    let report = client.hear_report().await;
    assert_eq!((report.only.as_slice(), report.retrying), (&[1][..], false));
    assert!(matches!(client.hear().await, Event::Finished(_)));
}

#[tokio::test]
async fn submitting_twice_is_submitting_once() {
    let world = World::start().await;
    let mut node = Node::join(&world, 1).await;
    let mut client = Client::join(&world).await;
    let job = submission(1, 1, balanced(1));
    client.submit(job.clone()).await;
    client.submit(job.clone()).await;
    client.segment(1, encoded(&[21])).await;
    assert_eq!(node.serve_until_closed().await, 1);
    assert_eq!(client.values_until_finished(1).await, [(0, 42)]);
    client.submit(job).await;
    assert!(matches!(client.hear().await, Event::Finished(f) if f.job == 1 && !f.cancelled));
}

#[tokio::test]
async fn a_job_waits_for_engines_and_clients_hear_of_them() {
    let world = World::start().await;
    let mut client = Client::join(&world).await;
    client.send_balanced(1, 2, &[1, 2, 3]).await;
    let mut node = Node::join(&world, 2).await;
    let Event::Engines(changed) = client.hear_any().await else { panic!("engines") };
    let joined: Vec<u32> = changed.joined.iter().map(|e| e.id).collect();
    assert_eq!(joined, node.engines);
    assert!(changed.joined.iter().all(|e| e.node == node.id && e.node_pid == std::process::id()));
    node.serve_until_closed().await;
    assert_eq!(client.values_until_finished(1).await, [(0, 2), (1, 4), (2, 6)]);
    let status = world.status().await;
    assert_eq!((status.engines.len(), status.jobs.len(), status.clients, status.payload_bytes), (2, 0, 1, 0));
    drop(node);
    let Event::Engines(changed) = client.hear_any().await else { panic!("engines") };
    assert_eq!(changed.left.len(), 2);
    assert!(!changed.left[0].reason.is_empty());
}

#[tokio::test]
async fn a_job_of_no_elements_ends_at_once() {
    let world = World::start().await;
    let mut client = Client::join(&world).await;
    client.submit(submission(1, 0, balanced(1))).await;
    assert!(matches!(client.hear().await, Event::Finished(f) if f.job == 1));
    world.must_be_alive().await;
}

#[tokio::test]
async fn a_node_that_drains_is_told_when_it_may_go() {
    let world = World::start().await;
    let mut node = Node::join(&world, 1).await;
    node.say(NodeSay::Draining(phalanx_proto::v1::Draining {})).await;
    assert!(matches!(node.hear().await, Command::Drained(_)));
}

/// Had the second been assigned beside the first, the node would hear of it before it hears that the first is cancelled.
#[tokio::test]
async fn a_job_with_its_own_worker_waits_until_the_engine_holds_nothing_else() {
    let world = World::start().await;
    let mut node = Node::join(&world, 1).await;
    let mut client = Client::join(&world).await;
    let engines = node.engines.clone();
    client.send_direct(1, &engines, &[7]).await;
    let first = node.assigned().await;
    client.submit(Submit { own_worker: true, ..submission(2, 1, direct(&engines)) }).await;
    client.segment(2, encoded(&[8])).await;
    client.cancel(1).await;
    assert_eq!(node.cancelled().await, (engines[0], first.job));
    node.answer(&first).await;
    let second = node.assigned().await;
    assert_ne!(second.job, first.job);
    assert_eq!(node.opened.iter().map(|open| open.own_worker).collect::<Vec<_>>(), [false, true]);
    node.answer(&second).await;
    loop {
        match client.hear().await {
            Event::Finished(finished) if finished.job == 2 => break assert!(!finished.cancelled),
            Event::Finished(_) | Event::Report(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
