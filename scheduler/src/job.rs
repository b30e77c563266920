//! A job, as the core keeps it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use phalanx_proto::ids::{ClientId, EngineId, JobKey, Run};

use crate::bits::Bits;
use crate::cutter::{Cutter, Piece};
use crate::dependency::Wait;
use crate::ledger::{Chunk, ChunkState, Ledger};
use crate::pace::Pace;
use crate::place::Place;
use crate::time::Timestamp;

/// Ordinals of neighbouring chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) ordinal: u64,
    pub(crate) count: u32,
}

/// A worker or engine that was lost while it may have run a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crash {
    pub(crate) engine: EngineId,
    /// The offset of the element that it was at, if that is known.
    pub(crate) offset: Option<u32>,
    /// What was said of it.
    pub(crate) message: Arc<str>,
}

/// A job that has not ended.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) key: JobKey,
    pub(crate) client: u32,
    pub(crate) client_id: ClientId,
    pub(crate) program: u32,
    pub(crate) retries: u32,
    pub(crate) priority: i32,
    /// What must be over before it begins. Empty when it may.
    pub(crate) waits: Vec<Wait>,
    /// Jobs that wait for this one.
    pub(crate) dependents: BTreeSet<JobKey>,
    /// Where its chunks may go.
    pub(crate) place: Place,
    /// It is bound to the engines of jobs that it follows.
    pub(crate) follows: bool,
    /// Slots of the engines that are there and on which its condition was not met.
    pub(crate) refused_by: Bits,
    /// Jobs for which the same engines will do; none when its chunks may go everywhere.
    pub(crate) class: Option<u32>,
    /// The ids of engines that have completed chunks.
    pub(crate) ran_on: Bits,
    /// Until then the engines that it is bound to may come back.
    pub(crate) return_by: Option<Timestamp>,
    /// It outlives its client.
    pub(crate) kept: bool,
    /// It ends if nothing of it is known to have been begun by then.
    pub(crate) begin_by: Option<Timestamp>,
    /// It was to have been begun before, and it is not yet known whether anything of it has been: no more of it is given out.
    pub(crate) overdue: bool,
    pub(crate) elements: u64,
    pub(crate) supplied: u64,
    pub(crate) cutter: Cutter,
    pub(crate) ledger: Ledger,
    /// Chunks that are to be assigned again, before any that were not cut yet.
    pub(crate) again: VecDeque<Span>,
    again_chunks: u64,
    /// Chunks of which only some elements are tried again: which, as offsets.
    pub(crate) only: BTreeMap<u64, Box<[u32]>>,
    /// What was lost while it may have run a chunk.
    pub(crate) crashes: BTreeMap<u64, Vec<Crash>>,
    /// How often an element ran for too long, by its chunk and its offset there, if that is known.
    pub(crate) overruns: BTreeMap<(u64, Option<u32>), u32>,
    /// Slots of the engines of a direct job, by ordinal; empty when it is balanced.
    pub(crate) targets: Box<[u32]>,
    /// Chunks of a direct job below this ordinal are supplied.
    pub(crate) direct_ready: u64,
    pub(crate) elements_done: u64,
    pub(crate) elements_failed: u64,
    pub(crate) pace: Pace,
}

impl Job {
    pub(crate) fn new(key: JobKey, client: u32, client_id: ClientId, program: u32, cutter: Cutter) -> Self {
        Self {
            key,
            client,
            client_id,
            program,
            retries: 0,
            priority: 0,
            waits: Vec::new(),
            dependents: BTreeSet::new(),
            place: Place::default(),
            follows: false,
            refused_by: Bits::default(),
            class: None,
            ran_on: Bits::default(),
            return_by: None,
            kept: false,
            begin_by: None,
            overdue: false,
            elements: 0,
            supplied: 0,
            cutter,
            ledger: Ledger::default(),
            again: VecDeque::new(),
            again_chunks: 0,
            only: BTreeMap::new(),
            crashes: BTreeMap::new(),
            overruns: BTreeMap::new(),
            targets: Box::default(),
            direct_ready: 0,
            elements_done: 0,
            elements_failed: 0,
            pace: Pace::default(),
        }
    }

    pub(crate) fn is_direct(&self) -> bool {
        !self.targets.is_empty()
    }

    /// Whether a balanced job has a chunk that could be assigned.
    pub(crate) fn has_work(&self) -> bool {
        !self.is_direct()
            && self.waits.is_empty()
            && !self.overdue
            && (!self.again.is_empty() || self.cutter.can_cut(self.ledger.end(), self.supplied))
    }

    /// The engines that hold chunks of it.
    pub(crate) fn holders(&self) -> BTreeSet<EngineId> {
        let assigned = |chunk: &&Chunk| chunk.state == ChunkState::Assigned;
        match self.ledger.assigned() {
            0 => BTreeSet::new(),
            _ => self.ledger.iter().map(|(_, chunk)| chunk).filter(assigned).map(|c| c.owner).collect(),
        }
    }

    /// Whether all its chunks have ended. One without any ends when it may begin.
    pub(crate) fn is_finished(&self) -> bool {
        self.waits.is_empty() && self.is_exhausted()
    }

