//! `gather`, `gatherv`, `gatherv_into`, `gather_joined`.

use bytes::Bytes;
use ndarray::{Array, Dimension};
use phalanx_codec::{Number, Value};

use crate::stamp::{Operation, Stamp, kind_of, root_on_stamp};
use crate::{CommError, Communicator};

/// What can be joined along its first axis: vectors, and arrays of numbers.
pub trait Join: Value {
    /// One out of the encoded parts, in order.
    #[doc(hidden)]
    fn join(parts: Vec<Vec<u8>>) -> Result<Self, String>;
}

impl<T: Value> Join for Vec<T> {
    fn join(parts: Vec<Vec<u8>>) -> Result<Self, String> {
        if phalanx_codec::is_raw::<Self>() {
            return join_raw(parts);
        }
        let mut all = Self::new();
        for part in parts {
            all.append(&mut phalanx_codec::decode(&part).map_err(|e| e.to_string())?);
        }
        Ok(all)
    }
}

impl<N: Number, D: Dimension + 'static> Join for Array<N, D>
where
    Self: Value,
{
    fn join(parts: Vec<Vec<u8>>) -> Result<Self, String> {
        join_raw(parts)
    }
}

fn join_raw<T: 'static>(parts: Vec<Vec<u8>>) -> Result<T, String> {
    let parts: Vec<[Bytes; 1]> = parts.into_iter().map(|part| [part.into()]).collect();
    let views: Vec<&[Bytes]> = parts.iter().map(<[Bytes; 1]>::as_slice).collect();
    phalanx_codec::join(&views).ok_or("values of this type cannot be joined")?
}

impl Communicator {
    /// Every rank's value at the root, by rank; `None` elsewhere.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let names = run_spmd("threads", 3, |comm| comm.gather(0, format!("rank {}", comm.rank())));
    /// assert_eq!(names, Ok(Some(vec!["rank 0".into(), "rank 1".into(), "rank 2".into()])));
    /// ```
    pub fn gather<T: Value>(&self, root: usize, value: T) -> Result<Option<Vec<T>>, CommError> {
        let mut stamp = self.stamp(Operation::Gather);
        (stamp.root, stamp.kind) = (root_on_stamp(root), kind_of::<T>());
        let stamp = self.begin(stamp)?;
        if self.rank() != root {
            self.send_bytes(root, stamp, &self.encode(&stamp, &value)?)?;
            return Ok(None);
        }
        let mut own = Some(value);
        let parts = self.collect(root, stamp)?;
        let values = parts.iter().enumerate().map(|(rank, bytes)| match own.take_if(|_| rank == root) {
            Some(own) => Ok(own),
            None => self.decode(&stamp, bytes),
        });
        values.collect::<Result<_, _>>().map(Some)
    }

    /// Every rank's array or vector at the root, joined along the first axis in the order of ranks; `None` elsewhere. Lengths may differ, the
    /// other axes must agree.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// use ndarray::Array2;
    /// let shape = run_spmd("threads", 3, |comm| {
    ///     let rows = Array2::<f64>::zeros((comm.rank(), 4));
    ///     Ok::<_, CommError>(comm.gather_joined(0, rows)?.map(|all| all.dim()))
    /// });
    /// assert_eq!(shape, Ok(Some((3, 4))));
    /// ```
    pub fn gather_joined<T: Join>(&self, root: usize, value: T) -> Result<Option<T>, CommError> {
        let mut stamp = self.stamp(Operation::GatherJoined);
        (stamp.root, stamp.kind) = (root_on_stamp(root), kind_of::<T>());
        let stamp = self.begin(stamp)?;
        if self.size() == 1 {
            return Ok(Some(value));
        }
        let own = self.encode(&stamp, &value)?;
        if self.rank() != root {
            self.send_bytes(root, stamp, &own)?;
            return Ok(None);
        }
        let mut parts = self.collect(root, stamp)?;
        parts[root] = own.into_owned();
        T::join(parts).map(Some).map_err(|e| self.bad_value(&stamp, &e))
    }

