//! Which event is handled next: short ones before those that carry much data, so that one client's call does not wait for another's results.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use phalanx_proto::ids::JobKey;

use crate::inbox::{Event, Posted};
use crate::outbox::PeerId;
use crate::parse::NodeSaid;

/// Of the events that carry much, so much is handled before the peers' connections get their turn again; one at least.
const TURN_BYTES: usize = 64 << 10;

/// While somebody's call is on its way through an engine that has others' work, what carries much waits for this long, and until the timer's next
/// millisecond: all processes that the call needs may share a core with this one.
const PUT_OFF: Duration = Duration::from_millis(1);

/// Events that wait for the short ones to be handled. What one peer said keeps its order, but for a node's report that overtakes those of other
/// jobs, as another node's would: nothing depends on which of two jobs was heard of first.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    waiting: VecDeque<Posted>,
    peers: HashMap<PeerId, Waiting>,
    /// Short events have gone first in the turn before.
    has_waited: bool,
    /// The call under way, and until when others wait for it.
    hurry: Option<(JobKey, Instant)>,
    /// So many events from the front on were put off for a call and have not had their turn since.
    owed: usize,
}

/// What waits of one peer.
#[derive(Debug, Default)]
struct Waiting {
    events: usize,
    /// How many of them are what a node reports of each job.
    reports: Vec<(JobKey, usize)>,
}

impl Waiting {
    /// Whether it all belongs to reports of other jobs.
    fn lets_pass(&self, event: &Event) -> bool {
        let Event::FromNode { said: NodeSaid::Report(report), .. } = event else { return false };
        let reports: usize = self.reports.iter().map(|(_, count)| count).sum();
        reports == self.events && self.reports.iter().all(|(job, _)| *job != report.job())
    }

    fn add(&mut self, event: &Event) {
        self.events += 1;
        let Some(job) = reported(event) else { return };
        match self.reports.iter_mut().find(|(known, _)| *known == job) {
            Some((_, count)) => *count += 1,
            None => self.reports.push((job, 1)),
        }
    }

    /// Whether nothing is left.
    fn remove(&mut self, event: &Event) -> bool {
        self.events -= 1;
        if let Some(job) = reported(event) {
            self.reports.iter_mut().filter(|(known, _)| *known == job).for_each(|(_, count)| *count -= 1);
            self.reports.retain(|(_, count)| *count > 0);
        }
        self.events == 0
    }
}

impl Backlog {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The event, when it is to be handled at once; else it waits here.
    pub(super) fn admit(&mut self, posted: Posted) -> Option<Posted> {
        let Some(peer) = posted.event.peer() else { return Some(posted) };
        if self.hurry.is_some_and(|(job, _)| reported(&posted.event) == Some(job)) {
            self.hurry = None;
        }
        let before = self.peers.get(&peer);
        if posted.is_short() && before.is_none_or(|before| before.lets_pass(&posted.event)) {
            return Some(posted);
        }
        self.peers.entry(peer).or_default().add(&posted.event);
        self.waiting.push_back(posted);
        None
    }

    /// A call has been sent to an engine that has others' work.
    pub(super) fn hurry(&mut self, job: JobKey, now: Instant) {
        if self.owed == 0 {
            self.hurry = Some((job, now + PUT_OFF));
        }
    }

    /// Until when everything is put off, if it is.
    pub(super) fn put_off(&self, now: Instant) -> Option<Instant> {
        self.hurry.map(|(_, until)| until).filter(|until| now < *until && !self.is_empty())
    }

    /// Which of those that wait are handled in this turn, in which short ones `went_first` or not: that puts them off for one turn at most.
    pub(super) fn turn(&mut self, went_first: bool, now: Instant) -> Vec<Posted> {
        if self.put_off(now).is_some() {
            self.owed = self.len();
            return Vec::new();
        }
        self.has_waited = went_first && !self.has_waited && !self.is_empty();
        let (mut turn, mut bytes) = (Vec::new(), 0);
        while !self.has_waited && bytes < TURN_BYTES {
            let Some(posted) = self.pop() else { break };
            bytes += posted.event.data_bytes();
            turn.push(posted);
        }
        turn
    }

    /// The first one.
    pub(super) fn pop(&mut self) -> Option<Posted> {
        let posted = self.waiting.pop_front()?;
        self.owed = self.owed.saturating_sub(1);
        if let Some(peer) = posted.event.peer()
            && self.peers.get_mut(&peer).is_some_and(|waiting| waiting.remove(&posted.event))
        {
            self.peers.remove(&peer);
        }
        Some(posted)
    }
}

