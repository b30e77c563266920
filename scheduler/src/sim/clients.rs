//! What clients do: submit jobs of all kinds, supply them, cancel them, stop reading, leave.

use std::time::Duration;

use phalanx_proto::ids::{ClientId, EngineId, JobKey, ProgramKey};

use super::model::Broken;
use super::rng::Rng;
use super::world::{Event, Nature, SimClient, World};
use crate::place::{Need, Place};
use crate::{Chunking, Dependency, Input, JobSpec, Plan};

impl Nature {
    fn chance(&self, element: u64, salt: u64, one_in: u64) -> bool {
        one_in > 0 && Rng::new(self.seed ^ salt ^ element.wrapping_mul(0x9e37_79b9)).once_in(one_in)
    }

    /// Heavy-tailed: a Pareto distribution cut at a hundred times the scale.
    pub(super) fn element_ns(&self, element: u64) -> u64 {
        let u = Rng::new(self.seed ^ element).unit().max(1e-4);
        (self.element_ns as f64 * (1.0 / u).sqrt()) as u64
    }

    pub(super) fn fails(&self, element: u64) -> bool {
        self.chance(element, 0x51ed, self.fails_one_in)
    }

    pub(super) fn kills(&self, element: u64) -> bool {
        self.chance(element, 0xdead, self.kills_one_in)
    }

    pub(super) fn overruns(&self, element: u64) -> bool {
        self.chance(element, 0x510e, self.overruns_one_in)
    }

    pub(super) fn is_untold(&self, first: u64) -> bool {
        self.chance(first, 0x7e11, self.untold_one_in)
    }

    pub(super) fn refuses(&self, engine: EngineId) -> bool {
        self.chance(engine.0.into(), 0xc0de, self.refuses_one_in)
    }
}

impl World {
    pub(super) fn client_joins(&mut self) -> Result<(), Broken> {
        let id = ClientId(self.name());
        let left = self.rng.between(1, 4);
        self.clients.insert(id, SimClient { left, ..SimClient::default() });
        self.tell(Input::ClientJoined { client: id })?;
        self.after(self.rng.clone().below(1_000_000), Event::Client(id));
        Ok(())
    }

    /// A client's turn: it submits, supplies, cancels or pauses.
    pub(super) fn client_acts(&mut self, id: ClientId) -> Result<(), Broken> {
        let Some(client) = self.clients.get(&id) else { return Ok(()) };
        let (left, pressed) = (client.left, client.pressed);
        let jobs = client.jobs.clone();
        let delay = self.rng.between(50_000, 2_000_000);
        if pressed {
            self.press(id, false)?;
            self.after(delay, Event::Client(id));
            return Ok(());
        }
        let mut unsupplied = false;
        for job in &jobs {
            unsupplied |= self.supply(*job)?;
        }
        if left > 0 {
            self.submit(id)?;
        } else if !self.healed && self.rng.once_in(6) && !jobs.is_empty() {
            let job = self.rng.pick(&jobs);
            self.tell(Input::Cancel { client: id, job })?;
        }
        if !self.healed && self.rng.once_in(12) {
            self.press(id, true)?;
        }
        if unsupplied || left > 0 || self.clients[&id].pressed || self.rng.once_in(2) {
            self.after(delay, Event::Client(id));
        }
        Ok(())
    }

    pub(super) fn press(&mut self, id: ClientId, on: bool) -> Result<(), Broken> {
        if let Some(client) = self.clients.get_mut(&id) {
            client.pressed = on;
            self.tell(Input::ClientPressure { client: id, on })?;
        }
        Ok(())
    }

    /// Supplies more of a job; whether some is still missing.
    pub(super) fn supply(&mut self, job: JobKey) -> Result<bool, Broken> {
        let model = &self.model.jobs[&job];
        let (supplied, elements) = (model.supplied, model.spec.elements);
        if model.ended.is_some() || supplied == elements {
            return Ok(false);
        }
        let more =
            if self.healed || self.rng.once_in(2) { elements } else { self.rng.between(supplied, elements) };
        self.tell(Input::Supplied { job, elements: more })?;
        Ok(more < elements)
    }

    /// A client's session ends. What it has kept goes on, unless the driver misses some of its elements and ends it.
    pub(super) fn client_leaves(&mut self, id: ClientId) -> Result<(), Broken> {
        let Some(client) = self.clients.remove(&id) else { return Ok(()) };
        self.tell(Input::ClientLost { client: id })?;
        for job in client.jobs {
            let model = &self.model.jobs[&job];
            let (kept, whole) = (model.spec.kept, model.supplied == model.spec.elements);
            if kept && model.ended.is_none() {
                let supplied = whole || (self.rng.once_in(2) && !self.supply_whole(job)?);
                if !supplied || self.rng.once_in(8) {
                    self.tell(Input::Cancel { client: id, job })?;
                }
            }
        }
        Ok(())
    }

    /// Supplies all of a job; whether some is still missing.
    fn supply_whole(&mut self, job: JobKey) -> Result<bool, Broken> {
        let elements = self.model.jobs[&job].spec.elements;
        Ok(!self.tell(Input::Supplied { job, elements })?)
    }

