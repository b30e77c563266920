//! Jobs that outlive their client, and those who follow them by their ids.
//!
//! ```text
//!   submit ──▶ entry on the shelf ◀── what its client is told (actions.rs)
//!                │  ▲ program stored, all elements here: the client may leave
//!                └──┼──▶ those who attached, each at its own pace
//!   attach ─────────┘
//! ```
//!
//! Who may attach: every session that may submit. On this machine the profile's directory lets its owner in and nobody else; from
//! elsewhere the session shows a client's certificate of this profile, of which there is one. So all who get here are one person, or
//! share a key that lets them run code in that person's name; engines' certificates are refused before (`service.rs`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use phalanx_programs::Hash;
use phalanx_proto::ids::{ClientId, JobId, JobKey};
use phalanx_proto::v1::client_event::Kind;
use phalanx_proto::v1::{Attached, BalancedPlan, DirectPlan, JobAccepted, NotKept, Span, attached};
use phalanx_scheduler::{Chunking, Input, Outcome, Plan};

use super::Driver;
use super::actions::told as how;
use super::roster::Client;
use super::shelf::{About, End, Entry, Missing, Removed, Watcher};
use crate::outbox::Load;
use crate::parse::{Refused, Submission};

/// Sessions that may follow one job.
const WATCHERS_MAX: usize = 1_024;

/// The program of a kept job is stored at the controller, or why not.
pub(super) type Secured = (JobId, JobKey, Result<(), String>);

impl Driver {
    /// A kept job was submitted: from now on what it brings is kept, and its program is brought here.
    pub(super) fn open_entry(
        &mut self,
        client: ClientId,
        key: JobKey,
        wanted: &Submission,
        hash: Hash,
        now: Instant,
    ) {
        let id = wanted.id;
        self.shelf.open(id, Entry::new(key, client, wanted, now));
        // It is the program of a client that may soon be gone.
        self.program_keys.enter(hash);
        let library = Arc::clone(&self.library);
        self.securing.spawn(async move {
            let found = library.find(hash).await;
            (id, key, found.map(drop).map_err(|e| e.to_string()))
        });
        self.trim_shelf();
    }

    /// A job that is on the shelf is submitted again, by a client that has lost its connection; whether that is all there is to do.
    pub(super) fn is_kept_already(&mut self, client: ClientId, number: u64, id: JobId) -> bool {
        let Some(entry) = self.shelf.get(id) else { return false };
        if entry.is_safe() || entry.end.is_some() {
            self.send_client(client, Kind::Accepted(JobAccepted { job: number }), 0);
            self.send_client(client, Kind::Attached(Attached { job: number, ..Attached::default() }), 0);
            self.watch(client, number, id);
            return true;
        }
        // The connection was lost before all of it was here.
        self.unsent(id, "it was submitted anew");
        false
    }

    pub(super) fn on_secured(&mut self, (id, key, result): Secured) {
        if self.shelf.get(id).is_none_or(|entry| entry.key != key) {
            return;
        }
        match result {
            Ok(()) => {
                self.shelf.change(id, |entry| entry.has_program = true);
                self.promise(id);
            }
            // It has ended, and needs its program no more.
            Err(_) if self.shelf.get(id).is_some_and(|entry| entry.end.is_some()) => {
                self.shelf.change(id, |entry| entry.has_program = true);
                self.promise(id);
            }
            Err(reason) => {
                self.unsent(id, &format!("its program could not be kept at the controller: {reason}"))
            }
        }
        self.settle();
    }

    /// All elements of a kept job are here.
    pub(super) fn on_whole(&mut self, id: JobId, key: JobKey) {
        if self.shelf.get(id).is_some_and(|entry| entry.key == key && !entry.is_whole) {
            self.shelf.change(id, |entry| entry.is_whole = true);
            self.promise(id);
        }
    }

    /// Tells the client that it may leave, if it may.
    fn promise(&mut self, id: JobId) {
        let Some(entry) = self.shelf.get(id).filter(|entry| entry.is_safe()) else { return };
        let followers = entry.watchers.iter().map(|w| (w.client, w.number));
        let told: Vec<_> = followers.chain([(entry.client, entry.number)]).collect();
        for (client, number) in told {
            self.send_client(client, Kind::Attached(Attached { job: number, ..Attached::default() }), 0);
        }
    }

    /// Something came of a kept job. One that was submitted anew meanwhile has an entry of its own.
    pub(super) fn keep(&mut self, id: JobId, key: JobKey, note: impl FnOnce(&mut Entry)) {
        let is_its = self.shelf.get(id).is_some_and(|entry| entry.key == key);
        if is_its && self.shelf.change(id, note).is_some() {
            self.follow_up(id);
            if !self.shelf.is_within_bounds() {
                self.trim_shelf();
            }
        }
    }

