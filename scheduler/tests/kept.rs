//! Jobs that outlive their client.

mod common;

use common::{Core, MS, direct, fixed};
use phalanx_proto::ids::{ClientId, JobKey, ProgramKey};
use phalanx_scheduler::{Action, Input, JobSpec, Outcome, Plan, Reject};

const CLIENT: ClientId = ClientId(1);

fn submit_kept(core: &mut Core, job: u64, elements: u64, plan: Plan) {
    let spec = JobSpec { kept: true, ..JobSpec::new(ProgramKey(1), elements, plan) };
    core.tell(Input::Submit { client: CLIENT, job: JobKey(job), spec });
    core.tell(Input::Supplied { job: JobKey(job), elements });
}

fn ended(actions: &[Action]) -> Vec<(u64, Outcome)> {
    let end = |action: &Action| match action {
        Action::Finished { job, outcome, .. } => Some((job.0, *outcome)),
        _ => None,
    };
    actions.iter().filter_map(end).collect()
}

#[test]
fn a_lost_clients_jobs_are_cancelled_but_for_those_that_are_kept() {
    let mut core = Core::new(&[2]);
    core.submit(1, 50, fixed(1));
    submit_kept(&mut core, 2, 50, fixed(1));
    submit_kept(&mut core, 3, 2, direct(&[0, 1]));
    // Nobody will read again, so that nothing waits for it.
    core.tell(Input::ClientPressure { client: CLIENT, on: true });
    let actions = core.tell(Input::ClientLost { client: CLIENT });
    assert_eq!(ended(&actions), [(1, Outcome::Cancelled)]);
    // What engines hold of the cancelled job they hand back.
    let cancelled: Vec<_> = core.assigned.iter().filter(|(_, _, run)| run.job.0 == 1).copied().collect();
    core.assigned.retain(|(_, _, run)| run.job.0 != 1);
    for (node, engine, run) in cancelled {
        let (job, first, count, attempt) = (run.job, run.first, run.count, run.attempt);
        core.tell(Input::Returned { node, engine, job, first, count, attempt, refused: false });
    }
    let done: u32 = core.finish(MS).iter().map(|(_, run)| run.count).sum();
    assert_eq!(done, 52);
    assert!(core.core.job_status(JobKey(2)).is_none() && core.core.job_status(JobKey(3)).is_none());
    let again = core.try_tell(Input::ClientLost { client: CLIENT });
    assert_eq!(again, Err(Reject::UnknownClient(CLIENT)), "with its last job the client is forgotten");
}

#[test]
fn who_is_gone_submits_nothing_and_reads_nothing_but_its_job_can_be_ended() {
    let mut core = Core::new(&[1]);
    submit_kept(&mut core, 1, 9, fixed(1));
    core.tell(Input::ClientLost { client: CLIENT });
    let spec = JobSpec::new(ProgramKey(1), 1, fixed(1));
    let unknown = Err(Reject::UnknownClient(CLIENT));
    assert_eq!(core.try_tell(Input::Submit { client: CLIENT, job: JobKey(2), spec }), unknown);
    assert_eq!(core.try_tell(Input::ClientPressure { client: CLIENT, on: true }), unknown);
    assert_eq!(core.try_tell(Input::ClientLost { client: CLIENT }), unknown);
    let of_another = core.try_tell(Input::Cancel { client: ClientId(2), job: JobKey(1) });
    assert!(matches!(of_another, Err(Reject::NotOfClient { .. })));
    let actions = core.tell(Input::Cancel { client: CLIENT, job: JobKey(1) });
    assert_eq!(ended(&actions), [(1, Outcome::Cancelled)]);
}
