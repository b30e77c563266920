//! `reduce`, `all_reduce`.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::SHORT_BYTES_MAX;
use super::tree::{Place, Tree};
use crate::courier::{Fold, Incoming, Sink};
use crate::op::Side;
use crate::stamp::{Operation, Stamp, kind_of, root_on_stamp};
use crate::{CommError, Communicator, Op, Reduce};

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
        let mut parts: Vec<_> = (0..tree.left).map(|i| (tree.part(i, all.len()), tree.rank(i))).collect();
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
        let mut ranges: Vec<_> = std::iter::once(0..all.len()).collect();
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
