//! Whose turn it is: clients share the engines by work, and so do the jobs of one client.
//!
//! Start-time fair queueing: a client's (and a job's) *virtual time* is the work that it was given;
//! whoever has had least is next. Who comes back after a pause starts at the present, so nobody saves
//! up. Work is charged at its expected length when it is assigned and corrected when it is reported.
//!
//! A *lane* is one client's ready jobs of one program, priority and class (engines that will do): an engine that holds chunks of a
//! program looks only at that program's lanes, and an engine that will not do passes over a lane, not over a job. Most clients have
//! one lane. Those of one client are listed under one time, the highest priority first, so priorities order what a client gets and not
//! how much; lanes of one priority share like their jobs do.

mod lane;

use std::collections::{BTreeMap, BTreeSet};

use lane::{ClientShare, JobShare, Lane, Place};

/// An order by virtual time is refreshed when it is off by this much.
const DRIFT_NS: u64 = 250_000;

/// All shares, by the slots of jobs, clients and programs.
#[derive(Debug, Default)]
pub(crate) struct Fair {
    jobs: Vec<JobShare>,
    clients: Vec<ClientShare>,
    lanes: Vec<Lane>,
    vacant: Vec<u32>,
    all: BTreeSet<Place>,
    by_program: Vec<BTreeSet<Place>>,
    /// How many lanes are listed of jobs that may go everywhere, and of those of each class.
    unbound: usize,
    bound: BTreeMap<u32, usize>,
    now: u64,
}

fn grown<T: Default>(items: &mut Vec<T>, slot: u32) -> &mut T {
    if items.len() <= slot as usize {
        items.resize_with(slot as usize + 1, T::default);
    }
    &mut items[slot as usize]
}

impl Fair {
    pub(crate) fn open_client(&mut self, client: u32) {
        *grown(&mut self.clients, client) = ClientShare { time: self.now, ..ClientShare::default() };
    }

    pub(crate) fn open_job(
        &mut self,
        job: u32,
        client: u32,
        program: u32,
        priority: i32,
        class: Option<u32>,
    ) {
        grown(&mut self.by_program, program);
        let lanes = &self.clients[client as usize].lanes;
        let is_it = |lane: &Lane| (lane.program, lane.priority, lane.class) == (program, priority, class);
        let known = lanes.iter().copied().find(|lane| is_it(&self.lanes[*lane as usize]));
        let lane = known.unwrap_or_else(|| self.open_lane(client, program, priority, class));
        self.lanes[lane as usize].members += 1;
        *grown(&mut self.jobs, job) = JobShare { lane, ..JobShare::default() };
    }

    fn open_lane(&mut self, client: u32, program: u32, priority: i32, class: Option<u32>) -> u32 {
        let lane = Lane { client, program, priority, class, ..Lane::default() };
        let slot = if let Some(slot) = self.vacant.pop() {
            self.lanes[slot as usize] = lane;
            slot
        } else {
            self.lanes.push(lane);
            self.lanes.len() as u32 - 1
        };
        self.clients[client as usize].lanes.push(slot);
        slot
    }

    pub(crate) fn close_job(&mut self, job: u32) {
        self.set_ready(job, false);
        let slot = self.jobs[job as usize].lane;
        let lane = &mut self.lanes[slot as usize];
        lane.members -= 1;
        if lane.members == 0 {
            self.clients[lane.client as usize].lanes.retain(|l| *l != slot);
            self.vacant.push(slot);
        }
    }

    /// Other engines will do for the job; what it has had counts as before.
    pub(crate) fn move_job(&mut self, job: u32, class: Option<u32>) {
        let JobShare { lane, time, ready, .. } = self.jobs[job as usize];
        let Lane { client, program, priority, class: before, .. } = self.lanes[lane as usize];
        if class == before {
            return;
        }
        self.close_job(job);
        self.open_job(job, client, program, priority, class);
        self.jobs[job as usize].time = time;
        self.set_ready(job, ready);
    }

    /// Whether the job has chunks to assign.
    pub(crate) fn set_ready(&mut self, job: u32, ready: bool) {
        let share = &mut self.jobs[job as usize];
        if share.ready == ready {
            return;
        }
        share.ready = ready;
        let slot = share.lane;
        if ready {
            match self.lanes[slot as usize].jobs.len() {
                0 => self.catch_up(slot),
                1 => self.refresh_jobs(slot),
                _ => {}
            }
            let lane = &mut self.lanes[slot as usize];
            let share = &mut self.jobs[job as usize];
            share.time = share.time.max(lane.now);
            share.key = share.time;
            lane.jobs.insert((share.key, job));
        } else {
            let (key, time) = (share.key, share.time);
            let lane = &mut self.lanes[slot as usize];
            lane.jobs.remove(&(key, job));
            if lane.jobs.is_empty() {
                lane.now = lane.now.max(time);
            }
        }
        self.list(slot);
        self.order_among_siblings(slot);
    }

