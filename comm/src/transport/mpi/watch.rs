//! Which ranks of this host have died: MPI itself would not say, and may not even come back from a call.

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::CommError;

/// What a rank sent before it died may take so long to come.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// A call of MPI's that has not returned so long after another rank died never will: versions are known that go round in circles.
const STUCK: Duration = Duration::from_secs(5);

/// The processes of the other ranks, by rank; a thread of its own looks at them.
#[derive(Debug)]
pub(super) struct Watch(Arc<Seen>);

#[derive(Debug)]
struct Seen {
    deaths: Vec<OnceLock<Instant>>,
    /// Goes up when this rank calls MPI and when the call returns: odd while it is inside.
    calls: AtomicU64,
}

/// Until this is dropped, this rank is in a call of MPI's.
pub(super) struct Inside<'w>(&'w Seen);

impl Watch {
    /// `processes`: those under this kernel, by rank. Ranks of other hosts are not watched: whoever is with them there will tell.
    pub(super) fn new(processes: impl Iterator<Item = Option<u32>>, me: usize) -> Self {
        let (mut deaths, mut living) = (Vec::new(), Vec::new());
        for (rank, pid) in processes.enumerate() {
            let death = OnceLock::new();
            match pid.filter(|_| rank != me).map(open) {
                Some(Ok(process)) => living.push((rank, process)),
                Some(Err(Errno::SRCH)) => drop(death.set(Instant::now())),
                // An old kernel, or no descriptors left: as if it were elsewhere.
                Some(Err(_)) | None => {}
            }
            deaths.push(death);
        }
        let seen = Arc::new(Seen { deaths, calls: AtomicU64::new(0) });
        let watched = Arc::clone(&seen);
        let thread = thread::Builder::new().name("ranks' lives".to_owned());
        // Without it, ranks that die are noticed by MPI or not at all.
        let _ = thread.spawn(move || watched.look_after(living));
        Self(seen)
    }

    pub(super) fn enter(&self) -> Inside<'_> {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        Inside(&self.0)
    }

    /// Whether a rank's process has ended.
    pub(super) fn is_dead(&self, rank: usize) -> bool {
        self.0.deaths[rank].get().is_some()
    }

    /// Whether nothing of a rank will come any more.
    pub(super) fn is_silent(&self, rank: usize) -> bool {
        self.0.deaths[rank].get().is_some_and(|since| since.elapsed() >= LAST_WORDS)
    }

    /// The rank that died first.
    pub(super) fn lost(&self) -> Option<usize> {
        self.0.lost()
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
    }
}

impl Seen {
    fn lost(&self) -> Option<usize> {
        let dead = self.deaths.iter().enumerate().filter_map(|(rank, death)| Some((death.get()?, rank)));
        dead.min().map(|(_, rank)| rank)
    }

    /// Notes who dies, until nobody is left; ends this process if it can then not be helped.
    fn look_after(&self, mut living: Vec<(usize, OwnedFd)>) {
        let mut stuck: Option<(u64, Instant)> = None;
        loop {
            // Asleep until somebody dies; from then on an eye is kept on this rank, too.
            let lost = self.lost();
            let nap = lost.map(|_| Timespec { tv_sec: 1, tv_nsec: 0 });
            if lost.is_none() && living.is_empty() {
                return;
            }
            let mut fds: Vec<_> = living.iter().map(|(_, fd)| PollFd::new(fd, PollFlags::IN)).collect();
            if !matches!(poll(&mut fds, nap.as_ref()), Ok(_) | Err(Errno::INTR)) {
                return;
            }
            let mut ended = fds.iter().map(|fd| !fd.revents().is_empty()).collect::<Vec<_>>().into_iter();
            living.retain(|(rank, _)| {
                let ended = ended.next().unwrap_or_default();
                ended.then(|| self.deaths[*rank].set(Instant::now()));
                !ended
            });
            let calls = self.calls.load(Ordering::Relaxed);
            match (lost, stuck) {
                (Some(lost), Some((call, since))) if calls == call => {
                    if calls % 2 == 1 && since.elapsed() >= STUCK {
                        give_up(lost);
                    }
                }
                _ => stuck = Some((calls, Instant::now())),
            }
        }
    }
}

fn open(pid: u32) -> Result<OwnedFd, Errno> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::INVAL)?;
    pidfd_open(pid, PidfdFlags::empty())
}

/// The thread that could return an error is inside MPI: the error is said, and the process ends.
fn give_up(lost: usize) -> ! {
    let text =
        format!("{}; MPI does not return from a call, so this rank ends too\n", CommError::ended(lost));
    let _ = std::io::stderr().write_all(text.as_bytes());
    // Neither what runs at a process's end, which may be MPI's too, nor a report of where we are, which MPI prints at an abort.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn until(condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !condition() {
            assert!(Instant::now() < deadline, "it does not come true");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn the_end_of_a_process_is_seen_and_its_last_words_are_given_time() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let watch = Watch::new([Some(std::process::id()), None, Some(child.id())].into_iter(), 0);
        assert_eq!(watch.lost(), None);
        child.kill().unwrap();
        until(|| watch.is_dead(2));
        assert!(watch.lost() == Some(2) && !watch.is_dead(0) && !watch.is_dead(1));
        until(|| watch.is_silent(2));
        child.wait().unwrap();
        let watch = Watch::new([None, Some(child.id())].into_iter(), 0);
        assert!(watch.is_dead(1), "it was dead from the beginning");
    }

    #[test]
    #[ignore = "a process of the next test, which it ends"]
    fn rank_that_does_not_return() {
        if std::env::var_os("STUCK_RANK").is_none() {
            return;
        }
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let watch = Watch::new([None, Some(child.id())].into_iter(), 0);
        // While calls return, there is nothing to complain about.
        for _ in 0..70 {
            drop(watch.enter());
            thread::sleep(Duration::from_millis(100));
        }
        eprintln!("still here");
        let _inside = watch.enter();
        thread::sleep(Duration::from_secs(600));
    }

    #[test]
    fn a_rank_that_mpi_does_not_let_go_says_who_is_lost_and_ends() {
        let rank = Command::new(std::env::current_exe().unwrap())
            .args(["rank_that_does_not_return", "--ignored", "--nocapture"])
            .env("STUCK_RANK", "1")
            .output()
            .unwrap();
        let said = String::from_utf8(rank.stderr).unwrap();
        assert!(!rank.status.success() && said.contains("still here\nrank 1 is lost: its process"), "{said}");
    }
}
