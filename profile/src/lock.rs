//! One controller per profile: an exclusive lock, held for the life of the process.
//!
//! It is an open file description lock (fcntl(2), `F_OFD_SETLK`): the kernel drops it with the
//! process, however that ends, so a file left by a killed controller blocks nobody; it can be
//! asked after without being taken (`F_OFD_GETLK`), so `status` cannot make a start fail; and it
//! excludes a second holder in the same process and, on NFS, on other machines too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::holder::Holder;
use crate::private_dir;
use crate::profile::{Profile, ProfileError};

/// A holder's record is far shorter; what is longer is not one.
const RECORD_BYTES_MAX: u64 = 4096;

/// How often a lock file may be replaced under us before we give up.
const ATTEMPTS_MAX: usize = 16;

/// The right to be the controller of a profile. Dropping it, or the death of the process, gives it up.
///
/// ```
/// use phalanx_profile::{Lock, LockError, LockStatus, Profile};
/// # let temporary = tempfile::tempdir()?;
/// # let directory = temporary.path().join("p");
/// let profile = Profile::at(directory)?;
/// assert!(matches!(Lock::status(&profile)?, LockStatus::Free));
/// let lock = Lock::acquire(&profile)?;
/// match Lock::acquire(&profile) {
///     Err(LockError::AlreadyRunning { holder, .. }) => assert_eq!(holder.pid, std::process::id()),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Lock {
    profile: Profile,
    file: File,
}

/// Who holds a profile's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockStatus {
    /// Nobody: no controller runs.
    Free,
    /// This process: a controller runs.
    Held(Holder),
    /// Somebody who has not written who they are: starting right now, or in another container
    /// where process ids mean something else.
    HeldByUnknown,
}

impl Lock {
    /// Takes the lock of `profile`, at once or not at all.
    ///
    /// # Errors
    /// [`LockError::AlreadyRunning`], with the process that holds it.
    pub fn acquire(profile: &Profile) -> Result<Lock, LockError> {
        let path = profile.lock_file();
        let failed = |doing, source| LockError::Io { doing, path: path.clone(), source };
        for _ in 0..ATTEMPTS_MAX {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)
                .map_err(|e| failed("open", e))?;
            if !try_lock(&file).map_err(|source| LockError::Unsupported { path: path.clone(), source })? {
                let profile = profile.name().to_owned();
                return Err(match read_holder(&file) {
                    Some(holder) => LockError::AlreadyRunning { profile, holder },
                    None => LockError::HeldByUnknown { profile },
                });
            }
            // Had somebody removed the file in between, ours would be the lock of a file that
            // nobody else will ever look at.
            if !is_same_file(&file, &path) {
                continue;
            }
            record(&file, &Holder::this_process()).map_err(|e| failed("write", e))?;
            return Ok(Lock { profile: profile.clone(), file });
        }
        Err(failed("lock", io::Error::other("it is removed again and again by another process")))
    }

    /// Who holds the lock of `profile`, without touching it.
    ///
    /// # Errors
    /// When the lock file exists and cannot be opened or asked after.
    pub fn status(profile: &Profile) -> Result<LockStatus, LockError> {
        let path = profile.lock_file();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(LockStatus::Free),
            Err(source) => return Err(LockError::Io { doing: "open", path, source }),
        };
        if !is_locked(&file).map_err(|source| LockError::Unsupported { path, source })? {
            return Ok(LockStatus::Free);
        }
        Ok(read_holder(&file).map_or(LockStatus::HeldByUnknown, LockStatus::Held))
    }

    /// The profile it is the lock of.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Makes the place of the controller's socket ready and returns the path to bind: its directory
    /// is made, where it is not the profile's own, and the socket of a dead controller is removed.
    /// Dropping the lock removes the socket again.
    ///
    /// # Errors
    /// When the directory is not private to this user, or the old socket cannot be removed.
    pub fn claim_socket(&self) -> Result<PathBuf, ProfileError> {
        let socket = self.profile.socket();
        if let Some(directory) = socket.parent() {
            private_dir::ensure(directory)?;
        }
        match fs::remove_file(socket) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(ProfileError::Io {
                doing: "remove the socket of an earlier controller at",
                path: socket.to_owned(),
                source,
            }),
            _ => Ok(socket.to_owned()),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The record of who held it ends with the holding. The file stays: removing it would let
        // one process lock the removed file and another a new one. Nothing here must succeed: the
        // next controller copes with what a killed one leaves.
        let _ = self.file.set_len(0);
        // While the lock is still held, no other controller can have bound the socket anew.
        let socket = self.profile.socket();
        let _ = fs::remove_file(socket);
        if let Some(elsewhere) = socket.parent().filter(|dir| *dir != self.profile.path()) {
            let _ = fs::remove_dir(elsewhere);
        }
    }
}

fn record(mut file: &File, holder: &Holder) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&serde_json::to_vec(holder)?)
}

/// The record in the file, if it describes who holds the lock now. One that a killed controller
/// left is still there for a moment after its successor took the lock; whoever believed it could
/// send a signal to a stranger.
fn read_holder(file: &File) -> Option<Holder> {
    let mut bytes = Vec::new();
    file.take(RECORD_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let holder: Holder = serde_json::from_slice(&bytes).ok()?;
    (!holder.is_on_this_host() || holder.is_running_here()).then_some(holder)
}

fn is_same_file(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// Takes the lock unless somebody has it; says whether it did.
fn try_lock(file: &File) -> io::Result<bool> {
    match fcntl_lock(file, libc::F_OFD_SETLK) {
        Ok(_) => Ok(true),
        // EACCES is POSIX's other word for EAGAIN here.
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Whether another open file description holds the lock.
fn is_locked(file: &File) -> io::Result<bool> {
    fcntl_lock(file, libc::F_OFD_GETLK).map(|answer| i32::from(answer.l_type) != libc::F_UNLCK)
}

/// `fcntl` with an exclusive lock on the whole file; returns what the kernel wrote back.
#[allow(unsafe_code, reason = "no safe wrapper has open file description locks")]
fn fcntl_lock(file: &File, command: libc::c_int) -> io::Result<libc::flock> {
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0, // to the end of the file, wherever that comes to be
        l_pid: 0, // as open file description locks demand
    };
    // SAFETY: the descriptor is open for as long as `file` is borrowed, both commands used with
    // this function take a pointer to a `struct flock`, and `lock` is one that outlives the call.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(lock) }
}

/// Why a profile's lock could not be taken or asked after.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// A controller runs on this profile.
    #[error(
        "a controller already runs on profile `{profile}`: {holder}; use it, stop it (phalanx stop --profile {profile}), or choose another profile"
    )]
    AlreadyRunning {
        /// The profile's name.
        profile: String,
        /// The process that holds the lock.
        holder: Holder,
    },
    /// Somebody holds the lock, and it is not known who.
    #[error(
        "profile `{profile}` is locked by a process that has not said which it is: a controller is just starting, or runs in another container; try again in a moment, or choose another profile"
    )]
    HeldByUnknown {
        /// The profile's name.
        profile: String,
    },
    /// The file system has no locks.
    #[error("cannot lock {}: {source}; if its file system has no locks, set PHALANX_HOME to a directory on a local one", path.display())]
    Unsupported {
        /// The lock file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The lock file cannot be used.
    #[error("cannot {doing} the lock file {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The lock file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
