//! What the model knows of a job.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use phalanx_proto::block::{block_range, chunk_count};
use phalanx_proto::ids::{ClientId, EngineId};

use super::model::{Broken, ensure};
use crate::{Chunking, Input, JobSpec, Outcome, Plan};

#[derive(Debug, Clone)]
pub(super) struct ChunkModel {
    pub(super) elements: Range<u64>,
    pub(super) attempt: u32,
    pub(super) failures: u32,
    /// How often its elements ran for too long, by their offsets.
    pub(super) overruns: BTreeMap<u32, u32>,
    pub(super) only: Option<Vec<u32>>,
    pub(super) ended: bool,
    pub(super) held_by: Vec<EngineId>,
}

#[derive(Debug, Clone)]
pub(super) struct JobModel {
    pub(super) client: ClientId,
    pub(super) spec: JobSpec,
    pub(super) supplied: u64,
    /// When it was submitted.
    pub(super) since: u64,
    pub(super) begin_by: Option<u64>,
    /// Something of it is known to have been begun.
    pub(super) begun: bool,
    /// Something of it may have been begun: the core may know.
    pub(super) may_have_begun: bool,
    pub(super) ended: Option<Outcome>,
    pub(super) chunks: BTreeMap<u64, ChunkModel>,
    pub(super) accepted: BTreeSet<u64>,
    pub(super) failed: BTreeSet<u64>,
    pub(super) cancelled_on: BTreeSet<EngineId>,
    /// Engines that have completed chunks.
    pub(super) ran_on: BTreeSet<EngineId>,
    /// Engines on which its condition was not met.
    pub(super) refused_on: BTreeSet<EngineId>,
}

impl ChunkModel {
    /// How many of its elements an attempt runs.
    pub(super) fn open(&self) -> u64 {
        self.only.as_ref().map_or(self.elements.end - self.elements.start, |only| only.len() as u64)
    }

    pub(super) fn new(elements: Range<u64>) -> Self {
        Self {
            elements,
            attempt: 0,
            failures: 0,
            overruns: BTreeMap::new(),
            only: None,
            ended: false,
            held_by: Vec::new(),
        }
    }

    pub(super) fn open_offsets(&self) -> Vec<u32> {
        self.only.clone().unwrap_or_else(|| (0..(self.elements.end - self.elements.start) as u32).collect())
    }
}

impl JobModel {
    pub(super) fn check_place(
        &self,
        index: u64,
        elements: &Range<u64>,
        engine: EngineId,
    ) -> Result<(), Broken> {
        let n = self.spec.elements;
        let good = match &self.spec.plan {
            Plan::Direct { targets } => {
                let parts = targets.len() as u64;
                index < parts
                    && targets[index as usize] == engine
                    && block_range(n, parts, index) == *elements
            }
            Plan::Balanced { chunking: Chunking::Fixed(k), .. } => {
                let parts = chunk_count(n, *k);
                index < parts && block_range(n, parts, index) == *elements
            }
            Plan::Balanced { chunking: Chunking::Auto, .. } => elements.end <= n && !elements.is_empty(),
        };
        ensure(good, || format!("chunk {index} has {elements:?} on {engine} by {:?}", self.spec.plan))
    }
}

impl JobSpec {
    /// The elements that are to be done.
    pub(super) fn todo(&self) -> Vec<u64> {
        let Plan::Balanced { chunking, remaining } = &self.plan else { return (0..self.elements).collect() };
        let in_remaining = |e: u64| remaining.is_empty() || remaining.iter().any(|r| r.contains(&e));
        match chunking {
            Chunking::Auto => (0..self.elements).filter(|e| in_remaining(*e)).collect(),
            Chunking::Fixed(k) => {
                let parts = chunk_count(self.elements, *k);
                let blocks = (0..parts).map(|i| block_range(self.elements, parts, i));
                blocks.filter(|block| in_remaining(block.start)).flatten().collect()
            }
        }
    }
}

/// Whether an input can cost a chunk its attempt.
pub(super) fn is_loss(cause: &Input) -> bool {
    matches!(
        cause,
        Input::NodeLost { .. }
            | Input::WorkerLost { .. }
            | Input::Tick
            | Input::NodeDraining { .. }
            | Input::Returned { .. }
            | Input::EngineRestarted { .. }
            | Input::EngineLeaving { .. }
    )
}
