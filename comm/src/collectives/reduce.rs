//! `reduce`, `all_reduce`, and the same with functions of values.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use phalanx_codec::Value;

use super::SHORT_BYTES_MAX;
use crate::courier::{Fold, Incoming, Sink};
use crate::op::Side;
use crate::stamp::{Operation, Stamp, kind_of, root_on_stamp};
use crate::{CommError, Communicator, Op, Reduce};

/// A rank's place in the tree of reductions: see the module above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It hands its values to the rank before it, and has no part in the rest.
    Out,
    /// It is one of the power of two that are left.
    In(usize),
}

/// The tree of one size.
#[derive(Debug, Clone, Copy)]
struct Tree {
    /// The ranks that are left: a power of two.
    left: usize,
    /// The pairs at the beginning.
    pairs: usize,
}

impl Tree {
    fn new(size: usize) -> Self {
        let left = 1 << size.ilog2();
        Self { left, pairs: size - left }
    }

    fn place(self, rank: usize) -> Place {
        match rank {
            _ if rank >= 2 * self.pairs => Place::In(rank - self.pairs),
            _ if rank.is_multiple_of(2) => Place::In(rank / 2),
            _ => Place::Out,
        }
    }

    /// The rank at a place.
    fn rank(self, index: usize) -> usize {
        if index < self.pairs { 2 * index } else { index + self.pairs }
    }

    /// Whether the one at this place takes the values of the rank after it.
    fn has_pair(self, index: usize) -> bool {
        index < self.pairs
    }

    /// The steps: 1, 2, 4, …
    fn steps(self) -> impl DoubleEndedIterator<Item = usize> {
        (0..self.left.ilog2()).map(|k| 1 << k)
    }
}

impl Communicator {
    /// All ranks' numbers, combined element by element, at the root; `None` elsewhere. Lengths must agree. The order is that of
    /// [`all_reduce`](Self::all_reduce).
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let most = run_spmd("threads", 3, |comm| comm.reduce(0, &[comm.rank() as f64, 1.0], Op::Max));
    /// assert_eq!(most, Ok(Some(vec![2.0, 1.0])));
    /// ```
    pub fn reduce<N: Reduce>(
        &self,
        root: usize,
        numbers: &[N],
        op: Op<'_, N>,
    ) -> Result<Option<Vec<N>>, CommError> {
        let mut stamp = self.stamp(Operation::Reduce);
        (stamp.root, stamp.detail) = (root_on_stamp(root), op.code());
        (stamp.kind, stamp.count) = (kind_of::<N>(), numbers.len() as u64);
        let stamp = self.begin(stamp)?;
        let (tree, mut all) = (Tree::new(self.size()), numbers.to_vec());
        if size_of_val(numbers) > SHORT_BYTES_MAX {
            self.reduce_long(stamp, tree, root, &mut all, &op)?;
        } else {
            self.reduce_short(stamp, tree, &mut all, &op)?;
            if root != 0 {
                // The tree ends at rank 0.
                let bytes = bytemuck::cast_slice_mut::<N, u8>(&mut all);
                match self.rank() {
                    0 => self.send_bytes(root, stamp, bytes)?,
                    rank if rank == root => {
                        self.exchange(&mut [], &mut [self.slice_from(0, stamp, bytes)])?;
                    }
                    _ => {}
                }
            }
        }
        Ok((self.rank() == root).then_some(all))
    }

    /// All ranks' numbers, combined element by element, on every rank. Lengths must agree.
    ///
    /// The results are the same bits on every rank, and on every transport at the same size, because the order is fixed: first pairs at
    /// the beginning until a power of two is left, then neighbours, again and again. For five ranks:
    /// (((0 1) 2) (3 4)).
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let order = |a: u64, b: u64| a.max(b) * 10;
    /// let all = run_spmd_all("threads", 5, |comm| comm.all_reduce(&[0.1 * comm.rank() as f64], Op::Sum));
    /// assert_eq!(all, Ok(vec![vec![((0.0 + 0.1) + 0.2) + (0.1 * 3.0 + 0.4)]; 5]));
    /// ```
    pub fn all_reduce<N: Reduce>(&self, numbers: &[N], op: Op<'_, N>) -> Result<Vec<N>, CommError> {
        let mut all = numbers.to_vec();
        self.all_reduce_into(&mut all, op)?;
        Ok(all)
    }

