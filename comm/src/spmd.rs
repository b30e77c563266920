//! `run_spmd`: the same program on every rank.

use std::any::type_name;
use std::fmt::Display;
use std::sync::Arc;

use phalanx_codec::Value;

use crate::program::{Entry, Program, Remote, encoded, entry, summon};
use crate::registry::lookup;
use crate::runner::Runner;
use crate::{CommError, Communicator};

/// A runner, or the name of one.
pub enum Choice<'r> {
    /// By its name.
    Name(&'r str),
    /// Itself.
    Runner(&'r dyn Runner),
}

impl<'r> From<&'r str> for Choice<'r> {
    fn from(name: &'r str) -> Self {
        Self::Name(name)
    }
}

impl<'r> From<&'r String> for Choice<'r> {
    fn from(name: &'r String) -> Self {
        Self::Name(name)
    }
}

impl<'r> From<&'r dyn Runner> for Choice<'r> {
    fn from(runner: &'r dyn Runner) -> Self {
        Self::Runner(runner)
    }
}

impl<'r> From<&'r Arc<dyn Runner>> for Choice<'r> {
    fn from(runner: &'r Arc<dyn Runner>) -> Self {
        Self::Runner(&**runner)
    }
}

/// Runs the program on so many ranks; the value of rank 0.
///
/// Runners within this process take any program. Those that start others need one that captures nothing; what it needs goes through
/// [`run_spmd_with`].
///
/// ```
/// use phalanx_comm::{CommError, Communicator, run_spmd};
///
/// fn lengths(comm: &Communicator) -> Result<Option<Vec<usize>>, CommError> {
///     let data = comm.is_root().then(|| (0..1000).collect());
///     let part: Vec<u32> = comm.scatter(0, data)?;
///     comm.gather(0, part.len())
/// }
/// assert_eq!(run_spmd("threads", 3, lengths), Ok(Some(vec![334, 333, 333])));
/// assert_eq!(run_spmd("serial", 3, lengths), Ok(Some(vec![1000])));
/// ```
pub fn run_spmd<'r, F, T, E>(runner: impl Into<Choice<'r>>, size: usize, program: F) -> Result<T, CommError>
where
    F: Fn(&Communicator) -> Result<T, E> + Copy + Sync,
    T: Value,
    E: Display,
{
    first(run_spmd_all(runner, size, program)?)
}

/// As [`run_spmd`]; the values of all ranks.
///
/// ```
/// # use phalanx_comm::*;
/// let squares = run_spmd_all("threads", 3, |comm| Ok::<_, CommError>(comm.rank() * comm.rank()));
/// assert_eq!(squares, Ok(vec![0, 1, 4]));
/// ```
pub fn run_spmd_all<'r, F, T, E>(
    runner: impl Into<Choice<'r>>,
    size: usize,
    program: F,
) -> Result<Vec<T>, CommError>
where
    F: Fn(&Communicator) -> Result<T, E> + Copy + Sync,
    T: Value,
    E: Display,
{
    let remote = with_unit(program).map(|entry| Remote { entry, argument: &[] });
    run(runner.into(), size, &|comm| encoded(program(comm)), remote, type_name::<F>())
}

/// As [`run_spmd_all`], of a program with an argument, which every rank gets.
///
/// ```
/// # use phalanx_comm::*;
/// fn scaled(comm: &Communicator, factor: &f64) -> Result<f64, CommError> {
///     Ok(factor * comm.rank() as f64)
/// }
/// assert_eq!(run_spmd_with("threads", 3, scaled, &1.5), Ok(vec![0.0, 1.5, 3.0]));
/// ```
pub fn run_spmd_with<'r, F, A, T, E>(
    runner: impl Into<Choice<'r>>,
    size: usize,
    program: F,
    argument: &A,
) -> Result<Vec<T>, CommError>
where
    F: Fn(&Communicator, &A) -> Result<T, E> + Copy + Sync,
    A: Value + Sync,
    T: Value,
    E: Display,
{
    let mut bytes = Vec::new();
    phalanx_codec::encode(argument, &mut bytes).map_err(CommError::start)?;
    let remote = entry::<F, A, T, E>().map(|entry| Remote { entry, argument: &bytes });
    run(runner.into(), size, &|comm| encoded(program(comm, argument)), remote, type_name::<F>())
}

fn with_unit<F, T, E>(_program: F) -> Option<Entry>
where
    F: Fn(&Communicator) -> Result<T, E> + Copy,
    T: Value,
    E: Display,
{
    if size_of::<F>() != 0 {
        return None;
    }
    Some(|comm, _| encoded(summon::<F>()(comm)))
}

fn run<T: Value>(
    choice: Choice<'_>,
    size: usize,
    body: &(dyn Fn(&Communicator) -> Result<Vec<u8>, String> + Sync),
    remote: Option<Remote<'_>>,
    label: &'static str,
) -> Result<Vec<T>, CommError> {
    let program = Program::new(body, remote, label);
    let values = match choice {
        Choice::Name(name) => lookup(name)?.run(size, &program)?,
        Choice::Runner(runner) => runner.run(size, &program)?,
    };
    values.iter().map(|bytes| phalanx_codec::decode(bytes).map_err(CommError::start)).collect()
}

fn first<T>(values: Vec<T>) -> Result<T, CommError> {
    values.into_iter().next().ok_or_else(|| CommError::start("the runner ran no rank"))
}