    /// Every rank's numbers at the root, end to end, and how many each rank gave; `None` elsewhere.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let all = run_spmd("threads", 3, |comm| comm.gatherv(0, &vec![comm.rank() as u8; comm.rank()]));
    /// assert_eq!(all, Ok(Some((vec![1, 2, 2], vec![0, 1, 2]))));
    /// ```
    #[expect(clippy::type_complexity, reason = "numbers and counts, as MPI has them")]
    pub fn gatherv<N: Number>(
        &self,
        root: usize,
        numbers: &[N],
    ) -> Result<Option<(Vec<N>, Vec<usize>)>, CommError> {
        let mut stamp = self.stamp(Operation::Gatherv);
        (stamp.root, stamp.kind) = (root_on_stamp(root), kind_of::<N>());
        let stamp = self.begin(stamp)?;
        let count = (numbers.len() as u64).to_le_bytes();
        if self.rank() != root {
            let bytes = bytemuck::cast_slice(numbers);
            self.exchange(&mut [self.to(root, stamp, &count), self.to(root, stamp, bytes)], &mut [])?;
            return Ok(None);
        }
        let mut counts = vec![[0; 8]; self.size()];
        counts[root] = count;
        let others = counts.iter_mut().enumerate().filter(|(rank, _)| *rank != root);
        let mut receives: Vec<_> = others.map(|(rank, count)| self.slice_from(rank, stamp, count)).collect();
        self.exchange(&mut [], &mut receives)?;
        let counts: Vec<usize> = counts.into_iter().map(|n| u64::from_le_bytes(n) as usize).collect();
        let total = counts.iter().try_fold(0_usize, |sum, n| sum.checked_add(*n));
        let all = total.and_then(|n| bytemuck::allocation::try_zeroed_vec::<N>(n).ok());
        let Some(mut all) = all else {
            return Err(self.bad_value(&stamp, &"there is no memory for all these numbers"));
        };
        self.collect_into(root, stamp, numbers, &mut all, &counts)?;
        Ok(Some((all, counts)))
    }

    /// Every rank's numbers at the root, straight to their place: the root gives room for all, and how many come from each rank.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let all = run_spmd("threads", 2, |comm| {
    ///     let (mine, mut all) = ([[1, 2, 3], [4, 5, 6]][comm.rank()], vec![0; 5]);
    ///     comm.gatherv_into(0, &mine[comm.rank()..], comm.is_root().then_some((&mut all[..], &[3, 2][..]))).map(|()| all)
    /// });
    /// assert_eq!(all, Ok(vec![1, 2, 3, 5, 6]));
    /// ```
    pub fn gatherv_into<N: Number>(
        &self,
        root: usize,
        numbers: &[N],
        all_and_counts: Option<(&mut [N], &[usize])>,
    ) -> Result<(), CommError> {
        let mut stamp = self.stamp(Operation::GathervInto);
        (stamp.root, stamp.kind) = (root_on_stamp(root), kind_of::<N>());
        let stamp = self.begin(stamp)?;
        if self.rank() != root {
            return self.send_bytes(root, stamp, bytemuck::cast_slice(numbers));
        }
        let Some((all, counts)) = all_and_counts else {
            return Err(self.invalid(stamp.call(), "the root gave no room".to_owned()));
        };
        self.check_counts(&stamp, counts, all.len())?;
        if counts[root] != numbers.len() {
            let message = format!("the root gives {} numbers but counts {}", numbers.len(), counts[root]);
            return Err(self.invalid(stamp.call(), message));
        }
        self.collect_into(root, stamp, numbers, all, counts)
    }

    /// The bytes of all ranks but the root, by rank.
    fn collect(&self, root: usize, stamp: Stamp) -> Result<Vec<Vec<u8>>, CommError> {
        let mut parts = vec![Vec::new(); self.size()];
        let others = parts.iter_mut().enumerate().filter(|(rank, _)| *rank != root);
        let mut receives: Vec<_> = others.map(|(rank, part)| self.bytes_from(rank, stamp, part)).collect();
        self.exchange(&mut [], &mut receives)?;
        drop(receives);
        Ok(parts)
    }

    fn collect_into<N: Number>(
        &self,
        root: usize,
        stamp: Stamp,
        own: &[N],
        all: &mut [N],
        counts: &[usize],
    ) -> Result<(), CommError> {
        let (mut rest, mut receives) = (all, Vec::new());
        for (rank, count) in counts.iter().enumerate() {
            let (part, others) = rest.split_at_mut(*count);
            rest = others;
            if rank == root {
                part.copy_from_slice(own);
            } else {
                receives.push(self.slice_from(rank, stamp, bytemuck::cast_slice_mut(part)));
            }
        }
        self.exchange(&mut [], &mut receives)
    }
}