    /// As [`all_reduce`](Self::all_reduce), in place.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let product = run_spmd("threads", 4, |comm| {
    ///     let mut x = [comm.rank() as u64 + 1];
    ///     comm.all_reduce_into(&mut x, Op::Prod).map(|()| x[0])
    /// });
    /// assert_eq!(product, Ok(24));
    /// ```
    pub fn all_reduce_into<N: Reduce>(&self, numbers: &mut [N], op: Op<'_, N>) -> Result<(), CommError> {
        let mut stamp = self.stamp(Operation::AllReduce);
        (stamp.detail, stamp.kind, stamp.count) = (op.code(), kind_of::<N>(), numbers.len() as u64);
        let stamp = self.begin(stamp)?;
        let tree = Tree::new(self.size());
        let long = size_of_val(numbers) > SHORT_BYTES_MAX;
        match tree.place(self.rank()) {
            Place::Out => self.send_bytes(self.rank() - 1, stamp, bytemuck::cast_slice(numbers))?,
            Place::In(index) => {
                if tree.has_pair(index) {
                    self.fold_from(self.rank() + 1, stamp, numbers, &op, Side::Higher, None)?;
                }
                if long {
                    let ranges = self.halves(stamp, tree, index, numbers, &op)?;
                    self.unite(stamp, tree, index, numbers, ranges)?;
                } else {
                    self.doubling(stamp, tree, index, numbers, &op)?;
                }
                if tree.has_pair(index) {
                    self.send_bytes(self.rank() + 1, stamp, bytemuck::cast_slice(numbers))?;
                }
                return Ok(());
            }
        }
        let place = bytemuck::cast_slice_mut(numbers);
        self.exchange(&mut [], &mut [self.slice_from(self.rank() - 1, stamp, place)])
    }

    /// All ranks' values, combined by an associative function, at the root; `None` elsewhere. The left argument always comes from lower ranks.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let word = run_spmd("threads", 5, |comm| {
    ///     let letter = ["p", "h", "a", "s", "e"][comm.rank()].to_owned();
    ///     comm.reduce_with(0, letter, |a, b| a + &b)
    /// });
    /// assert_eq!(word, Ok(Some("phase".to_owned())));
    /// ```
    pub fn reduce_with<T: Value>(
        &self,
        root: usize,
        value: T,
        combine: impl Fn(T, T) -> T,
    ) -> Result<Option<T>, CommError> {
        let mut stamp = self.stamp(Operation::ReduceWith);
        (stamp.root, stamp.kind) = (root_on_stamp(root), kind_of::<T>());
        let stamp = self.begin(stamp)?;
        let value = self.reduce_values(stamp, value, combine)?;
        match (self.rank(), root) {
            (rank, 0) => Ok(value.filter(|_| rank == 0)),
            (0, root) => {
                if let Some(value) = value {
                    self.send_bytes(root, stamp, &self.encode(&stamp, &value)?)?;
                }
                Ok(None)
            }
            (rank, root) if rank == root => self.decode(&stamp, &self.recv_bytes(0, stamp)?).map(Some),
            _ => Ok(None),
        }
    }

    /// As [`reduce_with`](Self::reduce_with), on every rank.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let longest = run_spmd_all("threads", 3, |comm| {
    ///     comm.all_reduce_with(vec![(); comm.rank()], |a, b| if a.len() < b.len() { b } else { a })
    /// });
    /// assert_eq!(longest, Ok(vec![vec![(); 2]; 3]));
    /// ```
    pub fn all_reduce_with<T: Value>(&self, value: T, combine: impl Fn(T, T) -> T) -> Result<T, CommError> {
        let mut stamp = self.stamp(Operation::AllReduceWith);
        stamp.kind = kind_of::<T>();
        let stamp = self.begin(stamp)?;
        match self.reduce_values(stamp, value, combine)? {
            Some(value) => {
                if self.size() > 1 {
                    let bytes = self.encode(&stamp, &value)?;
                    self.broadcast_bytes(stamp, 0, bytes)?;
                }
                Ok(value)
            }
            None => self.decode(&stamp, &self.broadcast_bytes(stamp, 0, Vec::new())?),
        }
    }

