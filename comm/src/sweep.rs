//! Parameter sweeps over the ranks of a communicator.
//!
//! [`Sweep::scatter`] hands every worker its block of the parameters; the worker builds once what it needs, executes each of its samples with it,
//! and keeps the results; [`Sweep::gather`] brings them to all ranks. Workers are the first min(ranks, parameters) ranks.

use std::collections::BTreeMap;

use phalanx_codec::Value;
use serde::{Deserialize, Serialize};

use crate::{CommError, Communicator};

/// What one worker computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalResults<P, R> {
    /// The place of its first sample among all.
    pub index: usize,
    /// Which worker: its rank.
    pub worker: usize,
    /// Its samples, in order.
    pub parameters: Vec<P>,
    /// What came of each of them.
    pub results: Vec<R>,
}

/// A sweep of which this rank has executed its part.
///
/// ```
/// use phalanx_comm::{CommError, Sweep, run_spmd};
///
/// let results = run_spmd("threads", 4, |comm| {
///     let parameters = comm.is_root().then(|| vec![1, 2, 3, 4, 5]);
///     // Built once on each worker.
///     let build = |base: &i64| Ok((*base, -1));
///     let execute = |p: &i64, built: &mut (i64, i64)| Ok::<_, CommError>((built.0 + p) * built.1);
///     let sweep = Sweep::scatter(comm, build, &100, execute, parameters)?;
///     sweep.gather()
/// });
/// let results = results.unwrap();
/// assert_eq!(results.len(), 4);
/// let flat: Vec<i64> = results.iter().flat_map(|local| local.results.clone()).collect();
/// assert_eq!(flat, [-101, -102, -103, -104, -105]);
/// assert_eq!((results[1].worker, results[1].index, &results[1].parameters[..]), (1, 2, &[3][..]));
/// ```
#[derive(Debug)]
pub struct Sweep<'c, P, R> {
    comm: &'c Communicator,
    /// `None` on a rank that is no worker.
    local: Option<LocalResults<P, R>>,
}

impl<'c, P: Value + Clone, R: Value + Clone> Sweep<'c, P, R> {
    /// Splits the root's parameters over the workers and executes this rank's. `build` is called once on each worker, with the root's or one's own
    /// `settings`; what it makes is kept from sample to sample. An error of either ends the sweep on all ranks, with the sample's number in its text.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// // No parameters: nothing is built.
    /// let none = run_spmd("threads", 3, |comm| {
    ///     let build = |_: &()| -> Result<(), CommError> { unreachable!() };
    ///     let sweep = Sweep::scatter(comm, build, &(), |p: &u8, _| Ok(*p), Some(vec![]))?;
    ///     sweep.gather()
    /// });
    /// assert_eq!(none, Ok(vec![]));
    /// ```
    pub fn scatter<S, B, E: std::fmt::Display>(
        comm: &'c Communicator,
        build: impl FnOnce(&S) -> Result<B, E>,
        settings: &S,
        mut execute: impl FnMut(&P, &mut B) -> Result<R, E>,
        parameters: Option<Vec<P>>,
    ) -> Result<Self, CommError> {
        let parameters = comm.scatter(0, parameters)?;
        let before = comm.exscan(&[parameters.len()], crate::Op::Sum)?;
        let index = before.map_or(0, |before| before[0]);
        if parameters.is_empty() {
            return Ok(Self { comm, local: None });
        }
        let mut built =
            build(settings).map_err(|e| comm.fail(format_args!("do_build failed on it: {e:#}")))?;
        let mut results = Vec::with_capacity(parameters.len());
        for (i, parameter) in parameters.iter().enumerate() {
            let result = execute(parameter, &mut built);
            results.push(
                result.map_err(|e| comm.fail(format_args!("do_execute of sample {}: {e:#}", index + i)))?,
            );
        }
        let local = LocalResults { index, worker: comm.rank(), parameters, results };
        Ok(Self { comm, local: Some(local) })
    }

