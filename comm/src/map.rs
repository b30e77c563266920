//! `map`, `map_blocks`, `print`: what is made of the other operations.

use std::fmt::Display;

use phalanx_codec::Value;

use crate::{CommError, Communicator};

/// Who prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// Every rank.
    Everyone,
    /// Rank 0.
    Root,
    /// All but rank 0.
    Others,
}

impl Communicator {
    /// The function of each of the root's items, computed on all ranks in blocks; at the root in the order of the items, `None` elsewhere.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let all = run_spmd("threads", 4, |comm| comm.map(0, comm.is_root().then(|| (0..10).collect()), |x: i32| 1 + x));
    /// assert_eq!(all, Ok(Some((1..=10).collect())));
    /// // Of several arguments: items are tuples.
    /// let products = run_spmd("threads", 2, |comm| {
    ///     comm.map(0, comm.is_root().then(|| vec![(2, 3), (4, 5)]), |(x, y): (i32, i32)| x * y)
    /// });
    /// assert_eq!(products, Ok(Some(vec![6, 20])));
    /// ```
    pub fn map<T: Value, U: Value>(
        &self,
        root: usize,
        items: Option<Vec<T>>,
        f: impl FnMut(T) -> U,
    ) -> Result<Option<Vec<U>>, CommError> {
        self.map_blocks(root, items, |block| block.into_iter().map(f).collect())
    }

    /// As [`map`](Self::map), for functions that take a whole block at once and give a value for each of its items.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let all = run_spmd("threads", 3, |comm| {
    ///     comm.map_blocks(0, comm.is_root().then(|| vec![1.0, 4.0, 9.0]), |block: Vec<f64>| block.iter().map(|x| x.sqrt()).collect::<Vec<f64>>())
    /// });
    /// assert_eq!(all, Ok(Some(vec![1.0, 2.0, 3.0])));
    /// ```
    pub fn map_blocks<T: Value, U: Value>(
        &self,
        root: usize,
        items: Option<Vec<T>>,
        f: impl FnOnce(Vec<T>) -> Vec<U>,
    ) -> Result<Option<Vec<U>>, CommError> {
        let block = self.scatter(root, items)?;
        let count = block.len();
        let results = f(block);
        if results.len() != count {
            let message = format!("the function made {} values of a block of {count}", results.len());
            return Err(self.invalid("map_blocks".to_owned(), message));
        }
        self.gather_joined(root, results)
    }

    /// Prints a line, with the rank before it.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// run_spmd("threads", 2, |comm| {
    ///     comm.print(Where::Root, format_args!("{} ranks", comm.size()));
    ///     Ok::<_, CommError>(())
    /// })?; // prints "[rank 0 of 2] 2 ranks"
    /// # Ok::<(), CommError>(())
    /// ```
    pub fn print(&self, r#where: Where, text: impl Display) {
        if let Some(line) = self.line(r#where, text) {
            println!("{line}");
        }
    }

    fn line(&self, r#where: Where, text: impl Display) -> Option<String> {
        let prints = match r#where {
            Where::Everyone => true,
            Where::Root => self.is_root(),
            Where::Others => !self.is_root(),
        };
        prints.then(|| format!("[rank {} of {}] {text}", self.rank(), self.size()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_spmd_all;

    #[test]
    fn lines_are_printed_where_they_should() {
        let lines = run_spmd_all("threads", 2, |comm| {
            let lines = [Where::Everyone, Where::Root, Where::Others].map(|w| comm.line(w, "x").is_some());
            Ok::<_, CommError>((lines.to_vec(), comm.line(Where::Everyone, "x")))
        });
        let expected = vec![
            (vec![true, true, false], Some("[rank 0 of 2] x".to_owned())),
            (vec![true, false, true], Some("[rank 1 of 2] x".to_owned())),
        ];
        assert_eq!(lines, Ok(expected));
    }
}
