//! `barrier`.

use crate::stamp::Operation;
use crate::{CommError, Communicator};

impl Communicator {
    /// Waits until every rank has come here. Dissemination: in round k every rank tells the one 2ᵏ further.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    /// let here = AtomicUsize::new(0);
    /// let seen = run_spmd_all("threads", 5, |comm| {
    ///     here.fetch_add(1, SeqCst);
    ///     comm.barrier().map(|()| here.load(SeqCst))
    /// });
    /// assert_eq!(seen, Ok(vec![5; 5]));
    /// ```
    pub fn barrier(&self) -> Result<(), CommError> {
        let stamp = self.begin(self.stamp(Operation::Barrier))?;
        let (rank, size) = (self.rank(), self.size());
        let mut step = 1;
        while step < size {
            let (to, from) = ((rank + step) % size, (rank + size - step) % size);
            self.exchange(&mut [self.to(to, stamp, &[])], &mut [self.slice_from(from, stamp, &mut [])])?;
            step *= 2;
        }
        Ok(())
    }
}
