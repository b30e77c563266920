//! Wishes of clients, without a network.

use std::collections::BTreeSet;

use phalanx_proto::v1::Controlled;

use super::tests::{Bench, CLIENT, NODE, waiting};
use super::*;
use crate::parse::{ClientSaid, Control, NodeSaid, Wish};

fn wish(engines: &[u32], wish: Wish) -> ClientSaid {
    let engines: BTreeSet<EngineId> = engines.iter().copied().map(EngineId).collect();
    ClientSaid::Control(Control { number: 5, engines, wish })
}

/// The answers that the client has got.
fn answers(bench: &mut Bench) -> Vec<Controlled> {
    let is_answer = |event: ClientEvent| match event.kind {
        Some(ToClient::Controlled(done)) => Some(done),
        _ => None,
    };
    waiting(&mut bench.client).into_iter().filter_map(is_answer).collect()
}

fn controlled(bench: &mut Bench, ticket: u64, error: Option<String>) {
    let said = NodeSaid::Controlled { ticket, engine: EngineId(0), error };
    bench.driver.on_event(Event::FromNode { node: NODE, said });
}

#[test]
fn a_restart_overtakes_what_waits_for_the_node_which_is_sent_again() {
    let mut bench = Bench::new(Limits::default());
    bench.submit(10);
    bench.client_says(wish(&[0], Wish::Restart));
    let commands: Vec<ToNode> = waiting(&mut bench.node).into_iter().filter_map(|c| c.kind).collect();
    let [ToNode::Registered(_), ToNode::Control(control), ..] = &commands[..] else {
        panic!("only the greeting goes before it: {commands:?}")
    };
    assert_eq!((control.engine, control.signal), (0, 0));
    let epochs: Vec<u32> = commands
        .iter()
        .filter_map(|command| match command {
            ToNode::Assign(assign) => Some(assign.epoch),
            _ => None,
        })
        .collect();
    assert!(epochs.contains(&0) && epochs.last() == Some(&1), "{epochs:?}");
    assert!(answers(&mut bench).is_empty(), "its process may still run");
    controlled(&mut bench, control.ticket + 1, None);
    assert!(answers(&mut bench).is_empty(), "that was the answer to something else");
    controlled(&mut bench, control.ticket, None);
    assert_eq!(answers(&mut bench), [Controlled { number: 5, error: String::new() }]);
    controlled(&mut bench, control.ticket, None);
    assert!(answers(&mut bench).is_empty(), "once");
}

#[test]
fn a_wish_that_cannot_be_met_is_answered_and_nothing_is_done() {
    let mut bench = Bench::new(Limits::default());
    for engines in [&[][..], &[0, 7]] {
        bench.client_says(wish(engines, Wish::Restart));
        let said = answers(&mut bench);
        assert!(said.len() == 1 && said[0].number == 5 && !said[0].error.is_empty(), "{said:?}");
    }
    let commands = waiting(&mut bench.node);
    assert!(!commands.iter().any(|c| matches!(c.kind, Some(ToNode::Control(_)))), "{commands:?}");
}

#[test]
fn nobody_waits_for_the_answer_of_a_node_that_is_gone() {
    let mut bench = Bench::new(Limits::default());
    bench.client_says(wish(&[0], Wish::Restart));
    bench.driver.on_event(Event::NodeLeft { node: NODE, reason: "it was killed".into() });
    let said = answers(&mut bench);
    assert!(said.len() == 1 && said[0].error.contains("it was killed"), "{said:?}");
}

#[test]
fn engines_that_leave_are_gone_before_the_client_has_its_answer() {
    let mut bench = Bench::new(Limits::default());
    bench.submit(10);
    bench.client_says(wish(&[], Wish::Shutdown { all: true, controller: false }));
    assert!(bench.driver.engines.is_empty());
    let commands = waiting(&mut bench.node);
    let Some(ToNode::Leave(leave)) = &commands[1].kind else { panic!("{commands:?}") };
    assert_eq!(leave.engines, [0]);
    // A daemon without engines ends instead of answering.
    bench.driver.on_event(Event::NodeLeft { node: NODE, reason: "it closed its session".into() });
    let said: Vec<ToClient> = waiting(&mut bench.client).into_iter().filter_map(|event| event.kind).collect();
    let left = said.iter().position(|kind| matches!(kind, ToClient::Engines(e) if e.left.len() == 1));
    let done = said.iter().position(|kind| matches!(kind, ToClient::Controlled(d) if d.error.is_empty()));
    assert!(left.is_some() && left < done, "{said:?}");
    assert_eq!(bench.driver.jobs.len(), 1, "the job waits for other engines");
}

#[tokio::test]
async fn the_controller_ends_when_all_engines_have_gone_and_says_who_wanted_it() {
    let mut bench = Bench::new(Limits::default());
    let stop = bench.driver.stop_wanted();
    bench.client_says(wish(&[], Wish::Shutdown { all: true, controller: true }));
    let waiting_still = tokio::time::timeout(std::time::Duration::ZERO, stop.notified()).await;
    assert!(waiting_still.is_err(), "an engine has not answered");
    let leave = waiting(&mut bench.node).into_iter().find_map(|command| match command.kind {
        Some(ToNode::Leave(leave)) => Some(leave),
        _ => None,
    });
    controlled(&mut bench, leave.expect("the node was told").ticket, None);
    stop.notified().await;
    bench.driver.say_goodbye();
    let said = waiting(&mut bench.client);
    let Some(ToClient::Goodbye(goodbye)) = &said.last().unwrap().kind else { panic!("{said:?}") };
    assert!(goodbye.message.contains("a client (h, process 1)"), "{}", goodbye.message);
    assert!(bench.driver.clients.contains_key(&CLIENT));
}
