//! Peers that go, come late, repeat themselves or lie.

use std::time::Duration;

use phalanx_proto::v1::client_event::Kind as Event;
use phalanx_proto::v1::node_message::Kind as NodeSay;
use phalanx_proto::v1::nodes_client::NodesClient;
use phalanx_proto::v1::{Beat, FailureKind, Refusal, Report, WorkerLossKind, WorkerLost};
use tokio_stream::StreamExt;

use crate::node::{Node, honest_report};
use crate::peer::Client;
use crate::world::World;

#[tokio::test]
async fn late_repeated_and_forged_reports_do_not_count() {
    let world = World::start().await;
    let mut node = Node::join(&world, 1).await;
    let mut client = Client::join(&world).await;
    client.send_balanced(1, 1, &[7]).await;
    let assign = node.assigned().await;
    let honest = honest_report(&assign);
    node.report(Report { attempt: assign.attempt + 1, ..honest.clone() }).await;
    node.report(Report { first_chunk: 1 << 40, ..honest.clone() }).await;
    node.report(Report { job: u64::MAX, ..honest.clone() }).await;
    node.report(Report { engine: u32::MAX, ..honest.clone() }).await;
    node.report(honest.clone()).await;
    node.report(honest.clone()).await;
    assert_eq!(client.values_until_finished(1).await, [(0, 14)], "once, and nothing else before the end");
    node.report(honest).await;
    client.send_balanced(2, 1, &[8]).await;
    let assign = node.assigned().await;
    node.answer(&assign).await;
    assert_eq!(client.values_until_finished(2).await, [(0, 16)], "the session is still good");
}

#[tokio::test]
async fn a_node_that_speaks_for_another_is_sent_away() {
    let world = World::start().await;
    let mut honest = Node::join(&world, 1).await;
    let mut forger = Node::join(&world, 1).await;
    let mut client = Client::join(&world).await;
    client.send_direct(1, &honest.engines.clone(), &[7]).await;
    let assign = honest.assigned().await;
    forger.report(Report { data: vec![9; 8].into(), ..honest_report(&assign) }).await;
    assert_eq!(forger.hear_goodbye().await.code(), Refusal::Malformed);
    honest.answer(&assign).await;
    assert_eq!(client.values_until_finished(1).await, [(0, 14)]);
}

#[tokio::test]
async fn results_that_do_not_fit_their_chunk_end_it_and_the_session() {
    let world = World::start().await;
    let mut node = Node::join(&world, 1).await;
    let mut client = Client::join(&world).await;
    client.send_direct(1, &node.engines.clone(), &[7, 8]).await;
    let assign = node.assigned().await;
    // Consistent in itself, but of one element where there are two.
    let short = Report { chunk_len: 1, data: vec![0; 8].into(), ..honest_report(&assign) };
    node.report(short).await;
    let Event::Failed(failed) = client.hear().await else { panic!("a failure") };
    assert_eq!((failed.job, failed.element_first, failed.elements), (1, 0, 2));
    assert!(matches!(client.hear().await, Event::Finished(_)));
    assert_eq!(node.hear_goodbye().await.code(), Refusal::Malformed);
    world.must_be_alive().await;
}

#[tokio::test]
async fn a_client_that_goes_takes_its_work_along() {
    let world = World::start().await;
    let mut node = Node::join(&world, 1).await;
    let mut client = Client::join(&world).await;
    client.send_balanced(1, 1, &[1]).await;
    let assign = node.assigned().await;
    drop(client);
    assert_eq!(node.cancelled().await, (assign.engine, assign.job));
    node.answer(&assign).await;
    world.must_be_alive().await;
}

#[tokio::test]
async fn a_cancelled_job_ends_on_its_engines_and_says_so() {
    let world = World::start().await;
    let mut node = Node::join(&world, 1).await;
    let mut client = Client::join(&world).await;
    client.send_balanced(1, 1, &[1]).await;
    let assign = node.assigned().await;
    client.cancel(1).await;
    assert_eq!(node.cancelled().await, (assign.engine, assign.job));
    assert!(matches!(client.hear().await, Event::Finished(f) if f.job == 1 && f.cancelled));
    // What is still on its way for it, or twice, harms nobody.
    client.segment(1, vec![1, 2, 3]).await;
    client.cancel(1).await;
    world.must_be_alive().await;
}

