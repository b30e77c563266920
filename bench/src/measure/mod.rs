//! One file per question. Rounds of what is compared alternate, so that a disturbance meets both.

mod apply;
mod auto;
mod broadcast;
mod bulk;
mod core;
mod history;
mod memory;
mod ranks;
mod results;
pub(crate) mod sharing;
pub(crate) mod start;
mod sums;
mod throughput;
mod work;

use crate::arguments::{Arguments, Group};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::figures::Figures;
use crate::reference::Bare;

/// Measures all that is asked for.
pub(crate) fn all(arguments: &Arguments, figures: &mut Figures) -> Result<(), Error> {
    with_a_cluster(arguments, figures)?;
    if arguments.wants(Group::Broadcast) {
        announce("one value for many engines");
        broadcast::measure(arguments, figures)?;
    }
    if arguments.wants(Group::History) {
        announce("the history of jobs");
        history::measure(arguments, figures)?;
    }
    if arguments.wants(Group::Ranks) {
        announce("ranks that talk to each other");
        ranks::measure(arguments, figures)?;
    }
    if arguments.wants(Group::Start) {
        announce("the start of a local cluster");
        start::measure(arguments, figures)?;
    }
    if arguments.wants(Group::Memory) {
        announce("memory and idling");
        memory::measure(arguments, figures)?;
    }
    if arguments.wants(Group::Scheduler) {
        announce("the scheduler core");
        core::measure(arguments, figures)?;
    }
    Ok(())
}

/// What one cluster and one reference server serve.
fn with_a_cluster(arguments: &Arguments, figures: &mut Figures) -> Result<(), Error> {
    let groups = [
        Group::Throughput,
        Group::Apply,
        Group::Bulk,
        Group::Sums,
        Group::Auto,
        Group::Results,
        Group::Sharing,
    ];
    if !groups.into_iter().any(|group| arguments.wants(group)) {
        return Ok(());
    }
    let cluster = Cluster::start(arguments.engines)?;
    eprintln!("controller {}, engine daemon {}", cluster.controller(), cluster.engine());
    let client = cluster.client();
    // The first call brings the program to the engines and starts the workers.
    client.direct_view(..).apply(|| (), ()).get()?;
    if arguments.wants(Group::Apply) {
        announce("round trips");
        apply::measure(arguments, client, &mut Bare::start()?, figures)?;
    }
    if arguments.wants(Group::Throughput) {
        announce("elements per second");
        throughput::measure(arguments, client, figures)?;
    }
    if arguments.wants(Group::Sums) {
        announce("sums of rows");
        sums::measure(arguments, client, figures)?;
    }
    if arguments.wants(Group::Bulk) {
        announce("bulk data");
        bulk::measure(arguments, client, &mut Bare::start()?, figures)?;
    }
    if arguments.wants(Group::Auto) {
        announce("automatic chunk sizes");
        auto::measure(arguments, client, figures)?;
    }
    if arguments.wants(Group::Sharing) {
        announce("calls beside another client's job");
        sharing::measure(arguments, &cluster, figures)?;
    }
    if arguments.wants(Group::Results) {
        announce("results that go to a file");
        results::measure(arguments, &cluster, figures)?;
    }
    Ok(())
}

fn announce(what: &str) {
    eprintln!("measuring {what} …");
}
