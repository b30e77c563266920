//! Threads that stand still while others run: what a long computation or a full pipe would do to a daemon. And processes that do not
//! notice anything, whatever signals they are sent.

use std::fs;

use rustix::process::Pid;

/// A thread of another process, stopped alone, by a debugger's means (ptrace(2)). It goes on when this is dropped, which must be
/// on the thread that stopped it.
#[derive(Debug)]
pub struct HeldThread {
    pid: libc::pid_t,
    _of_this_thread: std::marker::PhantomData<*const ()>,
}

impl HeldThread {
    /// Stops the main thread of a process that descends from this one.
    #[must_use]
    #[track_caller]
    pub fn main_of(pid: u32) -> Self {
        Self::hold(pid)
    }

    /// Stops every thread of a process that descends from this one.
    #[must_use]
    #[track_caller]
    pub fn all_of(pid: u32) -> Vec<Self> {
        let entries = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
        let threads = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        threads.map(Self::hold).collect()
    }

    #[track_caller]
    #[allow(unsafe_code, reason = "no safe wrapper has PTRACE_SEIZE")]
    fn hold(thread: u32) -> Self {
        let pid =
            i32::try_from(thread).ok().and_then(Pid::from_raw).expect("a process").as_raw_nonzero().get();
        let nothing = std::ptr::null_mut::<libc::c_void>();
        let mut status = 0;
        // SAFETY: these requests take no pointers, and `status` outlives the call that writes to it.
        let stopped = unsafe {
            libc::ptrace(libc::PTRACE_SEIZE, pid, nothing, nothing) == 0
                && libc::ptrace(libc::PTRACE_INTERRUPT, pid, nothing, nothing) == 0
                && libc::waitpid(pid, &raw mut status, libc::__WALL) == pid
        };
        let error = std::io::Error::last_os_error();
        assert!(
            stopped && libc::WIFSTOPPED(status),
            "thread {pid} cannot be held (status {status}): {error}"
        );
        Self { pid, _of_this_thread: std::marker::PhantomData }
    }
}

impl Drop for HeldThread {
    #[allow(unsafe_code, reason = "no safe wrapper has PTRACE_DETACH")]
    fn drop(&mut self) {
        let nothing = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: this request takes no pointers. (Should the process have been killed, there is nothing to let go.)
        unsafe { libc::ptrace(libc::PTRACE_DETACH, self.pid, nothing, nothing) };
    }
}