    /// The results of all workers, by worker, on every rank.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let counts = run_spmd_all("threads", 8, |comm| {
    ///     let sweep = Sweep::scatter(comm, |_: &()| Ok::<_, CommError>(()), &(), |p: &u32, _| Ok(p * p), Some((1..=5).collect()))?;
    ///     sweep.gather().map(|all| all.len())
    /// });
    /// assert_eq!(counts, Ok(vec![5; 8]));
    /// ```
    pub fn gather(&self) -> Result<Vec<LocalResults<P, R>>, CommError> {
        Ok(self.comm.all_gather(self.local.clone())?.into_iter().flatten().collect())
    }

    /// Of these results, those that this rank is responsible for: its own; none on a rank that is no worker.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let own = run_spmd_all("threads", 3, |comm| {
    ///     let sweep = Sweep::scatter(comm, |_: &()| Ok::<_, CommError>(()), &(), |p: &u32, _| Ok(p + 1), Some(vec![1, 2]))?;
    ///     let all = sweep.gather()?;
    ///     Ok::<_, CommError>(sweep.results_from_local_tree(&all).iter().map(|local| local.results[0]).collect::<Vec<_>>())
    /// });
    /// assert_eq!(own, Ok(vec![vec![2], vec![3], vec![]]));
    /// ```
    pub fn results_from_local_tree<'a>(
        &self,
        results: &'a [LocalResults<P, R>],
    ) -> Vec<&'a LocalResults<P, R>> {
        results.iter().filter(|local| local.worker == self.comm.rank()).collect()
    }

    /// How many ranks had something to do.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let workers = run_spmd("threads", 4, |comm| {
    ///     Sweep::scatter(comm, |_: &()| Ok::<_, CommError>(()), &(), |p: &u32, _| Ok(*p), Some(vec![7, 8]))?.workers()
    /// });
    /// assert_eq!(workers, Ok(2));
    /// ```
    pub fn workers(&self) -> Result<usize, CommError> {
        Ok(self.comm.all_reduce(&[usize::from(self.local.is_some())], crate::Op::Sum)?[0])
    }
}

/// Joins tables of named columns: one below the other. Where a table lacks a column, it is padded with NaN for each of its rows.
///
/// ```
/// use std::collections::BTreeMap;
/// let chunk = |columns: &[(&str, &[f64])]| -> BTreeMap<String, Vec<f64>> {
///     columns.iter().map(|(name, values)| ((*name).to_owned(), values.to_vec())).collect()
/// };
/// let tables = [chunk(&[("cost", &[1.0, 2.0])]), chunk(&[("cost", &[3.0]), ("flow", &[0.5])])];
/// let all = phalanx_comm::merge_columns(&tables);
/// assert_eq!(all["cost"], [1.0, 2.0, 3.0]);
/// assert!(all["flow"][0].is_nan() && all["flow"][1].is_nan() && all["flow"][2] == 0.5);
/// ```
#[must_use]
pub fn merge_columns(tables: &[BTreeMap<String, Vec<f64>>]) -> BTreeMap<String, Vec<f64>> {
    let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    all.extend(tables.iter().flat_map(BTreeMap::keys).map(|name| (name.clone(), Vec::new())));
    for table in tables {
        // A column that is shorter than its neighbours is padded too.
        let rows = table.values().map(Vec::len).max().unwrap_or(0);
        for (name, column) in &mut all {
            let end = column.len() + rows;
            column.extend(table.get(name).into_iter().flatten());
            column.resize(end, f64::NAN);
        }
    }
    all
}

impl Communicator {
    /// Root makes the directory and those above it; when this returns, every rank may write there.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let base = tempfile::tempdir().unwrap();
    /// let path = base.path().join("run/outputs");
    /// let written = run_spmd_all("threads", 3, |comm| {
    ///     comm.make_directory(&path)?;
    ///     std::fs::write(path.join(format!("{}.txt", comm.rank())), "x").map_err(CommError::start)
    /// });
    /// assert_eq!(written, Ok(vec![(); 3]));
    /// ```
    pub fn make_directory(&self, path: impl AsRef<std::path::Path>) -> Result<(), CommError> {
        if self.is_root() {
            let made = std::fs::create_dir_all(path.as_ref());
            made.map_err(|e| self.fail(format_args!("cannot make {}: {e}", path.as_ref().display())))?;
        }
        self.barrier()
    }
}
