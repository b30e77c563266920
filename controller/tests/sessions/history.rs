//! Questions about the past, as any gRPC peer may ask them.

use phalanx_profile::Role;
use phalanx_proto::timings::Timings;
use phalanx_proto::v1::cluster_client::ClusterClient;
use phalanx_proto::v1::history_request::Ask;
use phalanx_proto::v1::{ElementFailure, FailureKind, HistoryRequest, PastChunks, PastJob, PastJobs, Report};
use tonic::Code;

use crate::node::{Node, honest_report};
use crate::peer::{Client, packed};
use crate::world::World;

fn jobs(asked: PastJobs) -> HistoryRequest {
    HistoryRequest { ask: Some(Ask::Jobs(asked)) }
}

#[tokio::test]
async fn a_job_is_in_the_history_as_soon_as_its_client_knows_of_its_end() {
    let world = World::start().await;
    let mut node = Node::join(&world, 1).await;
    let mut client = Client::join(&world).await;
    client.send_direct(9, &node.engines.clone(), &[3, 4]).await;
    let assign = node.assigned().await;
    let failure = ElementFailure {
        offset: 1,
        kind: FailureKind::Panic.into(),
        message: "four".into(),
        ..ElementFailure::default()
    };
    let timings = [(5, u64::MAX)].into_iter().collect::<Timings>().into_bytes();
    let honest = honest_report(&assign);
    let (data, lens) = (honest.data.slice(..8), packed(&[8, 0]));
    node.report(Report { failures: vec![failure], timings, data, lens, stride: 0, ..honest }).await;
    client.hear_report().await;
    client.hear().await;

    let mut asking = ClusterClient::new(world.channel().await);
    let reply = asking.history(HistoryRequest::default()).await.unwrap().into_inner();
    assert_eq!((reply.jobs.len(), reply.more, reply.dropped, reply.trouble.as_str()), (1, false, 0, ""));
    let job = &reply.jobs[0];
    assert_eq!(
        (job.state.as_str(), job.elements_done, job.elements_failed, job.direct),
        ("failed", 1, 1, true)
    );
    assert_eq!((job.message.as_str(), job.client_pid), ("four", std::process::id()));
    let ask = Some(Ask::Chunks(PastChunks { job: job.id.clone(), ..PastChunks::default() }));
    let reply = asking.history(HistoryRequest { ask }).await.unwrap().into_inner();
    assert_eq!(reply.chunks.len(), 1);
    let chunk = &reply.chunks[0];
    assert_eq!((chunk.status.as_str(), chunk.kind.as_str(), chunk.started_ns), ("failed", "panic", Some(5)));
    // What an engine's clock says may be anything.
    assert_eq!(chunk.ended_ns, i64::MAX as u64);
}

#[tokio::test]
async fn what_no_honest_client_asks_is_refused() {
    let world = World::start().await;
    let mut asking = ClusterClient::new(world.channel().await);
    let bad = [
        PastJobs { states: vec!["finished".into()], ..PastJobs::default() },
        PastJobs { limit: u64::MAX, ..PastJobs::default() },
        PastJobs { since_ns: 2, until_ns: 1, ..PastJobs::default() },
        PastJobs { label: "x".repeat(1 << 20), ..PastJobs::default() },
        PastJobs { job: "no id".into(), ..PastJobs::default() },
        PastJobs { after: Some(PastJob::default()), ..PastJobs::default() },
    ];
    for asked in bad {
        let refused = asking.history(jobs(asked.clone())).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{asked:?}: {refused}");
    }
    let ask = Some(Ask::Chunks(PastChunks { job: "abcd".into(), ..PastChunks::default() }));
    let refused = asking.history(HistoryRequest { ask }).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused}");
    let engine = world.remote(Role::Engine).await;
    let refused = ClusterClient::new(engine).history(HistoryRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    world.must_be_alive().await;
}

#[tokio::test]
async fn a_controller_without_a_history_says_so() {
    let world = World::start_with(|config| config.history = None).await;
    let mut asking = ClusterClient::new(world.channel().await);
    let refused = asking.history(HistoryRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    world.must_be_alive().await;
}