    /// A kept job has ended.
    pub(super) fn keep_end(&mut self, id: JobId, key: JobKey, outcome: Outcome, hash: &Hash) {
        self.program_keys.leave(hash);
        if self.shelf.job(id) == Some(key) {
            // Arguments that have not come are not needed any more.
            self.on_whole(id, key);
            self.shelf.end(id, End { outcome, at: Instant::now() });
            self.follow_up(id);
        }
    }

    /// Drops what does not fit or is too old.
    pub(super) fn trim_shelf(&mut self) {
        for removed in self.shelf.trim(Instant::now()) {
            self.bury(removed);
        }
    }

    /// As [`trim_shelf`](Self::trim_shelf), when it is time.
    pub(super) fn age_shelf(&mut self) {
        if self.shelf.due().is_some_and(|due| due <= Instant::now()) {
            self.trim_shelf();
            self.settle();
        }
    }

    /// A client has left. Its kept jobs go on, but for those of which something is missing.
    pub(super) fn leave_kept(&mut self, client_id: ClientId, client: &Client) {
        for key in client.jobs.values() {
            let Some(job) = self.jobs.get(key).filter(|job| job.kept) else { continue };
            let (id, client) = (job.id, job.client);
            match self.shelf.get(id).filter(|entry| entry.key == *key) {
                Some(entry) if entry.is_whole => {}
                Some(_) => self.unsent(id, "its client left before all its arguments were here"),
                // Its results were dropped while its client still got them.
                None => self.expect(Input::Cancel { client, job: *key }),
            }
        }
        for (number, id) in &client.watching {
            self.shelf
                .change(*id, |entry| entry.watchers.retain(|w| w.number != *number || w.client != client_id));
        }
    }

    fn unsent(&mut self, id: JobId, what: &str) {
        let text = format!("{what}; wait until it is kept (wait_kept on its result) before its client ends");
        if let Some(removed) = self.shelf.remove(id, Instant::now(), NotKept::Unsent, &text) {
            self.bury(removed);
        }
    }

    /// Tells everybody concerned that a job's results are kept no more. While its client is there the job goes on for it.
    pub(super) fn bury(&mut self, removed: Removed) {
        let Removed { id, entry, missing } = removed;
        tracing::info!(job = %id, label = %entry.about.label, reason = %missing.message, "results are kept no more");
        for Watcher { client, number, .. } in entry.watchers.iter().copied() {
            if let Some(client) = self.clients.get_mut(&client) {
                client.watching.remove(&number);
            }
            self.send_client(client, Kind::Attached(refusal(number, missing.clone())), missing.message.len());
        }
        if entry.end.is_some() && entry.is_safe() {
            return;
        }
        if self.clients.contains_key(&entry.client) {
            // It waits for the promise, or counts on it.
            let refused = refusal(entry.number, missing.clone());
            self.send_client(entry.client, Kind::Attached(refused), missing.message.len());
        } else if entry.end.is_none() {
            // Nobody could have its results.
            self.expect(Input::Cancel { client: entry.client, job: entry.key });
        }
    }

    pub(super) fn on_attach(&mut self, client: ClientId, number: u64, id: JobId, result_type: &str) {
        let Some(known) = self.clients.get(&client) else { return };
        if known.jobs.contains_key(&number) || known.watching.contains_key(&number) {
            return self.end_client(client, Refused::malformed("two jobs with one number"));
        }
        let answer = self.answer(number, id, result_type);
        let refused = answer.refused() != NotKept::Unspecified;
        self.send_client(client, Kind::Attached(answer), 0);
        if !refused {
            if self.shelf.get(id).is_some_and(Entry::is_safe) {
                let safe = Attached { job: number, ..Attached::default() };
                self.send_client(client, Kind::Attached(safe), 0);
            }
            self.watch(client, number, id);
        }
        self.settle();
    }

    /// What is said to who wants to follow a job: all that is known of it, or a refusal.
    fn answer(&self, number: u64, id: JobId, result_type: &str) -> Attached {
        let Some(entry) = self.shelf.get(id) else { return refusal(number, self.missing(id)) };
        let found = &entry.about.result_type;
        if **found != *result_type {
            let missing = Missing::new(NotKept::Type, format!("its values are of type {found}"));
            return Attached { result_type: found.to_string(), ..refusal(number, missing) };
        }
        if entry.watchers.len() >= WATCHERS_MAX {
            let text = format!("{WATCHERS_MAX} sessions follow it already; try again later");
            return refusal(number, Missing::new(NotKept::Limit, text));
        }
        description(number, &entry.about, entry.end)
    }

    /// Why a job is not on the shelf, as far as can be said.
    pub(super) fn missing(&self, id: JobId) -> Missing {
        if let Some(missing) = self.shelf.missing(id, Instant::now()) {
            return missing;
        }
        if self.jobs.values().any(|job| job.id == id) {
            return Missing::new(
                NotKept::Unasked,
                "it is under way and only its own client can have its results; make the view keep() before the call",
            );
        }
        if made_at(id).is_some_and(|made| made < self.started_at) {
            return Missing::new(
                NotKept::Before,
                "it is older than this controller's process: results are kept in the controller's memory, and are gone when it is restarted; run the job again, or save what must survive that to a file (resumable)",
            );
        }
        Missing::new(
            NotKept::Unknown,
            "the controller knows of no such job: perhaps its view was not keep() before the call, its client ended before it was sent (wait_kept() waits for that), or its results were dropped long ago; jobs() lists what is kept",
        )
    }