    /// Along the tree, to rank 0.
    fn reduce_values<T: Value>(
        &self,
        stamp: Stamp,
        mut value: T,
        combine: impl Fn(T, T) -> T,
    ) -> Result<Option<T>, CommError> {
        let tree = Tree::new(self.size());
        let take = |value: T, from: usize| -> Result<T, CommError> {
            Ok(combine(value, self.decode(&stamp, &self.recv_bytes(from, stamp)?)?))
        };
        let give = |value: T, to: usize| -> Result<Option<T>, CommError> {
            self.send_bytes(to, stamp, &self.encode(&stamp, &value)?).map(|()| None)
        };
        let Place::In(index) = tree.place(self.rank()) else { return give(value, self.rank() - 1) };
        if tree.has_pair(index) {
            value = take(value, self.rank() + 1)?;
        }
        for step in tree.steps() {
            if index & step != 0 {
                return give(value, tree.rank(index - step));
            }
            value = take(value, tree.rank(index + step))?;
        }
        Ok(Some(value))
    }

    fn reduce_short<N: Reduce>(
        &self,
        stamp: Stamp,
        tree: Tree,
        all: &mut [N],
        op: &Op<'_, N>,
    ) -> Result<(), CommError> {
        let Place::In(index) = tree.place(self.rank()) else {
            return self.send_bytes(self.rank() - 1, stamp, bytemuck::cast_slice(all));
        };
        if tree.has_pair(index) {
            self.fold_from(self.rank() + 1, stamp, all, op, Side::Higher, None)?;
        }
        for step in tree.steps() {
            if index & step != 0 {
                return self.send_bytes(tree.rank(index - step), stamp, bytemuck::cast_slice(all));
            }
            self.fold_from(tree.rank(index + step), stamp, all, op, Side::Higher, None)?;
        }
        Ok(())
    }

    /// Every rank combines a part; the root collects them.
    fn reduce_long<N: Reduce>(
        &self,
        stamp: Stamp,
        tree: Tree,
        root: usize,
        all: &mut [N],
        op: &Op<'_, N>,
    ) -> Result<(), CommError> {
        if let Place::In(index) = tree.place(self.rank()) {
            if tree.has_pair(index) {
                self.fold_from(self.rank() + 1, stamp, all, op, Side::Higher, None)?;
            }
            let own = self.halves(stamp, tree, index, all, op)?.pop().unwrap_or(0..all.len());
            if self.rank() != root {
                return self.send_bytes(root, stamp, bytemuck::cast_slice(&all[own]));
            }
        } else {
            self.send_bytes(self.rank() - 1, stamp, bytemuck::cast_slice(all))?;
        }
        if self.rank() != root {
            return Ok(());
        }
        let mut parts: Vec<_> = (0..tree.left).map(|i| (part(tree, i, all.len()), tree.rank(i))).collect();
        parts.sort_by_key(|(range, _)| (range.start, range.end));
        let (mut rest, mut receives) = (all, Vec::new());
        for (range, rank) in parts {
            let (place, others) = rest.split_at_mut(range.len());
            rest = others;
            if rank != root {
                receives.push(self.slice_from(rank, stamp, bytemuck::cast_slice_mut(place)));
            }
        }
        self.exchange(&mut [], &mut receives)
    }

    /// All exchange all, with partners at twice the distance each time.
    fn doubling<N: Reduce>(
        &self,
        stamp: Stamp,
        tree: Tree,
        index: usize,
        all: &mut [N],
        op: &Op<'_, N>,
    ) -> Result<(), CommError> {
        let mut theirs = all.to_vec();
        for step in tree.steps() {
            let partner = tree.rank(index ^ step);
            self.exchange(
                &mut [self.to(partner, stamp, bytemuck::cast_slice(all))],
                &mut [self.slice_from(partner, stamp, bytemuck::cast_slice_mut(&mut theirs))],
            )?;
            op.fold(all, &theirs, if index & step == 0 { Side::Higher } else { Side::Lower });
        }
        Ok(())
    }

