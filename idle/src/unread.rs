//! For threads that compute and have just said something that somebody waits for.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::thread;
use std::time::{Duration, Instant};

/// Whoever reads the other end has a core within this time, unless it waits for this thread's.
const PATIENCE: Duration = Duration::from_micros(30);

/// What this thread has just sent is waited for: unless the other end of the Unix socket reads it all in a moment, whoever is to read it has this core first.
///
/// A reader that wakes goes before a thread that [makes way](crate::make_way()), but not when it has just had more than its share. Then it would
/// wait until the kernel's next tick, milliseconds later, maybe beside a core that is idle.
///
/// The core is not given away when nobody needs it: who yields forfeits the rest of a slice, to any other program that computes here too.
///
/// ```
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
/// let (mut ours, mut theirs) = UnixStream::pair()?;
/// let reader = std::thread::spawn(move || theirs.read(&mut [0; 8]));
/// ours.write_all(b"said")?;
/// phalanx_idle::let_read(&ours);
/// assert_eq!(reader.join().unwrap()?, 4);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn let_read(socket: &impl AsFd) {
    if !is_read_within(socket, PATIENCE) {
        thread::yield_now();
    }
}

/// Whether the other end has read all within this time. Where the kernel does not say, it is taken to have.
fn is_read_within(socket: &impl AsFd, patience: Duration) -> bool {
    let started = Instant::now();
    while unread(socket).is_ok_and(|bytes| bytes > 0) {
        if started.elapsed() >= patience {
            return false;
        }
        std::hint::spin_loop();
    }
    true
}

/// What was sent and not yet read, in bytes of the kernel's memory.
#[allow(unsafe_code, reason = "a request that has no wrapper")]
fn unread(socket: &impl AsFd) -> io::Result<libc::c_int> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as it is borrowed; the kernel writes one `int`.
    let failed = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if failed == 0 { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_nobody_reads_is_not_waited_for() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        assert!(is_read_within(&ours, Duration::ZERO), "nothing was sent");
        ours.write_all(&[7; 100]).unwrap();
        assert!(!is_read_within(&ours, PATIENCE));
        theirs.read_exact(&mut [0; 99]).unwrap();
        assert!(!is_read_within(&ours, PATIENCE), "not all of it");
        theirs.read_exact(&mut [0; 1]).unwrap();
        assert!(is_read_within(&ours, Duration::ZERO));
    }

    #[test]
    fn it_waits_for_who_reads_right_away() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        ours.write_all(&[7; 100]).unwrap();
        let reader = thread::spawn(move || {
            theirs.read_exact(&mut [0; 100]).unwrap();
            theirs
        });
        assert!(is_read_within(&ours, LONG));
        reader.join().unwrap();
    }

    #[test]
    fn where_the_kernel_does_not_say_it_goes_on() {
        assert!(is_read_within(&File::open("/dev/null").unwrap(), LONG));
    }
}
