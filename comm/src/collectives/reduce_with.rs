//! `reduce_with`, `all_reduce_with`: with functions of values.

use phalanx_codec::Value;

use super::tree::{Place, Tree};
use crate::stamp::{Operation, Stamp, kind_of, root_on_stamp};
use crate::{CommError, Communicator};

impl Communicator {
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
                self.give_out(stamp, &value)?;
                Ok(value)
            }
            None => self.take_in(stamp, 0),
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
}