    /// Partners at twice the distance each time share what they have: each combines one half of it. Returns the ranges, the last
    /// of which is complete then.
    fn halves<N: Reduce>(
        &self,
        stamp: Stamp,
        tree: Tree,
        index: usize,
        all: &mut [N],
        op: &Op<'_, N>,
    ) -> Result<Vec<Range<usize>>, CommError> {
        let mut ranges = vec![0..all.len()];
        for step in tree.steps() {
            let whole = ranges[ranges.len() - 1].clone();
            let keeps_first = index & step == 0;
            let (low, high) = all[whole.clone()].split_at_mut(whole.len() / 2);
            let middle = whole.start + low.len();
            let partner = tree.rank(index ^ step);
            if keeps_first {
                self.fold_from(partner, stamp, low, op, Side::Higher, Some((partner, high)))?;
                ranges.push(whole.start..middle);
            } else {
                self.fold_from(partner, stamp, high, op, Side::Lower, Some((partner, low)))?;
                ranges.push(middle..whole.end);
            }
        }
        Ok(ranges)
    }

    /// The way back: partners exchange what each has completed.
    fn unite<N: Reduce>(
        &self,
        stamp: Stamp,
        tree: Tree,
        index: usize,
        all: &mut [N],
        mut ranges: Vec<Range<usize>>,
    ) -> Result<(), CommError> {
        for step in tree.steps().rev() {
            ranges.pop();
            let whole = ranges[ranges.len() - 1].clone();
            let (low, high) = all[whole.clone()].split_at_mut(whole.len() / 2);
            let (mine, theirs) = if index & step == 0 { (low, high) } else { (high, low) };
            let partner = tree.rank(index ^ step);
            self.exchange(
                &mut [self.to(partner, stamp, bytemuck::cast_slice(mine))],
                &mut [self.slice_from(partner, stamp, bytemuck::cast_slice_mut(theirs))],
            )?;
        }
        Ok(())
    }

    /// Receives a rank's numbers and combines them with ours while they arrive; sends others meanwhile.
    fn fold_from<N: Reduce>(
        &self,
        from: usize,
        stamp: Stamp,
        numbers: &mut [N],
        op: &Op<'_, N>,
        side: Side,
        sent: Option<(usize, &[N])>,
    ) -> Result<(), CommError> {
        let mut panicked: Option<Box<dyn Any + Send>> = None;
        let total = size_of_val(numbers);
        let mut fold = |at: usize, bytes: &[u8]| {
            // A function of the user's must not tear the exchange apart: the frames under way are still to be completed.
            if panicked.is_none() {
                let others: &[N] = bytemuck::cast_slice(bytes);
                let mine = &mut numbers[at / size_of::<N>()..][..others.len()];
                panicked = catch_unwind(AssertUnwindSafe(|| op.fold(mine, others, side))).err();
            }
        };
        let receive = Incoming::new(self.member(from), stamp, Sink::Fold(Fold::new(total, &mut fold)));
        match sent {
            Some((to, sent)) => {
                self.exchange(&mut [self.to(to, stamp, bytemuck::cast_slice(sent))], &mut [receive])?;
            }
            None => self.exchange(&mut [], &mut [receive])?,
        }
        panicked.map_or(Ok(()), |panic| resume_unwind(panic))
    }
}

/// The part that the one at a place completes: each step halves it.
fn part(tree: Tree, index: usize, len: usize) -> Range<usize> {
    tree.steps().fold(0..len, |whole, step| {
        let middle = whole.start + whole.len() / 2;
        if index & step == 0 { whole.start..middle } else { middle..whole.end }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_has_its_place() {
        for size in 1..40 {
            let tree = Tree::new(size);
            let places: Vec<_> = (0..size).map(|rank| tree.place(rank)).collect();
            for index in 0..tree.left {
                assert_eq!(places[tree.rank(index)], Place::In(index));
            }
            assert_eq!(places.iter().filter(|p| **p == Place::Out).count(), size - tree.left);
        }
    }

    #[test]
    fn parts_cover_the_whole() {
        for (size, len) in [(1, 5), (2, 5), (4, 3), (8, 100), (13, 1001)] {
            let tree = Tree::new(size);
            let mut parts: Vec<_> = (0..tree.left).map(|i| part(tree, i, len)).collect();
            parts.sort_by_key(|r| (r.start, r.end));
            let covered = parts.iter().fold(0, |at, r| if r.start == at { r.end } else { usize::MAX });
            assert_eq!(covered, len, "{parts:?}");
        }
    }
}
