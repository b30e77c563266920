//! Clients that stream: one small job after another, a bounded number of them outstanding, read in order, now and then
//! slowly, cancelled, or lost with their client.

use std::collections::VecDeque;

use phalanx_proto::ids::{ClientId, JobKey};

use super::model::{Broken, ensure};
use super::world::{Event, World};
use crate::{Chunking, Input, JobSpec, Outcome, Plan};

/// One world in so many has a stream.
const ONE_IN: u64 = 4;
/// Jobs that are read at once.
const READ_MAX: u64 = 4;

/// A stream. What is outstanding was submitted and has not been read.
#[derive(Debug)]
pub(super) struct SimStream {
    bound: usize,
    /// Jobs that are still to be submitted.
    left: u64,
    /// Each with its place among all.
    outstanding: VecDeque<(u64, JobKey)>,
    submitted: u64,
    /// How many were read.
    read: u64,
    is_pressed: bool,
}

impl SimStream {
    fn is_over(&self) -> bool {
        self.left == 0 && self.outstanding.is_empty()
    }
}

impl World {
    /// Whether a stream has something to do.
    pub(super) fn is_streaming(&self) -> bool {
        self.streams.values().any(|stream| !stream.is_over())
    }

    pub(super) fn stream_joins(&mut self, seed: u64) -> Result<(), Broken> {
        if !seed.is_multiple_of(ONE_IN) {
            return Ok(());
        }
        let id = ClientId(self.name());
        let stream = SimStream {
            bound: self.rng.between(1, 12) as usize,
            left: self.rng.between(1, 60),
            outstanding: VecDeque::new(),
            submitted: 0,
            read: 0,
            is_pressed: false,
        };
        self.model.bounds.insert(id, stream.bound);
        self.streams.insert(id, stream);
        self.tell(Input::ClientJoined { client: id })?;
        self.after(0, Event::Stream(id));
        Ok(())
    }

    /// A stream's turn: it reads what is there, cancels, leaves, or submits what its bound allows.
    pub(super) fn stream_acts(&mut self, id: ClientId) -> Result<(), Broken> {
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        if stream.is_pressed {
            stream.is_pressed = false;
            self.tell(Input::ClientPressure { client: id, on: false })?;
        } else if self.healed || !self.rng.once_in(3) {
            self.read(id)?;
        }
        if !self.healed && self.rng.once_in(40) {
            self.streams.remove(&id);
            return self.tell(Input::ClientLost { client: id }).map(drop);
        }
        if !self.healed && self.rng.once_in(40) {
            return self.cancel_stream(id);
        }
        while self.streams[&id].left > 0 && self.streams[&id].outstanding.len() < self.streams[&id].bound {
            self.submit_next(id)?;
        }
        if !self.healed && self.rng.once_in(12) {
            self.streams.entry(id).and_modify(|stream| stream.is_pressed = true);
            self.tell(Input::ClientPressure { client: id, on: true })?;
        }
        if !self.streams[&id].is_over() || self.streams[&id].is_pressed {
            let delay = self.rng.between(20_000, 1_000_000);
            self.after(delay, Event::Stream(id));
        }
        Ok(())
    }

    /// Reads some jobs that have ended, the first first.
    fn read(&mut self, id: ClientId) -> Result<(), Broken> {
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        for _ in 0..self.rng.between(1, READ_MAX) {
            let Some((place, job)) = stream.outstanding.front().copied() else { break };
            let model = &self.model.jobs[&job];
            let Some(outcome) = model.ended else { break };
            ensure(outcome == Outcome::Completed, || format!("{job} of a stream ended as {outcome:?}"))?;
            let settled = (model.accepted.len() + model.failed.len()) as u64;
            ensure(settled == model.spec.elements, || format!("{job} of a stream has {settled} outcomes"))?;
            ensure(place == stream.read, || format!("{job} is read at {}, not {place}", stream.read))?;
            stream.outstanding.pop_front();
            stream.read += 1;
            self.summary.streamed += 1;
        }
        Ok(())
    }

    /// Nothing more is wanted of it.
    fn cancel_stream(&mut self, id: ClientId) -> Result<(), Broken> {
        let Some(stream) = self.streams.remove(&id) else { return Ok(()) };
        for (_, job) in stream.outstanding {
            if self.model.jobs[&job].ended.is_none() {
                self.tell(Input::Cancel { client: id, job })?;
                let ended = self.model.jobs[&job].ended;
                ensure(ended == Some(Outcome::Cancelled), || format!("{job} was cancelled: {ended:?}"))?;
            }
        }
        Ok(())
    }

    fn submit_next(&mut self, id: ClientId) -> Result<(), Broken> {
        let job = JobKey(self.name());
        let elements = self.rng.pick(&[1, 1, 2, 7, 30]);
        let plan = Plan::Balanced { chunking: Chunking::Fixed(elements), remaining: Vec::new() };
        let retries = self.rng.pick(&[0, 0, 2]);
        let spec =
            JobSpec { retries, ..JobSpec::new(phalanx_proto::ids::ProgramKey(id.0 % 3), elements, plan) };
        let nature = self.any_nature();
        self.natures.insert(job, nature);
        self.specs.insert(job, spec.clone());
        if !self.tell(Input::Submit { client: id, job, spec })? {
            return Err(format!("{job} of a stream was refused"));
        }
        self.tell(Input::Supplied { job, elements })?;
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        stream.outstanding.push_back((stream.submitted, job));
        stream.submitted += 1;
        stream.left -= 1;
        Ok(())
    }
}
