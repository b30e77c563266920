//! Runners by name.

use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use crate::CommError;
use crate::runner::{Runner, SerialRunner, ThreadsRunner};

/// More runners than that are a mistake.
const RUNNERS_MAX: usize = 64;

fn registry() -> &'static RwLock<Vec<Arc<dyn Runner>>> {
    static REGISTRY: OnceLock<RwLock<Vec<Arc<dyn Runner>>>> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let runners: Vec<Arc<dyn Runner>> = vec![Arc::new(SerialRunner), Arc::new(ThreadsRunner)];
        #[cfg(feature = "mpi")]
        let runners = [runners, vec![Arc::new(crate::transport::mpi::MpiRunner)]].concat();
        RwLock::new(runners)
    })
}

/// Makes a runner known by its name, instead of one that had the name before.
///
/// ```
/// use phalanx_comm::{CommError, Program, Runner, SerialRunner, names, register, run_spmd};
/// struct Loud;
/// impl Runner for Loud {
///     fn name(&self) -> &str { "loud" }
///     fn run(&self, size: usize, program: &Program<'_>) -> Result<Vec<Vec<u8>>, CommError> {
///         println!("running {}", program.label());
///         SerialRunner.run(size, program)
///     }
/// }
/// register(Loud)?;
/// assert!(names().contains(&"loud".to_owned()));
/// assert_eq!(run_spmd("loud", 1, |comm| comm.all_gather(3)), Ok(vec![3]));
/// # Ok::<(), CommError>(())
/// ```
pub fn register(runner: impl Runner + 'static) -> Result<(), CommError> {
    let mut runners = registry().write();
    runners.retain(|known| known.name() != runner.name());
    if runners.len() == RUNNERS_MAX {
        return Err(CommError::start(format_args!("there are {RUNNERS_MAX} runners already")));
    }
    runners.push(Arc::new(runner));
    Ok(())
}

/// The runner of this name.
///
/// ```
/// use phalanx_comm::lookup;
/// assert_eq!(lookup("threads").unwrap().name(), "threads");
/// let error = lookup("treads").err().unwrap().to_string();
/// assert!(error.starts_with("there is no runner \"treads\"; known are serial, threads"));
/// ```
pub fn lookup(name: &str) -> Result<Arc<dyn Runner>, CommError> {
    let found = registry().read().iter().find(|runner| runner.name() == name).cloned();
    found.ok_or_else(|| CommError::UnknownRunner { name: name.to_owned(), known: names() })
}

/// The names of all runners.
///
/// ```
/// assert!(phalanx_comm::names().starts_with(&["serial".to_owned(), "threads".to_owned()]));
/// ```
#[must_use]
pub fn names() -> Vec<String> {
    registry().read().iter().map(|runner| runner.name().to_owned()).collect()
}

/// The runner for those who do not care: the one that the environment variable `PHALANX_RUNNER` names, else "serial".
///
/// ```
/// assert_eq!(phalanx_comm::default_runner()?.name(), "serial");
/// # Ok::<(), phalanx_comm::CommError>(())
/// ```
pub fn default_runner() -> Result<Arc<dyn Runner>, CommError> {
    match std::env::var("PHALANX_RUNNER") {
        Ok(name) if !name.is_empty() => lookup(&name),
        _ => Ok(Arc::new(SerialRunner)),
    }
}
