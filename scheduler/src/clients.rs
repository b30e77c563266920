//! Duty: clients come, go, and do not read.

use std::collections::BTreeSet;

use phalanx_proto::ids::{ClientId, JobKey};

use crate::action::Outcome;
use crate::engine::Client;
use crate::reject::Reject;
use crate::scheduler::Scheduler;

impl Scheduler {
    pub(crate) fn on_client_joined(&mut self, id: ClientId) -> Result<(), Reject> {
        if self.client_slots.contains_key(&id) {
            return Err(Reject::Duplicate("the client's id"));
        }
        let slot = self.clients.insert(Client { id, jobs: BTreeSet::new() });
        self.client_slots.insert(id, slot);
        self.fair.open_client(slot);
        Ok(())
    }

    pub(crate) fn on_client_lost(&mut self, id: ClientId) -> Result<(), Reject> {
        let slot = self.client_slot(id)?;
        let jobs: Vec<u32> = self.clients[slot].jobs.iter().map(|key| self.job_slots[key]).collect();
        for job in &jobs {
            for at in 0..self.jobs[*job].targets.len() {
                let engine = self.jobs[*job].targets[at];
                if let Some(engine) = self.engines.get_mut(engine) {
                    engine.direct.forget_client(slot);
                }
            }
        }
        // The client's work goes first, so that none of it is assigned while engines become free.
        self.fair.set_pressed(slot, true);
        for job in jobs {
            self.end_job(job, Outcome::Cancelled);
        }
        self.client_slots.remove(&id);
        self.clients.remove(slot);
        Ok(())
    }

    pub(crate) fn on_client_pressure(&mut self, id: ClientId, on: bool) -> Result<(), Reject> {
        let slot = self.client_slot(id)?;
        if self.fair.is_pressed(slot) == on {
            return Ok(());
        }
        self.fair.set_pressed(slot, on);
        if on {
            return Ok(());
        }
        let jobs: Vec<JobKey> = self.clients[slot].jobs.iter().copied().collect();
        for key in jobs {
            // Filling engines cannot end a job.
            let job = self.job_slots[&key];
            self.fill_targets(job);
        }
        self.feed();
        Ok(())
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

    pub(crate) fn client_slot(&self, id: ClientId) -> Result<u32, Reject> {
        self.client_slots.get(&id).copied().ok_or(Reject::UnknownClient(id))
    }
}
