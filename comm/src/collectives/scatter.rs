//! `scatter`, `scatterv`, `scatter_into`.

use phalanx_codec::{Number, Value};
use phalanx_proto::block::block_range;

use crate::stamp::{Operation, Stamp, kind_of, root_on_stamp};
use crate::{CommError, Communicator};

impl Communicator {
    /// How many of so many items each rank gets: q + 1 for the first r ranks, q for the others, with q, r = divmod(items, size).
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let counts = run_spmd("threads", 4, |comm| Ok::<_, CommError>(comm.block_counts(10)));
    /// assert_eq!(counts, Ok(vec![3, 3, 2, 2]));
    /// ```
    #[must_use]
    pub fn block_counts(&self, items: usize) -> Vec<usize> {
        let size = self.size() as u64;
        (0..size)
            .map(|rank| block_range(items as u64, size, rank))
            .map(|range| (range.end - range.start) as usize)
            .collect()
    }

    /// Splits the root's items over all ranks, in order, as evenly as possible ([`block_counts`](Self::block_counts)); some parts may be empty. What
    /// others give is ignored.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let parts = run_spmd_all("threads", 3, |comm| comm.scatter(0, comm.is_root().then(|| vec![1, 2, 3, 4])));
    /// assert_eq!(parts, Ok(vec![vec![1, 2], vec![3], vec![4]]));
    /// ```
    pub fn scatter<T: Value>(&self, root: usize, items: Option<Vec<T>>) -> Result<Vec<T>, CommError> {
        let mut stamp = self.stamp(Operation::Scatter);
        (stamp.root, stamp.kind) = (root_on_stamp(root), kind_of::<T>());
        let stamp = self.begin(stamp)?;
        if self.rank() != root {
            return self.decode(&stamp, &self.recv_bytes(root, stamp)?);
        }
        let Some(items) = items else {
            return Err(self.invalid(stamp.call(), "the root gave no items".to_owned()));
        };
        let counts = self.block_counts(items.len());
        self.hand_out(stamp, items, &counts)
    }

    /// Splits the root's items over all ranks, as many for each as the root says.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let parts = run_spmd_all("threads", 3, |comm| comm.scatterv(0, comm.is_root().then(|| (vec!['a', 'b', 'c'], vec![0, 2, 1]))));
    /// assert_eq!(parts, Ok(vec![vec![], vec!['a', 'b'], vec!['c']]));
    /// ```
    pub fn scatterv<T: Value>(
        &self,
        root: usize,
        items_and_counts: Option<(Vec<T>, Vec<usize>)>,
    ) -> Result<Vec<T>, CommError> {
        let mut stamp = self.stamp(Operation::Scatterv);
        (stamp.root, stamp.kind) = (root_on_stamp(root), kind_of::<T>());
        let stamp = self.begin(stamp)?;
        if self.rank() != root {
            return self.decode(&stamp, &self.recv_bytes(root, stamp)?);
        }
        let Some((items, counts)) = items_and_counts else {
            return Err(self.invalid(stamp.call(), "the root gave no items".to_owned()));
        };
        self.check_counts(&stamp, &counts, items.len())?;
        self.hand_out(stamp, items, &counts)
    }

    fn hand_out<T: Value>(&self, stamp: Stamp, items: Vec<T>, counts: &[usize]) -> Result<Vec<T>, CommError> {
        let (mut items, mut own, mut parts) = (items.into_iter(), Vec::new(), Vec::new());
        for (rank, count) in counts.iter().enumerate() {
            let part: Vec<T> = items.by_ref().take(*count).collect();
            if rank == self.rank() {
                own = part;
            } else {
                parts.push((rank, part));
            }
        }
        let parts = parts.iter().map(|(rank, part)| Ok((*rank, self.encode(&stamp, part)?)));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let mut sends: Vec<_> = parts.iter().map(|(rank, bytes)| self.to(*rank, stamp, bytes)).collect();
        self.exchange(&mut sends, &mut [])?;
        Ok(own)
    }

    /// Splits the root's numbers over all ranks, straight from where they lie to where they belong. The root gives the numbers of all; each rank gives
    /// room for its own, and rank i gets the i-th part of that length.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let parts = run_spmd_all("threads", 3, |comm| {
    ///     let all: Vec<u32> = (0..6).collect();
    ///     let mut mine = vec![0; comm.rank() + 1];
    ///     comm.scatter_into(0, comm.is_root().then_some((&all[..], &[1, 2, 3][..])), &mut mine).map(|()| mine)
    /// });
    /// assert_eq!(parts, Ok(vec![vec![0], vec![1, 2], vec![3, 4, 5]]));
    /// ```
    pub fn scatter_into<N: Number>(
        &self,
        root: usize,
        numbers_and_counts: Option<(&[N], &[usize])>,
        mine: &mut [N],
    ) -> Result<(), CommError> {
        let mut stamp = self.stamp(Operation::ScatterInto);
        (stamp.root, stamp.kind) = (root_on_stamp(root), kind_of::<N>());
        let stamp = self.begin(stamp)?;
        if self.rank() != root {
            return self
                .exchange(&mut [], &mut [self.slice_from(root, stamp, bytemuck::cast_slice_mut(mine))]);
        }
        let Some((numbers, counts)) = numbers_and_counts else {
            return Err(self.invalid(stamp.call(), "the root gave no numbers".to_owned()));
        };
        self.check_counts(&stamp, counts, numbers.len())?;
        if counts[root] != mine.len() {
            let message =
                format!("the root gave room for {} of its own {} numbers", mine.len(), counts[root]);
            return Err(self.invalid(stamp.call(), message));
        }
        let (mut rest, mut sends) = (numbers, Vec::new());
        for (rank, count) in counts.iter().enumerate() {
            let (part, others) = rest.split_at(*count);
            rest = others;
            if rank == root {
                mine.copy_from_slice(part);
            } else {
                sends.push(self.to(rank, stamp, bytemuck::cast_slice(part)));
            }
        }
        self.exchange(&mut sends, &mut [])
    }

    /// One count for each rank, which sum to what there is.
    pub(crate) fn check_counts(
        &self,
        stamp: &Stamp,
        counts: &[usize],
        items: usize,
    ) -> Result<(), CommError> {
        let sum = counts.iter().try_fold(0_usize, |sum, n| sum.checked_add(*n));
        if counts.len() != self.size() {
            let message = format!("{} counts for {} ranks; give one for each", counts.len(), self.size());
            return Err(self.invalid(stamp.call(), message));
        }
        if sum != Some(items) {
            let sum = sum.map_or("more than there can be".to_owned(), |n| n.to_string());
            let message = format!("the counts sum to {sum}, but there are {items} items");
            return Err(self.invalid(stamp.call(), message));
        }
        Ok(())
    }
}