    fn submit(&mut self, id: ClientId) -> Result<(), Broken> {
        let job = JobKey(self.name());
        let mut spec = self.any_spec(id);
        let draining = |id: EngineId| self.core.engine_status(id).is_none_or(|status| status.draining);
        let admitted = self.model.admits(&spec, draining);
        let nature = self.any_nature();
        // Not by the world's own chance: older worlds stay what they were until a client leaves.
        spec.kept = Rng::new(nature.seed ^ 0x4ee9).once_in(3);
        self.natures.insert(job, nature);
        self.specs.insert(job, spec.clone());
        let accepted = self.tell(Input::Submit { client: id, job, spec: spec.clone() })?;
        let Some(client) = self.clients.get_mut(&id) else { return Ok(()) };
        client.left -= 1;
        // What ended long ago may be forgotten.
        let forgotten = admitted && !accepted && self.model.may_have_forgotten(&spec);
        if accepted != admitted && !forgotten {
            return Err(format!("{spec:?} was accepted: {accepted}; engines {:?}", self.model.tags));
        }
        if accepted {
            client.jobs.push(job);
            self.supply(job)?;
        }
        Ok(())
    }

    pub(super) fn any_nature(&mut self) -> Nature {
        Nature {
            seed: self.rng.bits(),
            element_ns: self.rng.pick(&[100, 2_000, 50_000, 400_000]),
            fails_one_in: self.rng.pick(&[0, 0, 5, 20]),
            fails_times: self.rng.pick(&[1, 2, 9]),
            kills_one_in: self.rng.pick(&[0, 0, 0, 40]),
            overruns_one_in: self.rng.pick(&[0, 0, 0, 30]),
            untold_one_in: self.rng.pick(&[0, 0, 0, 20]),
            refuses_one_in: self.rng.pick(&[0, 1, 2, 3]),
        }
    }

    fn any_spec(&mut self, id: ClientId) -> JobSpec {
        let rng = &mut self.rng;
        let elements = if rng.once_in(10) { rng.below(3) } else { rng.between(1, 120) };
        let engines: Vec<EngineId> = self.used.iter().copied().collect();
        let remaining = if elements > 8 && rng.once_in(5) {
            let a = rng.below(elements / 2);
            vec![a..a + 1, elements / 2..elements - rng.below(3)]
        } else {
            Vec::new()
        };
        let plan = match rng.below(3) {
            0 if !engines.is_empty() => {
                let from = rng.below(engines.len() as u64) as usize;
                let targets = engines.into_iter().skip(from).take(rng.between(1, 6) as usize).collect();
                Plan::Direct { targets }
            }
            1 => Plan::Balanced { chunking: Chunking::Auto, remaining },
            _ => Plan::Balanced { chunking: Chunking::Fixed(rng.pick(&[1, 1, 2, 5, 1000])), remaining },
        };
        let balanced = matches!(plan, Plan::Balanced { .. });
        let (after, place) =
            if balanced { (self.any_dependencies(), self.any_place()) } else { Default::default() };
        let rng = &mut self.rng;
        let program = ProgramKey(if rng.once_in(5) { rng.below(3) } else { id.0 % 3 });
        JobSpec {
            retries: rng.pick(&[0, 0, 1, 3]),
            priority: rng.pick(&[0, 0, 0, -1, 7]),
            queue_limit: rng.once_in(6).then(|| Duration::from_micros(rng.between(0, 3_000))),
            after,
            place,
            ..JobSpec::new(program, elements, plan)
        }
    }

    /// Mostly none; sometimes one that nobody can know.
    fn any_dependencies(&mut self) -> Vec<Dependency> {
        let mut jobs: Vec<JobKey> = self.specs.keys().copied().collect();
        if jobs.is_empty() || !self.rng.once_in(3) {
            return Vec::new();
        }
        if self.rng.once_in(20) {
            jobs.push(JobKey(u64::MAX - 7));
        }
        let some = self.rng.between(1, 2);
        let one = |world: &mut Self| {
            let many = world.rng.between(0, 3);
            let jobs = (0..many).map(|_| world.rng.pick(&jobs)).collect();
            let (success, failure) =
                world.rng.pick(&[(true, false), (true, true), (true, true), (false, true)]);
            let (all, follow) = (!world.rng.once_in(3), world.rng.once_in(3));
            Dependency { jobs, all, success, failure, follow }
        };
        (0..some).map(|_| one(self)).collect()
    }

    /// Mostly everywhere.
    fn any_place(&mut self) -> Place {
        let mut place = Place::default();
        let engines: Vec<EngineId> = self.used.iter().copied().collect();
        if self.rng.once_in(6) && !engines.is_empty() {
            let many = self.rng.between(1, 4);
            let mut targets: Vec<EngineId> = (0..many).map(|_| self.rng.pick(&engines)).collect();
            targets.sort_unstable();
            targets.dedup();
            place.targets = Some(targets);
            place.returning = self.rng.once_in(3);
        }
        if self.rng.once_in(5) {
            place.needs = vec![
                Need::parse(self.rng.pick(&["gpu", "gpu=0", "memory>=64"])).unwrap_or_else(|| unreachable!()),
            ];
            place.patient = self.rng.once_in(2);
        }
        place.conditional = self.rng.once_in(6);
        place
    }
}