    fn watch(&mut self, client: ClientId, number: u64, id: JobId) {
        let Some(known) = self.clients.get_mut(&client) else { return };
        known.watching.insert(number, id);
        self.shelf.change(id, |entry| entry.watchers.push(Watcher { client, number, told: 0 }));
        self.follow_up(id);
    }

    /// Tells those who follow a job what they have not heard of it.
    fn follow_up(&mut self, id: JobId) {
        let watchers = self.shelf.get(id).map(|entry| entry.watchers.clone()).unwrap_or_default();
        for watcher in watchers {
            self.tell_watcher(id, watcher);
        }
    }

    /// A client reads again.
    pub(super) fn catch_up(&mut self, client: ClientId) {
        let Some(known) = self.clients.get(&client) else { return };
        let followed: Vec<(u64, JobId)> = known.watching.iter().map(|(n, id)| (*n, *id)).collect();
        for (number, id) in followed {
            let watcher = self.shelf.get(id).and_then(|entry| {
                entry.watchers.iter().find(|w| (w.client, w.number) == (client, number)).copied()
            });
            if let Some(watcher) = watcher {
                self.tell_watcher(id, watcher);
            }
        }
    }

    /// Sends as much as the client reads: the shelf is its queue.
    fn tell_watcher(&mut self, id: JobId, watcher: Watcher) {
        let Watcher { client: client_id, number, mut told } = watcher;
        let (Some(client), Some(entry)) = (self.clients.get_mut(&client_id), self.shelf.get(id)) else {
            return;
        };
        let mut load = Load::Same;
        while load == Load::Same && !client.outbox().is_pressed() {
            let Some(note) = entry.notes().get(told) else { break };
            load = client.send(note.to_wire(number), note.data_bytes());
            told += 1;
        }
        let end = entry.end.filter(|_| told == entry.notes().len());
        if let Some(end) = end {
            let last = client.send(Kind::Finished(how(number, end.outcome)), 0);
            load = if load == Load::Same { last } else { load };
            client.watching.remove(&number);
        }
        self.shelf.change(id, |entry| {
            let is_it = |w: &Watcher| (w.client, w.number) == (client_id, number);
            if end.is_some() {
                entry.watchers.retain(|w| !is_it(w));
            } else if let Some(watcher) = entry.watchers.iter_mut().find(|w| is_it(w)) {
                watcher.told = told;
            }
        });
        self.on_client_load(client_id, load);
    }

    /// Who follows a kept job wants it ended; whether this is such a one.
    pub(super) fn on_cancel_kept(&mut self, client: ClientId, number: u64) -> bool {
        let followed = self.clients.get_mut(&client).and_then(|known| known.watching.remove(&number));
        let Some(id) = followed else { return false };
        self.shelf.change(id, |entry| entry.watchers.retain(|w| (w.client, w.number) != (client, number)));
        if let Some(entry) = self.shelf.get(id).filter(|entry| entry.end.is_none()) {
            self.expect(Input::Cancel { client: entry.client, job: entry.key });
        }
        // It may leave, for all will be ended.
        self.send_client(client, Kind::Finished(how(number, Outcome::Cancelled)), 0);
        true
    }
}

fn refusal(number: u64, missing: Missing) -> Attached {
    Attached { job: number, refused: missing.why.into(), message: missing.message, ..Attached::default() }
}

fn description(number: u64, about: &About, end: Option<End>) -> Attached {
    let plan = match &about.plan {
        Plan::Direct { targets } => {
            attached::Plan::Direct(DirectPlan { targets: targets.iter().map(|id| id.0).collect() })
        }
        Plan::Balanced { chunking, remaining } => attached::Plan::Balanced(BalancedPlan {
            chunksize: match chunking {
                Chunking::Auto => 0,
                Chunking::Fixed(n) => *n,
            },
            remaining: remaining.iter().map(|r| Span { first: r.start, count: r.end - r.start }).collect(),
            ..BalancedPlan::default()
        }),
    };
    Attached {
        job: number,
        label: about.label.to_string(),
        elements: about.elements,
        result_type: about.result_type.to_string(),
        age_ns: nanoseconds(about.since.elapsed()),
        // Even what took no time has ended.
        lasted_ns: end.map_or(0, |end| nanoseconds(end.at.saturating_duration_since(about.since)).max(1)),
        queue_limit_ns: about.queue_limit.map_or(0, nanoseconds),
        plan: Some(plan),
        ..Attached::default()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// When a job's id was made, since the epoch, by its client's clock.
fn made_at(id: JobId) -> Option<Duration> {
    let is_v7 = (id.0 >> 76) & 0xf == 7;
    is_v7.then(|| Duration::from_millis((id.0 >> 80) as u64))
}