    /// A lane that had nothing starts at the present of its client's others.
    fn catch_up(&mut self, slot: u32) {
        let client = self.lanes[slot as usize].client as usize;
        let mut present = None;
        for at in 0..self.clients[client].lanes.len() {
            let sibling = self.clients[client].lanes[at];
            if sibling == slot || !self.lanes[sibling as usize].listed {
                continue;
            }
            if self.lanes[sibling as usize].jobs.len() == 1 {
                self.refresh_jobs(sibling);
            }
            self.rehead(sibling);
            let head = self.lanes[sibling as usize].head;
            present = Some(present.map_or(head, |present: u64| present.min(head)));
        }
        let lane = &mut self.lanes[slot as usize];
        lane.now = lane.now.max(present.unwrap_or(0));
    }

    /// Another job is first in a lane, whose client has other lanes.
    fn order_among_siblings(&mut self, slot: u32) {
        let lane = &self.lanes[slot as usize];
        if self.clients[lane.client as usize].lanes.len() > 1 && lane.head != lane.first_key() {
            self.rehead(slot);
        }
    }

    /// Lists a lane by its first job's time, under the same time of its client as its siblings.
    fn rehead(&mut self, slot: u32) {
        let lane = &mut self.lanes[slot as usize];
        if !lane.listed {
            return;
        }
        let order = &mut self.by_program[lane.program as usize];
        order.remove(&lane.place(slot));
        self.all.remove(&lane.place(slot));
        lane.head = lane.first_key();
        order.insert(lane.place(slot));
        self.all.insert(lane.place(slot));
    }

    pub(crate) fn set_pressed(&mut self, client: u32, pressed: bool) {
        self.clients[client as usize].pressed = pressed;
        for at in 0..self.clients[client as usize].lanes.len() {
            let lane = self.clients[client as usize].lanes[at];
            self.list(lane);
        }
    }

    pub(crate) fn is_pressed(&self, client: u32) -> bool {
        self.clients[client as usize].pressed
    }

    /// Lists a lane if it has something to give, and only then.
    fn list(&mut self, slot: u32) {
        let lane = &self.lanes[slot as usize];
        let listed = !lane.jobs.is_empty() && !self.clients[lane.client as usize].pressed;
        if listed == lane.listed {
            return;
        }
        if listed {
            if self.all.len() == 1
                && let Some((_, _, _, only)) = self.all.first().copied()
            {
                self.relist(only);
            }
            let client = &mut self.clients[self.lanes[slot as usize].client as usize];
            client.time = client.time.max(self.now);
            let (key, siblings) = (client.time, client.lanes.len());
            let lane = &mut self.lanes[slot as usize];
            (lane.key, lane.head) = (key, lane.first_key());
            let (client, place) = (lane.client, lane.place(slot));
            self.by_program[lane.program as usize].insert(place);
            self.all.insert(place);
            for at in 0..siblings {
                let sibling = self.clients[client as usize].lanes[at];
                if sibling != slot && self.lanes[sibling as usize].key != key {
                    self.relist(sibling);
                }
            }
        } else {
            let place = lane.place(slot);
            self.by_program[lane.program as usize].remove(&place);
            self.all.remove(&place);
            if self.all.is_empty() {
                self.now = self.now.max(self.clients[self.lanes[slot as usize].client as usize].time);
            }
        }
        self.lanes[slot as usize].listed = listed;
        self.count(self.lanes[slot as usize].class, listed);
    }

    /// A lane of this class is listed, or no more.
    fn count(&mut self, class: Option<u32>, listed: bool) {
        let count = match class {
            None => &mut self.unbound,
            Some(class) => self.bound.entry(class).or_default(),
        };
        if listed {
            *count += 1
        } else {
            *count -= 1
        }
        if let (0, Some(class)) = (*count, class) {
            self.bound.remove(&class);
        }
    }

    /// Something of a direct job is to be assigned: who has waited for nothing has not saved up.
    pub(crate) fn arrive(&mut self, job: u32) {
        let client = self.lanes[self.jobs[job as usize].lane as usize].client;
        let waits = |lane: &u32| self.lanes[*lane as usize].listed;
        if self.clients[client as usize].lanes.iter().any(waits) {
            return;
        }
        // The first in the order may have had more than it is listed with.
        let first = self
            .all
            .first()
            .map_or(0, |(.., lane)| self.clients[self.lanes[*lane as usize].client as usize].time);
        let present = self.now.max(first);
        let client = &mut self.clients[client as usize];
        client.time = client.time.max(present);
    }

