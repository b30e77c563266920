//! How a worker's end is told to people.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a process ended.
#[derive(Debug, Clone)]
pub(crate) struct Exit {
    /// For people: what became of it.
    pub(crate) message: String,
    /// The signal that ended it, if one did.
    pub(crate) signal: Option<u32>,
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        let signal = status.signal().and_then(|signal| u32::try_from(signal).ok());
        Self { message: describe(status), signal }
    }
}

/// `was killed by SIGKILL (…)` or `exited with code 3`.
fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let hint = match signal {
                libc::SIGKILL => " (by hand, or by the system for want of memory)",
                libc::SIGSEGV | libc::SIGBUS | libc::SIGILL => {
                    " (a fault in native or unsafe code, or a stack overflow)"
                }
                libc::SIGABRT => {
                    " (abort: a panic that may not unwind, or a failed assertion in native code)"
                }
                _ => "",
            };
            format!("was killed by {}{hint}", signal_name(signal))
        }
        (None, Some(code)) => format!("exited with code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGSYS => "SIGSYS",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_and_codes_have_names() {
        assert!(describe(ExitStatus::from_raw(9)).starts_with("was killed by SIGKILL ("));
        assert_eq!(describe(ExitStatus::from_raw(3 << 8)), "exited with code 3");
        let signal = |raw| Exit::from(ExitStatus::from_raw(raw)).signal;
        assert_eq!((signal(9), signal(3 << 8)), (Some(9), None));
        assert_eq!(describe(ExitStatus::from_raw(60)), "was killed by signal 60");
    }
}
