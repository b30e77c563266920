//! Other processes: where their programs are, and what the kernel knows of them.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::setsid;

use crate::error::Error;

/// This executable.
pub(crate) fn own_executable() -> Result<PathBuf, Error> {
    std::env::current_exe().map_err(Error::system("this executable's path"))
}

/// A program that is built into the same folder.
pub(crate) fn sibling(name: &str) -> Result<PathBuf, Error> {
    let path = own_executable()?.with_file_name(name);
    if path.is_file() { Ok(path) } else { Err(Error::NotBuilt(path)) }
}

/// It will lead a session of its own, as what is started in another terminal does.
#[allow(unsafe_code, reason = "the standard library cannot start a child in a new session yet")]
pub(crate) fn lead_a_session(command: &mut Command) {
    // SAFETY: the closure makes one system call (setsid) and nothing else: no allocation, no lock.
    unsafe {
        command.pre_exec(|| {
            setsid()?;
            Ok(())
        });
    }
}

/// The children of a process, their children, and so on.
pub(crate) fn descendants(pid: u32) -> Result<Vec<u32>, Error> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").map_err(Error::system("/proc"))?.flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // One that has ended meanwhile is nobody's child.
        if let Ok(stat) = fs::read_to_string(entry.path().join("stat"))
            && let Some(parent) = field(&stat, PARENT)
        {
            parents.push((child, parent));
        }
    }
    let mut found = vec![u64::from(pid)];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(child, _)| u64::from(*child)));
        at += 1;
    }
    Ok(found.into_iter().skip(1).map(|pid| pid as u32).collect())
}

/// Memory that a process has to itself and its share of what it has with others, in bytes.
pub(crate) fn proportional_bytes(pid: u32) -> Result<u64, Error> {
    kibibytes(format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// Memory of a process that is in RAM, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64, Error> {
    kibibytes(format!("/proc/{pid}/status"), "VmRSS:")
}

fn kibibytes(path: String, label: &str) -> Result<u64, Error> {
    let wrong = |source| Error::File { path: PathBuf::from(&path), source };
    let text = fs::read_to_string(&path).map_err(wrong)?;
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.map(|kib| kib * 1024).ok_or_else(|| wrong(std::io::Error::other(format!("no line {label}"))))
}

/// Time that a process has spent on a processor, all its threads together. To the nanosecond, unlike the clock ticks of
/// /proc/PID/stat: an idle process uses less than a tick.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration, Error> {
    let path = PathBuf::from(format!("/proc/{pid}/task"));
    let threads = fs::read_dir(&path).map_err(|source| Error::File { path, source })?;
    let nanoseconds = threads.flatten().filter_map(|thread| {
        // One that has ended meanwhile used nothing worth counting.
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Ok(Duration::from_nanos(nanoseconds.sum()))
}

/// The parent's place in /proc/PID/stat, counted after the name; see proc_pid_stat(5).
const PARENT: usize = 1;

/// The name may contain blanks and brackets: what follows its last bracket counts.
fn field(stat: &str, index: usize) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(index)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_is_read_whatever_the_process_calls_itself() {
        let stat = "42 (a) b (c)) S 7 42 42 0 -1 4194560 0 0 0 0 150 25 0 0 20 0 1";
        assert_eq!(field(stat, PARENT), Some(7));
    }

    #[test]
    fn this_process_has_memory_time_and_children() {
        let pid = std::process::id();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let found = descendants(pid).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&child.id()), "{found:?}");
        assert!(proportional_bytes(pid).unwrap() > 0 && resident_bytes(pid).unwrap() > 0);
        assert!(cpu_time(pid).unwrap() < Duration::from_secs(3600));
    }
}