/// The job of whose results it brings some.
fn reported(event: &Event) -> Option<JobKey> {
    let Event::FromNode { said, .. } = event else { return None };
    match said {
        NodeSaid::Report(report) => Some(report.job()),
        NodeSaid::Part(part) => Some(JobKey(part.job)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use phalanx_proto::ids::{ClientId, NodeId};
    use phalanx_proto::v1::{Output, Report};

    use super::*;
    use crate::parse::{ClientSaid, NodeReport};

    const LONG: u32 = 4_096;
    const SHORT: u32 = 8;

    fn posted(event: Event) -> Posted {
        Posted::new(event, None)
    }

    fn report(node: u64, job: u64, bytes: u32) -> Posted {
        let wire = Report {
            job,
            chunk_count: 1,
            chunk_len: 1,
            timings: vec![0; 10].into(),
            stride: bytes,
            data: vec![0; bytes as usize].into(),
            ..Report::default()
        };
        let report = Box::new(NodeReport::parse(wire).unwrap());
        posted(Event::FromNode { node: NodeId(node), said: NodeSaid::Report(report) })
    }

    fn segment(client: u64, bytes: u32) -> Posted {
        let data = Bytes::from(vec![0; bytes as usize]);
        let said = ClientSaid::Segment { job: 1, lens: Bytes::new(), data };
        posted(Event::FromClient { client: ClientId(client), said })
    }

    fn printed(node: u64) -> Posted {
        posted(Event::FromNode { node: NodeId(node), said: NodeSaid::Output(Output::default()) })
    }

    /// Whether each of these is handled at once.
    fn at_once<const N: usize>(backlog: &mut Backlog, events: [Posted; N]) -> [bool; N] {
        events.map(|posted| backlog.admit(posted).is_some())
    }

    #[test]
    fn what_is_short_goes_before_what_carries_much() {
        let mut backlog = Backlog::default();
        let events = [segment(1, LONG), segment(2, SHORT), report(3, 1, LONG), report(4, 1, SHORT)];
        assert_eq!(at_once(&mut backlog, events), [false, true, false, true]);
        let now = Instant::now();
        assert!(backlog.turn(true, now).is_empty(), "the short ones go out first");
        assert_eq!(backlog.turn(true, now).len(), 2, "but for one turn only");
        assert!(backlog.is_empty() && backlog.peers.is_empty());
    }

    #[test]
    fn a_client_is_heard_in_order() {
        let mut backlog = Backlog::default();
        let events = [segment(1, LONG), segment(1, SHORT), segment(1, SHORT)];
        assert_eq!(at_once(&mut backlog, events), [false; 3]);
        let bytes: Vec<_> =
            backlog.turn(false, Instant::now()).iter().map(|p| p.event.data_bytes()).collect();
        assert_eq!(bytes, [LONG as usize, SHORT as usize, SHORT as usize]);
        assert_eq!(at_once(&mut backlog, [segment(1, SHORT)]), [true], "nothing is left");
    }

    #[test]
    fn a_nodes_short_report_overtakes_reports_of_other_jobs_and_nothing_else() {
        let mut backlog = Backlog::default();
        let events = [report(1, 7, LONG), report(1, 8, SHORT), report(1, 7, SHORT), report(1, 8, SHORT)];
        assert_eq!(at_once(&mut backlog, events), [false, true, false, true]);
        assert_eq!(
            at_once(&mut backlog, [printed(1), report(1, 8, SHORT)]),
            [false, false],
            "it may be of the job"
        );
        while backlog.pop().is_some() {}
        assert!(backlog.peers.is_empty());
        assert_eq!(at_once(&mut backlog, [printed(1), report(1, 8, SHORT)]), [true, true]);
    }

    #[test]
    fn a_turn_is_bounded_but_never_empty() {
        let mut backlog = Backlog::default();
        let most = TURN_BYTES as u32;
        at_once(
            &mut backlog,
            [segment(1, 2 * most), segment(1, most / 2), segment(1, most / 2), segment(1, LONG)],
        );
        let turns: Vec<_> = (0..3).map(|_| backlog.turn(false, Instant::now()).len()).collect();
        assert_eq!(turns, [1, 2, 1]);
    }

    #[test]
    fn a_call_under_way_puts_it_off_until_it_is_answered() {
        for answer in [SHORT, LONG] {
            let (mut backlog, now) = (Backlog::default(), Instant::now());
            at_once(&mut backlog, [segment(1, LONG)]);
            backlog.hurry(JobKey(8), now);
            at_once(&mut backlog, [report(1, 7, SHORT)]);
            assert_eq!(backlog.put_off(now), Some(now + PUT_OFF), "that was somebody else's");
            assert!(backlog.turn(false, now).is_empty());
            at_once(&mut backlog, [report(1, 8, answer)]);
            assert!(!backlog.turn(false, now).is_empty());
        }
    }

    #[test]
    fn whoever_calls_on_and_on_does_not_stop_what_was_put_off() {
        let (mut backlog, now) = (Backlog::default(), Instant::now());
        at_once(&mut backlog, [segment(1, 2 * TURN_BYTES as u32), segment(2, LONG)]);
        backlog.hurry(JobKey(8), now);
        assert!(backlog.turn(false, now).is_empty());
        for _ in 0..2 {
            backlog.hurry(JobKey(9), now + PUT_OFF / 2);
            assert_eq!(backlog.turn(false, now + PUT_OFF).len(), 1);
        }
        at_once(&mut backlog, [segment(1, LONG)]);
        backlog.hurry(JobKey(10), now);
        assert!(backlog.turn(false, now).is_empty(), "it has had its turn");
    }
}
