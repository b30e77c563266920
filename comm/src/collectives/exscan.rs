//! `exscan`.

use crate::op::Side;
use crate::stamp::{Operation, kind_of};
use crate::{CommError, Communicator, Op, Reduce};

impl Communicator {
    /// The numbers of all lower ranks, combined element by element; `None` on rank 0. Lengths must agree. With the sum: where one's own part begins.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let offsets = run_spmd_all("threads", 4, |comm| {
    ///     let rows = [3, 1, 4, 1][comm.rank()];
    ///     Ok::<_, CommError>(comm.exscan(&[rows], Op::Sum)?.map_or(0, |before| before[0]))
    /// });
    /// assert_eq!(offsets, Ok(vec![0, 3, 4, 8]));
    /// ```
    pub fn exscan<N: Reduce>(&self, numbers: &[N], op: Op<'_, N>) -> Result<Option<Vec<N>>, CommError> {
        let mut stamp = self.stamp(Operation::Exscan);
        (stamp.detail, stamp.kind, stamp.count) = (op.code(), kind_of::<N>(), numbers.len() as u64);
        let stamp = self.begin(stamp)?;
        let (rank, size) = (self.rank(), self.size());
        // What lies between the ranks that one has heard of; and what lies below.
        let (mut here, mut below, mut theirs) = (numbers.to_vec(), None::<Vec<N>>, numbers.to_vec());
        let mut step = 1;
        while step < size {
            let partner = rank ^ step;
            if partner < size {
                self.exchange(
                    &mut [self.to(partner, stamp, bytemuck::cast_slice(&here))],
                    &mut [self.slice_from(partner, stamp, bytemuck::cast_slice_mut(&mut theirs))],
                )?;
                if partner < rank {
                    match &mut below {
                        Some(below) => op.fold(below, &theirs, Side::Lower),
                        None => below = Some(theirs.clone()),
                    }
                    op.fold(&mut here, &theirs, Side::Lower);
                } else {
                    op.fold(&mut here, &theirs, Side::Higher);
                }
            }
            step *= 2;
        }
        Ok(below)
    }
}
