//! Jobs whose results are kept, as their clients hear of them.

use std::env;

use phalanx_programs::hash_file;
use phalanx_proto::host;
use phalanx_proto::v1::client_event::Kind as Event;
use phalanx_proto::v1::node_message::Kind as NodeSay;
use phalanx_proto::v1::{Program, Submit, WorkerLossKind, WorkerLost};

use crate::node::Node;
use crate::peer::{Client, balanced, encoded, submission};
use crate::world::World;

/// Who waits to leave waits for a promise, which was given when all arguments were here; but a job that has ended needs none of them.
#[tokio::test]
async fn a_job_that_ends_before_all_its_arguments_are_here_is_promised_to_be_kept() {
    let world = World::start().await;
    let (hash, size) = hash_file(&env::current_exe().unwrap()).unwrap();
    let own = Program { hash: hash.to_vec().into(), size, path: "/gone".into(), target: "t".into() };
    let mut node = Node::join(&world, 1).await;
    let mut client = Client::join_as(world.channel().await, &host::id(), own).await;
    client.submit(Submit { kept: true, ..submission(1, 3, balanced(1)) }).await;
    client.segment(1, encoded(&[7])).await;
    let assign = node.assigned().await;
    let lost = WorkerLost {
        engine: assign.engine,
        kind: WorkerLossKind::CannotStart.into(),
        message: "no such library".into(),
        ..WorkerLost::default()
    };
    node.say(NodeSay::WorkerLost(lost)).await;
    let (mut promised, mut finished) = (false, false);
    while !(promised && finished) {
        match client.hear().await {
            Event::Attached(attached) => {
                assert_eq!((attached.job, attached.refused, attached.message.as_str()), (1, 0, ""));
                promised = true;
            }
            Event::Finished(end) => finished = end.job == 1,
            Event::Lost(_) | Event::Failed(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
