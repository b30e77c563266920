//! Jobs that outlive their client.

use phalanx_proto::v1::{Attached, NotKept};

use super::*;

const FOLLOWER: ClientId = ClientId(5);

impl Bench {
    /// Submits a kept job with all its elements, and has its program come here.
    fn submit_kept(&mut self, elements: u64) {
        self.client_says(ClientSaid::Submit(Box::new(Submission { kept: true, ..submission(elements) })));
        self.send(elements);
        self.driver.on_secured((JobId(7), JobKey(self.driver.jobs_made), Ok(())));
    }

    fn send(&mut self, elements: u64) {
        let data = Bytes::from(vec![0; 8 * elements as usize]);
        self.client_says(ClientSaid::Segment { job: 7, lens: Bytes::new(), data });
    }

    /// The node answers everything, with results of `bytes` bytes per element.
    fn run_all(&mut self, bytes: u32) {
        loop {
            let assigned = self.assigned();
            if assigned.is_empty() {
                return;
            }
            assigned.iter().for_each(|assign| self.report(assign, bytes));
        }
    }

    fn leave(&mut self) {
        self.driver.on_event(Event::ClientLeft { client: CLIENT });
    }

    /// Another client, which asks for the job.
    fn follow(&mut self, result_type: &str) -> OutboxStream<ClientEvent> {
        let (outbox, mut stream) = outbox(PeerId::Client(FOLLOWER), MARKS, Arc::clone(&self.driver.relief));
        let program = ProgramInfo { hash: [2; 32], size: 1, path: String::new(), target: String::new() };
        let hello = Box::new(Hello { peer: peer(), program });
        self.driver.on_event(Event::ClientJoined { client: FOLLOWER, hello, outbox });
        waiting(&mut stream);
        let said = ClientSaid::Attach { job: 3, id: JobId(7), result_type: result_type.into() };
        self.driver.on_event(Event::FromClient { client: FOLLOWER, said });
        stream
    }
}

fn heard(stream: &mut OutboxStream<ClientEvent>) -> Vec<ToClient> {
    waiting(stream).into_iter().filter_map(|event| event.kind).collect()
}

fn attached(heard: &[ToClient]) -> Vec<&Attached> {
    let mut found = Vec::new();
    for kind in heard {
        if let ToClient::Attached(attached) = kind {
            found.push(attached);
        }
    }
    found
}

fn bytes(heard: &[ToClient]) -> usize {
    let of = |kind: &ToClient| match kind {
        ToClient::Report(report) => report.data.len(),
        _ => 0,
    };
    heard.iter().map(of).sum()
}

/// Ten times as much as may wait for a client that reads nothing: the shelf is its queue.
#[tokio::test]
async fn who_follows_a_job_reads_at_its_own_pace() {
    let mut bench = Bench::new(Limits::default());
    bench.submit_kept(200);
    bench.leave();
    bench.run_all(5_000);
    assert!(bench.driver.jobs.is_empty(), "it has ended without anybody who reads");
    let mut follower = bench.follow("u64");
    let (mut came, mut turns) = (0, 0);
    loop {
        let heard = heard(&mut follower);
        came += bytes(&heard);
        assert!(bytes(&heard) <= 2 * MARKS.high as usize, "{} bytes waited", bytes(&heard));
        if heard.iter().any(|kind| matches!(kind, ToClient::Finished(finished) if finished.job == 3)) {
            break;
        }
        turns += 1;
        assert!(turns < 1_000, "it does not end");
        bench.driver.relieve();
    }
    assert_eq!(came, 1_000_000);
    assert!(bench.driver.clients[&FOLLOWER].watching.is_empty());
}

#[tokio::test]
async fn a_client_is_told_when_it_may_leave_and_not_before() {
    let mut bench = Bench::new(Limits::default());
    bench.client_says(ClientSaid::Submit(Box::new(Submission { kept: true, ..submission(4) })));
    bench.driver.on_secured((JobId(7), JobKey(1), Ok(())));
    assert!(attached(&heard(&mut bench.client)).is_empty(), "its elements are not here");
    bench.send(4);
    let heard = heard(&mut bench.client);
    let told = attached(&heard);
    assert_eq!((told.len(), told[0].job, told[0].refused()), (1, 7, NotKept::Unspecified));
}

#[tokio::test]
async fn a_client_that_leaves_too_early_takes_its_job_with_it() {
    let mut bench = Bench::new(Limits::default());
    bench.client_says(ClientSaid::Submit(Box::new(Submission { kept: true, ..submission(4) })));
    bench.leave();
    assert!(bench.driver.jobs.is_empty() && bench.driver.payload_bytes == 0);
    let heard = heard(&mut bench.follow("u64"));
    assert_eq!(attached(&heard)[0].refused(), NotKept::Unsent);
    assert!(attached(&heard)[0].message.contains("before all its arguments were here"));
}

#[tokio::test]
async fn a_job_whose_program_cannot_be_had_is_its_clients_alone() {
    let mut bench = Bench::new(Limits::default());
    bench.client_says(ClientSaid::Submit(Box::new(Submission { kept: true, ..submission(4) })));
    bench.send(4);
    bench.driver.on_secured((JobId(7), JobKey(1), Err("no room".into())));
    let heard = heard(&mut bench.client);
    assert!(attached(&heard)[0].message.contains("no room"), "{heard:?}");
    assert_eq!(bench.driver.jobs.len(), 1, "it goes on for its client");
    bench.leave();
    assert!(bench.driver.jobs.is_empty());
}