    /// Whether nothing of it is left to be run.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.ledger.open() == 0 && self.cutter.is_exhausted(self.ledger.end())
    }

    /// Chunks that are not assigned, where an automatic chunk would have `len` elements.
    pub(crate) fn unassigned(&self, len: u64) -> u64 {
        self.again_chunks + self.cutter.uncut(self.ledger.end(), len)
    }

    /// Elements of the next chunk that will be cut, or of the first that is to be assigned again.
    pub(crate) fn next_len(&self, auto_len: u64) -> u64 {
        if let Some(span) = self.again.front() {
            return u64::from(self.cutter.piece(span.ordinal, 1).len);
        }
        match &self.cutter {
            Cutter::Blocks(blocks) => u64::from(blocks.piece(self.ledger.end(), 1).len),
            Cutter::Auto(_) => auto_len,
        }
    }

    /// The first chunk that no engine holds, cut or not.
    pub(crate) fn next_waiting(&self) -> Option<u64> {
        let mut chunks = self.ledger.iter();
        let waiting =
            chunks.find(|(_, chunk)| chunk.state == ChunkState::Waiting).map(|(ordinal, _)| ordinal);
        waiting.or_else(|| (!self.cutter.is_exhausted(self.ledger.end())).then(|| self.ledger.end()))
    }

    /// Takes chunks to be assigned, at most `count`: those that go out again first.
    pub(crate) fn take(&mut self, count: u32, auto_len: u64) -> Option<Piece> {
        if let Some(span) = self.again.front().copied() {
            return Some(self.take_again(span, count));
        }
        let piece = self.cutter.cut(self.ledger.end(), count, auto_len, self.supplied)?;
        self.ledger.extend(piece.count);
        Some(piece)
    }

    fn take_again(&mut self, span: Span, count: u32) -> Piece {
        let mut piece = self.cutter.piece(span.ordinal, count.min(span.count));
        piece.count = self.ledger.waiting_alike(span.ordinal, piece.count);
        if !self.only.is_empty() {
            let end = span.ordinal + u64::from(piece.count);
            if let Some((special, _)) = self.only.range(span.ordinal..end).next() {
                piece.count = (special - span.ordinal).max(1) as u32;
            }
        }
        self.again_chunks -= u64::from(piece.count);
        let left = span.count - piece.count;
        if left == 0 {
            self.again.pop_front();
        } else {
            self.again[0] = Span { ordinal: span.ordinal + u64::from(piece.count), count: left };
        }
        piece
    }

    /// Chunks that were on an engine wait to be assigned again. What was not begun there was no attempt.
    pub(crate) fn requeue(&mut self, ordinal: u64, count: u32, begun: bool) {
        self.ledger.release(ordinal, count, begun);
        if self.is_direct() {
            return;
        }
        self.again_chunks += u64::from(count);
        match self.again.back_mut() {
            Some(last) if last.ordinal + u64::from(last.count) == ordinal => last.count += count,
            _ => self.again.push_back(Span { ordinal, count }),
        }
    }

    /// Chunks that wait to be assigned again.
    pub(crate) fn again_chunks(&self) -> u64 {
        self.again_chunks
    }

    /// The elements of a chunk that are still to be done.
    pub(crate) fn elements_open(&self, ordinal: u64) -> u64 {
        let all = || u64::from(self.cutter.piece(ordinal, 1).len);
        if self.only.is_empty() {
            all()
        } else {
            self.only.get(&ordinal).map_or_else(all, |only| only.len() as u64)
        }
    }

    /// Offsets in a chunk of the elements that are still to be done.
    pub(crate) fn offsets_open(&self, ordinal: u64) -> Box<[u32]> {
        match self.only.get(&ordinal) {
            Some(only) => only.clone(),
            None => (0..self.cutter.piece(ordinal, 1).len).collect(),
        }
    }

    /// The offset in a chunk of the element at this place among those that are still to be done.
    pub(crate) fn offset_at(&self, ordinal: u64, place: u32) -> Option<u32> {
        match self.only.get(&ordinal) {
            Some(only) => only.get(place as usize).copied(),
            None => Some(place).filter(|place| *place < self.cutter.piece(ordinal, 1).len),
        }
    }

    /// The element behind the last of a direct job's chunk.
    pub(crate) fn direct_end(&self, ordinal: u64) -> u64 {
        let piece = self.cutter.piece(ordinal, 1);
        piece.element_first + u64::from(piece.len)
    }

    /// Chunks end; what was remembered of them is forgotten.
    pub(crate) fn finish(&mut self, ordinal: u64, count: u32, state: ChunkState) {
        for special in 0..u64::from(count) {
            if self.only.is_empty() && self.crashes.is_empty() && self.overruns.is_empty() {
                break;
            }
            let ended = ordinal + special;
            self.only.remove(&ended);
            self.crashes.remove(&ended);
            let overran: Vec<_> =
                self.overruns.range((ended, None)..(ended + 1, None)).map(|(at, _)| *at).collect();
            for at in overran {
                self.overruns.remove(&at);
            }
        }
        let base = self.ledger.base();
        self.ledger.finish(ordinal, count, state);
        if self.ledger.base() != base {
            self.cutter.retire(self.ledger.base());
        }
    }

    /// How the outside names these chunks.
    pub(crate) fn run(&self, piece: Piece, attempt: u32) -> Run {
        Run {
            job: self.key,
            first: piece.index,
            count: piece.count,
            attempt,
            element_first: piece.element_first,
            chunk_len: piece.len,
        }
    }
}
