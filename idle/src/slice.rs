//! For threads that compute.

use std::cell::Cell;
use std::io;
use std::time::Duration;

/// What is asked for; Linux gives up to 100 ms. Shorter ones leave computing threads more often ahead of those that wake. With longer ones a thread
/// that yields or waits between two pieces of work comes back that much later, where another program computes on the same core.
pub const SLICE_MAX: Duration = Duration::from_millis(20);

thread_local! {
    /// This thread's usual slice in nanoseconds, while it has a long one; else 0, or [`REFUSED`].
    static USUAL_NS: Cell<u64> = const { Cell::new(0) };
}

/// It cannot have it: it is not tried again.
const REFUSED: u64 = u64::MAX;

/// This thread computes, much and for others: from now on it asks for its processor time in long slices, until it is [`about_to_wait`].
///
/// Linux lets a thread that wakes go before one that is running when its slice is shorter and it has had less than its share (since
/// 6.12; EEVDF, see `Documentation/scheduler/sched-eevdf.rst` of the kernel). A thread that computes is in no hurry for any single slice; those that pass
/// messages need a core for microseconds, and now. Its share of the processor is what it was.
///
/// Threads and processes that it starts inherit them.
///
/// Where the kernel knows no slices or forbids to set them, nothing happens; nor to a thread with a scheduling policy of its user's, or with a negative
/// nice value.
///
/// ```
/// phalanx_idle::make_way();
/// let sum: u64 = (0..1_000_000).sum();
/// phalanx_idle::about_to_wait();
/// # assert!(sum > 0);
/// ```
#[inline]
pub fn make_way() {
    if USUAL_NS.get() == 0 {
        lengthen();
    }
}

/// This thread is going to wait for somebody in the middle of what it computes: it has its usual slice again. Who yields forfeits the rest of a
/// slice, and who wakes goes before those with longer ones only.
#[inline]
pub fn about_to_wait() {
    if !matches!(USUAL_NS.get(), 0 | REFUSED) {
        restore();
    }
}

#[cold]
fn lengthen() {
    USUAL_NS.set(REFUSED);
    let Ok(now) = attributes() else { return };
    let ordinary = [libc::SCHED_OTHER, libc::SCHED_BATCH].map(|policy| policy as u32);
    let long_ns = SLICE_MAX.as_nanos() as u64;
    let is_known = now.sched_runtime > 0 && now.sched_runtime < long_ns;
    if !is_known || !ordinary.contains(&now.sched_policy) || now.sched_nice < 0 {
        return;
    }
    if set(libc::sched_attr { sched_runtime: long_ns, ..now }).is_ok() {
        USUAL_NS.set(now.sched_runtime);
    }
}

#[cold]
fn restore() {
    let usual_ns = USUAL_NS.take();
    if let Ok(now) = attributes()
        && now.sched_runtime == SLICE_MAX.as_nanos() as u64
    {
        // What its user has changed meanwhile stays. If this fails, the thread makes way for longer than need be.
        let _ = set(libc::sched_attr { sched_runtime: usual_ns, ..now });
    }
}

#[allow(unsafe_code, reason = "a system call that has no wrapper")]
fn attributes() -> io::Result<libc::sched_attr> {
    let size = size_of::<libc::sched_attr>() as u32;
    let mut attributes = libc::sched_attr {
        size,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: of this thread (0); the kernel writes no more than `size` bytes, which is what there is.
    let failed = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    if failed == 0 { Ok(attributes) } else { Err(io::Error::last_os_error()) }
}

#[allow(unsafe_code, reason = "a system call that has no wrapper")]
fn set(attributes: libc::sched_attr) -> io::Result<()> {
    // SAFETY: of this thread (0); the kernel reads the structure, whose size it says itself.
    let failed = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice_ns() -> u64 {
        attributes().unwrap().sched_runtime
    }

    /// None where the kernel knows no slices.
    fn usual_ns() -> Option<u64> {
        Some(slice_ns()).filter(|ns| *ns > 0)
    }

    #[test]
    fn it_is_long_until_the_thread_is_about_to_wait() {
        let Some(usual) = usual_ns() else { return };
        for _ in 0..2 {
            make_way();
            make_way();
            assert_eq!(slice_ns(), SLICE_MAX.as_nanos() as u64);
            about_to_wait();
            about_to_wait();
            assert_eq!(slice_ns(), usual);
        }
    }

    #[test]
    fn what_its_user_has_set_meanwhile_stays() {
        if usual_ns().is_none() {
            return;
        }
        make_way();
        let own_ns = 7_000_000;
        set(libc::sched_attr { sched_runtime: own_ns, ..attributes().unwrap() }).unwrap();
        about_to_wait();
        assert_eq!(slice_ns(), own_ns);
    }

    /// Where this user may set a deadline.
    #[test]
    fn a_thread_with_a_policy_of_its_users_is_left_alone() {
        let own_ns = 7_000_000;
        let deadline = libc::sched_attr {
            sched_policy: libc::SCHED_DEADLINE as u32,
            sched_runtime: own_ns,
            sched_deadline: 200_000_000,
            sched_period: 200_000_000,
            ..attributes().unwrap()
        };
        if set(deadline).is_ok() {
            make_way();
            assert_eq!(slice_ns(), own_ns);
        }
    }
}
