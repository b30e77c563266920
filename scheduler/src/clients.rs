//! Duty: clients come, go, and do not read.

use std::collections::BTreeSet;

use phalanx_proto::ids::{ClientId, JobKey};

use crate::action::Outcome;
use crate::bug::Bug;
use crate::engine::Client;
use crate::reject::Reject;
use crate::scheduler::Scheduler;

impl Scheduler {
    pub(crate) fn on_client_joined(&mut self, id: ClientId) -> Result<(), Reject> {
        if self.client_slots.contains_key(&id) {
            return Err(Reject::Duplicate("the client's id"));
        }
        let slot = self.clients.insert(Client { id, jobs: BTreeSet::new(), gone: false });
        self.client_slots.insert(id, slot);
        self.fair.open_client(slot);
        Ok(())
    }

    pub(crate) fn on_client_lost(&mut self, id: ClientId) -> Result<(), Reject> {
        let slot = self.present_slot(id)?;
        let jobs = self.clients[slot].jobs.iter().map(|key| self.job_slots[key]);
        let (kept, jobs): (Vec<u32>, Vec<u32>) = jobs.partition(|job| self.jobs[*job].kept);
        if kept.is_empty() {
            self.forget_direct(slot, &jobs);
        }
        // The client's work goes first, so that none of it is assigned while engines become free.
        self.fair.set_pressed(slot, true);
        for job in jobs {
            self.end_job(job, Outcome::Cancelled);
        }
        self.clients[slot].gone = true;
        if kept.is_empty() {
            self.forget_if_done(slot);
        } else if !self.has_bug(Bug::ForgetsTheGone) {
            // Nobody reads what is kept, so it waits for no reader.
            self.release(slot);
        }
        Ok(())
    }

    /// At once, for it may have many jobs.
    fn forget_direct(&mut self, slot: u32, jobs: &[u32]) {
        for job in jobs {
            for at in 0..self.jobs[*job].targets.len() {
                let engine = self.jobs[*job].targets[at];
                if let Some(engine) = self.engines.get_mut(engine) {
                    engine.direct.forget_client(slot);
                }
            }
        }
    }

    /// Forgets a client that is gone, with the last job that it left.
    pub(crate) fn forget_if_done(&mut self, slot: u32) {
        let client = &self.clients[slot];
        if client.gone && client.jobs.is_empty() {
            self.client_slots.remove(&client.id);
            self.clients.remove(slot);
        }
    }

    pub(crate) fn on_client_pressure(&mut self, id: ClientId, on: bool) -> Result<(), Reject> {
        let slot = self.present_slot(id)?;
        if self.fair.is_pressed(slot) == on {
            return Ok(());
        }
        if on {
            self.fair.set_pressed(slot, true);
        } else {
            self.release(slot);
        }
        Ok(())
    }

    /// The client's chunks may be assigned again.
    fn release(&mut self, slot: u32) {
        self.fair.set_pressed(slot, false);
        let jobs: Vec<JobKey> = self.clients[slot].jobs.iter().copied().collect();
        for key in jobs {
            // Filling engines cannot end a job.
            let job = self.job_slots[&key];
            self.fill_targets(job);
        }
        self.feed();
    }

    /// Lets the engines of a direct job look for work.
    fn fill_targets(&mut self, job: u32) {
        let targets = self.jobs[job].targets.clone();
        for (ordinal, engine) in targets.into_iter().enumerate() {
            if self.jobs[job].ledger.get(ordinal as u64).is_some_and(|chunk| !chunk.state.is_terminal()) {
                self.refill(engine);
            }
        }
    }

    /// A client whose session lasts.
    pub(crate) fn present_slot(&self, id: ClientId) -> Result<u32, Reject> {
        self.client_slot(id).ok().filter(|slot| !self.clients[*slot].gone).ok_or(Reject::UnknownClient(id))
    }

    pub(crate) fn client_slot(&self, id: ClientId) -> Result<u32, Reject> {
        self.client_slots.get(&id).copied().ok_or(Reject::UnknownClient(id))
    }
}
