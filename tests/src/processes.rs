//! What the kernel knows of other processes.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// Sends a signal to a process; false when there is none.
pub fn signal(pid: u32, signal: Signal) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// Whether a process is there and has not ended. (One that nobody has waited for yet has ended.)
pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    after_name(&stat).is_some_and(|mut fields| !matches!(fields.next(), Some("Z" | "X") | None))
}

/// The processes that a process has started and that it has not yet waited for.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        after_name(&stat).and_then(|mut fields| fields.nth(1)?.parse().ok()) == Some(parent)
    };
    all().filter(is_child).collect()
}

/// The live processes that were started with this variable in their environment.
pub(crate) fn with_variable(variable: &str) -> Vec<u32> {
    let has_it = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
    };
    all().filter(has_it).filter(|pid| is_alive(*pid)).collect()
}

/// The command line of a process, for messages.
pub(crate) fn command(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("tests run where there is /proc");
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The fields of /proc/PID/stat from the state on; the name before them may contain anything.
fn after_name(stat: &str) -> Option<std::str::SplitWhitespace<'_>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_seen_until_it_has_ended() {
        let mut command = std::process::Command::new("sleep");
        let variable = format!("PHALANX_TEST={}", std::process::id());
        command.arg("60").env("PHALANX_TEST", std::process::id().to_string());
        let mut child = command.spawn().unwrap();
        let pid = child.id();
        crate::wait_until("the child runs", crate::DEADLINE, || with_variable(&variable) == [pid]);
        assert!(is_alive(pid) && children(std::process::id()).contains(&pid));
        assert!(signal(pid, Signal::KILL));
        crate::wait_until("the child ends", crate::DEADLINE, || !is_alive(pid));
        assert!(children(std::process::id()).contains(&pid), "nobody has waited for it yet");
        child.wait().unwrap();
        assert!(!children(std::process::id()).contains(&pid) && !signal(pid, Signal::KILL));
    }
}
