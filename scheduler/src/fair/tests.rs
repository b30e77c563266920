use super::*;

/// Serves the fairest `turns` times at `cost`; how often each job was served.
fn serve(fair: &mut Fair, turns: usize, jobs: usize, cost: impl Fn(u32) -> i64) -> Vec<usize> {
    let mut served = vec![0; jobs];
    for _ in 0..turns {
        let job = fair.order().next().unwrap();
        served[job as usize] += 1;
        fair.charge(job, cost(job));
    }
    served
}

fn two_clients() -> Fair {
    let mut fair = Fair::default();
    fair.open_client(0);
    fair.open_client(1);
    for (job, client) in [(0, 0), (1, 1), (2, 1)] {
        fair.open_job(job, client, 0, 0, None);
        fair.set_ready(job, true);
    }
    fair
}

#[test]
fn clients_share_evenly_and_so_do_the_jobs_of_one() {
    let served = serve(&mut two_clients(), 400, 3, |_| 1_000_000);
    assert!(
        served[0].abs_diff(200) <= 2 && served[1].abs_diff(100) <= 2 && served[2].abs_diff(100) <= 2,
        "{served:?}"
    );
}

#[test]
fn sharing_is_by_work_not_by_turns() {
    let served = serve(&mut two_clients(), 1_000, 3, |job| if job == 0 { 9_000_000 } else { 1_000_000 });
    assert!(served[0].abs_diff(100) <= 3, "{served:?}");
}

#[test]
fn who_comes_late_has_not_saved_up() {
    let mut fair = two_clients();
    fair.set_ready(0, false);
    serve(&mut fair, 500, 3, |_| 1_000_000);
    fair.set_ready(0, true);
    let served = serve(&mut fair, 100, 3, |_| 1_000_000);
    assert!(served[0].abs_diff(50) <= 2, "{served:?}");
}

#[test]
fn priorities_order_the_jobs_of_one_client_and_take_nothing_from_another() {
    let mut fair = two_clients();
    fair.open_job(3, 1, 1, 5, None);
    let served = serve(&mut fair, 40, 4, |_| 100_000);
    assert_eq!(served[3], 0, "it is not ready");
    fair.set_ready(3, true);
    // Much less than it takes to refresh the order.
    fair.charge(2, 1_000);
    let served = serve(&mut fair, 400, 4, |_| 1_000_000);
    assert!(served[1] == 0 && served[2] == 0 && served[3].abs_diff(200) <= 3, "{served:?}");
    assert!(fair.outranks(3, 2) && !fair.outranks(3, 0) && !fair.outranks(2, 3));
    fair.set_ready(3, false);
    let served = serve(&mut fair, 400, 4, |_| 1_000_000);
    assert!(served[1].abs_diff(100) <= 3 && served[2].abs_diff(100) <= 3, "{served:?}");
}

#[test]
fn lanes_of_one_priority_share_like_jobs() {
    let mut fair = two_clients();
    fair.close_job(0);
    serve(&mut fair, 300, 3, |_| 1_000_000);
    // Jobs bound to a class come later, and have not saved up.
    for job in [3, 4] {
        fair.open_job(job, 1, 0, 0, Some(7));
        fair.set_ready(job, true);
    }
    assert!(fair.has_unbound_of(0) && fair.ready_classes() == [7]);
    let served = serve(&mut fair, 400, 5, |_| 1_000_000);
    assert!(served[1..].iter().all(|turns| turns.abs_diff(100) <= 3), "{served:?}");
    fair.close_job(3);
    fair.close_job(4);
    assert!(!fair.is_class_ready(7) && fair.has_unbound());
}

#[test]
fn a_pressed_client_and_a_closed_job_are_not_served() {
    let mut fair = two_clients();
    fair.set_pressed(1, true);
    assert_eq!(fair.order().collect::<Vec<_>>(), [0]);
    fair.close_job(0);
    assert!(fair.is_empty());
    fair.set_pressed(1, false);
    assert_eq!((fair.order_of(0).next(), fair.ready_programs()), (Some(1), vec![0]));
}

#[test]
fn a_job_that_goes_elsewhere_keeps_what_it_has_had() {
    let mut fair = two_clients();
    fair.close_job(0);
    fair.charge(1, 100_000_000);
    fair.move_job(1, Some(7));
    assert_eq!((fair.ready_classes(), fair.has_unbound()), (vec![7], true));
    let served = serve(&mut fair, 100, 3, |_| 1_000_000);
    assert!(served[1] <= 1 && served[2] >= 99, "{served:?}");
    let served = serve(&mut fair, 100, 3, |_| 1_000_000);
    assert!(served[1].abs_diff(50) <= 3, "{served:?}");
    fair.set_ready(1, false);
    fair.move_job(1, None);
    assert_eq!(fair.order().collect::<Vec<_>>(), [2], "it was not ready");
}