    /// Work was given to a job (or, corrected, turned out shorter than that).
    pub(crate) fn charge(&mut self, job: u32, work_ns: i64) {
        let share = &mut self.jobs[job as usize];
        let slot = share.lane;
        share.time = share.time.saturating_add_signed(work_ns);
        let lane = &self.lanes[slot as usize];
        let client = &mut self.clients[lane.client as usize];
        client.time = client.time.saturating_add_signed(work_ns);
        let siblings = client.lanes.len() > 1;
        if share.ready && share.time.abs_diff(share.key) > DRIFT_NS && (lane.jobs.len() > 1 || siblings) {
            self.refresh_job(job);
            self.order_among_siblings(slot);
        }
        // An order of one needs no refreshing, however old its key.
        let lane = &self.lanes[slot as usize];
        let client = &self.clients[lane.client as usize];
        if self.all.len() > 1 && client.time.abs_diff(lane.key) > DRIFT_NS {
            for at in 0..client.lanes.len() {
                let slot = self.clients[self.lanes[slot as usize].client as usize].lanes[at];
                self.relist(slot);
            }
        }
    }

    fn refresh_jobs(&mut self, lane: u32) {
        if let Some((_, only)) = self.lanes[lane as usize].jobs.first().copied() {
            self.refresh_job(only);
        }
    }

    fn refresh_job(&mut self, job: u32) {
        let share = &mut self.jobs[job as usize];
        let lane = &mut self.lanes[share.lane as usize];
        lane.now = lane.now.max(share.key);
        lane.jobs.remove(&(share.key, job));
        share.key = share.time;
        lane.jobs.insert((share.key, job));
        if lane.jobs.len() == 1 {
            lane.now = lane.now.max(share.key);
        }
    }

    fn relist(&mut self, slot: u32) {
        let lane = &mut self.lanes[slot as usize];
        if !lane.listed {
            return;
        }
        let order = &mut self.by_program[lane.program as usize];
        order.remove(&lane.place(slot));
        self.all.remove(&lane.place(slot));
        lane.key = self.clients[lane.client as usize].time;
        lane.head = lane.first_key();
        order.insert(lane.place(slot));
        self.all.insert(lane.place(slot));
        if let Some((first, ..)) = self.all.first() {
            self.now = self.now.max(*first);
        }
    }

    fn next_of(&self, lane: u32) -> Option<u32> {
        self.lanes[lane as usize].jobs.first().map(|(_, job)| *job)
    }

    /// Jobs that are next in their lanes, the fairest first.
    pub(crate) fn order(&self) -> impl Iterator<Item = u32> {
        self.all.iter().filter_map(|(.., lane)| self.next_of(*lane))
    }

    /// As [`order`](Self::order), those of a program.
    pub(crate) fn order_of(&self, program: u32) -> impl Iterator<Item = u32> {
        self.by_program[program as usize].iter().filter_map(|(.., lane)| self.next_of(*lane))
    }

    /// Whether there are jobs to assign that may go everywhere.
    pub(crate) fn has_unbound(&self) -> bool {
        self.unbound > 0
    }

    /// As [`has_unbound`](Self::has_unbound), of a program.
    pub(crate) fn has_unbound_of(&self, program: u32) -> bool {
        let unbound = |(.., lane): &Place| self.lanes[*lane as usize].class.is_none();
        self.unbound > 0 && self.by_program[program as usize].iter().any(unbound)
    }

    /// Classes that have jobs to assign.
    pub(crate) fn ready_classes(&self) -> Vec<u32> {
        self.bound.keys().copied().collect()
    }

    /// Whether a class has jobs to assign.
    pub(crate) fn is_class_ready(&self, class: u32) -> bool {
        self.bound.contains_key(&class)
    }

    /// Whether nobody has anything to assign.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Programs that have ready jobs.
    pub(crate) fn ready_programs(&self) -> Vec<u32> {
        let mut programs: Vec<u32> =
            self.all.iter().map(|(.., lane)| self.lanes[*lane as usize].program).collect();
        programs.sort_unstable();
        programs.dedup();
        programs
    }

    /// How much more work `ahead` has had than `behind`: its client, or, with one client, itself.
    pub(crate) fn lead_ns(&self, ahead: u32, behind: u32) -> u64 {
        let (a, b) = (&self.jobs[ahead as usize], &self.jobs[behind as usize]);
        let client = |job: &JobShare| self.lanes[job.lane as usize].client;
        if client(a) == client(b) {
            return a.time.saturating_sub(b.time);
        }
        let time = |job: &JobShare| self.clients[client(job) as usize].time;
        time(a).saturating_sub(time(b))
    }

    /// Whether a job comes before another one of the same client, however much it has had.
    pub(crate) fn outranks(&self, first: u32, second: u32) -> bool {
        let lane = |job: u32| &self.lanes[self.jobs[job as usize].lane as usize];
        lane(first).client == lane(second).client && lane(first).priority > lane(second).priority
    }

    /// Whether a job is listed as ready.
    pub(crate) fn is_ready(&self, job: u32) -> bool {
        self.jobs[job as usize].ready
    }
}

#[cfg(test)]
mod tests;