/// Its client would wait for the promise in vain.
#[tokio::test]
async fn a_client_is_told_of_a_purge_that_came_before_its_promise() {
    let mut bench = Bench::new(Limits::default());
    bench.client_says(ClientSaid::Submit(Box::new(Submission { kept: true, ..submission(4) })));
    bench.send(4);
    bench.run_all(8);
    assert_eq!(bench.driver.purge(&crate::parse::PurgeWanted::All).jobs, 1);
    let heard = heard(&mut bench.client);
    assert_eq!(attached(&heard).iter().map(|told| told.refused()).collect::<Vec<_>>(), [NotKept::Purged]);
}

#[tokio::test]
async fn a_job_with_values_of_another_type_is_not_followed() {
    let mut bench = Bench::new(Limits::default());
    bench.submit_kept(4);
    let heard = heard(&mut bench.follow("f64"));
    let told = attached(&heard);
    assert_eq!((told[0].refused(), told[0].result_type.as_str()), (NotKept::Type, "u64"));
    assert!(bench.driver.clients[&FOLLOWER].watching.is_empty());
}

#[tokio::test]
async fn two_jobs_with_one_number_are_nonsense() {
    let mut bench = Bench::new(Limits::default());
    bench.submit_kept(4);
    let mut follower = bench.follow("u64");
    let said = ClientSaid::Attach { job: 3, id: JobId(7), result_type: "u64".into() };
    bench.driver.on_event(Event::FromClient { client: FOLLOWER, said });
    assert!(matches!(heard(&mut follower).last(), Some(ToClient::Goodbye(_))));
    assert!(!bench.driver.clients.contains_key(&FOLLOWER));
    assert!(bench.driver.shelf.get(JobId(7)).is_some_and(|entry| entry.watchers.is_empty()));
}

/// The connection was lost, and the client submits anew what is here already.
#[tokio::test]
async fn a_job_that_is_kept_already_is_not_run_again() {
    let mut bench = Bench::new(Limits::default());
    bench.submit_kept(4);
    bench.leave();
    bench.run_all(8);
    let (outbox, mut stream) = outbox(PeerId::Client(FOLLOWER), MARKS, Arc::clone(&bench.driver.relief));
    let program = ProgramInfo { hash: [1; 32], size: 1, path: String::new(), target: String::new() };
    let hello = Box::new(Hello { peer: peer(), program });
    bench.driver.on_event(Event::ClientJoined { client: FOLLOWER, hello, outbox });
    let again = Submission { job: 9, kept: true, ..submission(4) };
    let said = ClientSaid::Submit(Box::new(again));
    bench.driver.on_event(Event::FromClient { client: FOLLOWER, said });
    let heard = heard(&mut stream);
    assert!(bench.driver.jobs.is_empty());
    assert_eq!(bytes(&heard), 32);
    assert!(
        matches!(heard.last(), Some(ToClient::Finished(finished)) if finished.job == 9 && !finished.cancelled)
    );
}

#[tokio::test]
async fn nothing_is_left_of_a_kept_job_but_its_results() {
    let mut bench = Bench::new(Limits::default());
    bench.submit_kept(4);
    bench.leave();
    bench.run_all(8);
    assert!(bench.driver.jobs.is_empty() && bench.driver.payload_bytes == 0);
    assert!(bench.driver.scheduler.job_status(JobKey(1)).is_none());
    assert_eq!(bench.driver.program_keys.enter([1; 32]).0, 2, "its program is known to nobody any more");
    assert_eq!(bench.driver.purge(&crate::parse::PurgeWanted::All).jobs, 1);
    assert_eq!(bench.driver.shelf.bytes(), 0);
}

/// All results are there: what ran them is needed no more.
#[tokio::test]
async fn a_job_that_has_ended_is_kept_though_its_program_is_not() {
    let mut bench = Bench::new(Limits::default());
    bench.client_says(ClientSaid::Submit(Box::new(Submission { kept: true, ..submission(4) })));
    bench.send(4);
    bench.run_all(8);
    bench.driver.on_secured((JobId(7), JobKey(1), Err("its client has left".into())));
    let told = heard(&mut bench.client);
    assert_eq!(attached(&told).iter().map(|told| told.refused()).collect::<Vec<_>>(), [NotKept::Unspecified]);
    bench.leave();
    assert_eq!(bytes(&heard(&mut bench.follow("u64"))), 32);
}

/// What a job brings that was submitted anew meanwhile is not taken for the new one's.
#[tokio::test]
async fn a_job_that_was_submitted_anew_gets_nothing_of_its_past() {
    let mut bench = Bench::new(Limits::default());
    bench.submit_kept(4);
    let (old, new) = (JobKey(1), JobKey(77));
    bench.driver.shelf.change(JobId(7), |entry| (entry.key, entry.is_whole) = (new, false));
    bench.driver.on_whole(JobId(7), old);
    bench.run_all(8);
    let entry = bench.driver.shelf.get(JobId(7)).unwrap();
    assert!(!entry.is_whole && entry.notes().is_empty() && entry.end.is_none(), "{entry:?}");
}