#[tokio::test]
async fn chunks_of_a_node_that_goes_are_run_elsewhere() {
    let world = World::start().await;
    let mut first = Node::join(&world, 1).await;
    let mut client = Client::join(&world).await;
    client.send_balanced(1, 1, &[5]).await;
    let assign = first.assigned().await;
    let lost_engine = assign.engine;
    let mut second = Node::join(&world, 1).await;
    drop(first);
    let again = second.assigned().await;
    assert!(again.attempt > assign.attempt && again.engine != lost_engine);
    let Event::Lost(lost) = client.hear().await else { panic!("news of the loss") };
    assert_eq!((lost.job, lost.chunk, lost.engine, lost.attempt), (1, 0, lost_engine, assign.attempt));
    second.answer(&again).await;
    assert_eq!(client.values_until_finished(1).await, [(0, 10)]);
}

#[tokio::test]
async fn a_direct_call_fails_with_its_engine() {
    let world = World::start().await;
    let mut node = Node::join(&world, 1).await;
    let mut client = Client::join(&world).await;
    client.send_direct(1, &node.engines.clone(), &[5]).await;
    node.assigned().await;
    drop(node);
    let Event::Failed(failed) = client.hear().await else { panic!("a failure") };
    assert_eq!(failed.kind(), FailureKind::EngineLost);
    assert!(failed.message.contains("engine 0 on"), "{}", failed.message);
    assert!(matches!(client.hear().await, Event::Finished(_)));
    world.must_be_alive().await;
}

#[tokio::test]
async fn what_is_assigned_after_a_lost_worker_carries_a_new_epoch() {
    let world = World::start().await;
    let mut node = Node::join(&world, 1).await;
    let mut client = Client::join(&world).await;
    client.send_balanced(1, 1, &[5]).await;
    let assign = node.assigned().await;
    assert_eq!(assign.epoch, 0);
    let lost = WorkerLost {
        engine: assign.engine,
        kind: WorkerLossKind::Died.into(),
        message: "killed by signal 9".into(),
        was_running: true,
        job: assign.job,
        chunk: assign.first_chunk,
        attempt: assign.attempt,
        ..WorkerLost::default()
    };
    node.say(NodeSay::WorkerLost(lost)).await;
    let again = node.assigned().await;
    assert_eq!(again.epoch, 1);
    node.answer(&again).await;
    assert_eq!(client.values_until_finished(1).await, [(0, 10)]);
}

/// With the elements that it ran and the engine; nobody has to read it out of a text.
#[tokio::test]
async fn the_signal_that_ended_a_worker_is_told_to_whose_call_it_ran() {
    let world = World::start().await;
    let mut node = Node::join(&world, 1).await;
    let mut client = Client::join(&world).await;
    client.send_direct(1, &node.engines.clone(), &[7]).await;
    let assign = node.assigned().await;
    let lost = WorkerLost {
        engine: assign.engine,
        kind: WorkerLossKind::Died.into(),
        signal: 9,
        ..WorkerLost::default()
    };
    node.say(NodeSay::WorkerLost(lost)).await;
    let Event::Failed(failed) = client.hear().await else { panic!("it has failed") };
    assert_eq!((failed.kind(), failed.signal, failed.engine), (FailureKind::WorkerLost, 9, assign.engine));
}

#[tokio::test]
async fn a_silent_node_is_given_up_and_a_beating_one_is_not() {
    let world =
        World::start_with(|config| config.scheduler.heartbeat_timeout = Duration::from_millis(300)).await;
    let mut silent = Node::join(&world, 1).await;
    let mut alive = Node::join(&world, 1).await;
    let (beats, sent) = tokio::sync::mpsc::channel(4);
    let mut nodes = NodesClient::new(world.channel().await);
    let stream = tokio_stream::wrappers::ReceiverStream::new(sent);
    let mut acks = nodes.heartbeat(stream).await.unwrap().into_inner();
    let id = alive.id;
    let beating = tokio::spawn(async move {
        let mut known = 0;
        let mut rhythm = tokio::time::interval(Duration::from_millis(30));
        for sequence in 0..1_000 {
            rhythm.tick().await;
            if beats.send(Beat { node: id, sequence }).await.is_err() {
                break;
            }
            known += usize::from(acks.next().await.unwrap().unwrap().known);
        }
        known
    });
    assert_eq!(silent.hear_goodbye().await.code(), Refusal::Expired);
    let mut client = Client::join(&world).await;
    client.send_direct(1, &alive.engines.clone(), &[4]).await;
    let assign = alive.assigned().await;
    alive.answer(&assign).await;
    assert_eq!(client.values_until_finished(1).await, [(0, 8)]);
    beating.abort();
}

#[tokio::test]
async fn a_beat_of_a_node_that_is_not_known_is_told_so() {
    let world = World::start().await;
    let mut nodes = NodesClient::new(world.channel().await);
    let beats = tokio_stream::iter([Beat { node: 4_711, sequence: 9 }]);
    let ack = nodes.heartbeat(beats).await.unwrap().into_inner().next().await.unwrap().unwrap();
    assert_eq!((ack.sequence, ack.known), (9, false));
}
