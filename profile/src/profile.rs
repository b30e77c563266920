//! One cluster's directory, and where in it everything is.

use std::env;
use std::io;
use std::path::{self, Path, PathBuf};

use crate::home::Home;
use crate::private_dir;
use crate::private_file::quoted;
use crate::role::Role;
use crate::socket;

/// A cluster's directory, checked to be private to this user.
///
/// ```
/// use phalanx_profile::Profile;
/// # let temporary = tempfile::tempdir()?;
/// # let directory = temporary.path().join("nbserver");
/// let profile = Profile::at(&directory)?;
/// assert_eq!(profile.name(), "nbserver");
/// assert_eq!(profile.engine_file(), directory.join("engine.json"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    name: String,
    path: PathBuf,
    socket: PathBuf,
}

impl Profile {
    /// The profile called `name` in [`Home::from_env`].
    ///
    /// # Errors
    /// [`ProfileError::UnknownProfile`] when there is none, with the names of those there are.
    pub fn open(name: &str) -> Result<Profile, ProfileError> {
        Home::from_env()?.open(name)
    }

    /// The profile called `name` in [`Home::from_env`], made if there is none.
    ///
    /// # Errors
    /// When the name cannot be one, or the directory is not private to this user.
    pub fn create_or_open(name: &str) -> Result<Profile, ProfileError> {
        Home::from_env()?.create_or_open(name)
    }

    /// The names of the profiles in [`Home::from_env`], sorted.
    ///
    /// # Errors
    /// When there is no home, or it cannot be read.
    pub fn list() -> Result<Vec<String>, ProfileError> {
        Home::from_env()?.list()
    }

    /// The profile whose directory is `path`, made with mode 0700 if it is missing: for tests and
    /// temporary clusters. Its name is the path's last component.
    ///
    /// # Errors
    /// When the directory is not private to this user. (Those that the `tempfile` crate makes by
    /// default are not: give it a path inside one.)
    pub fn at(path: impl AsRef<Path>) -> Result<Profile, ProfileError> {
        let path = path.as_ref();
        let absolute = path::absolute(path).map_err(|source| ProfileError::Io {
            doing: "find the directory",
            path: path.to_owned(),
            source,
        })?;
        private_dir::ensure(&absolute)?;
        let name = absolute.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Profile::from_checked(name, absolute)
    }

    /// A profile whose directory was just checked.
    pub(crate) fn from_checked(name: String, path: PathBuf) -> Result<Profile, ProfileError> {
        if path.to_str().is_none() {
            return Err(ProfileError::NotUnicode { path });
        }
        let runtime_dir = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let socket = socket::place(&path, runtime_dir.as_deref())?;
        Ok(Profile { name, path, socket })
    }

    /// The profile's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a controller started in this environment puts its Unix socket: `controller.sock` in the
    /// directory, or a short path elsewhere when that would be too long for the operating system.
    ///
    /// The place elsewhere depends on `XDG_RUNTIME_DIR`, so peers take the path from their
    /// connection file, and only the controller from here (through [`Lock::claim_socket`](crate::Lock::claim_socket)).
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The file whose lock the running controller holds.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.path.join("controller.lock")
    }

    /// What a peer with `role` needs to connect.
    #[must_use]
    pub fn connection_file(&self, role: Role) -> PathBuf {
        self.path.join(role.file_name())
    }

    /// What a client needs to connect.
    #[must_use]
    pub fn client_file(&self) -> PathBuf {
        self.connection_file(Role::Client)
    }

    /// What an engine daemon needs to connect: copy this one to other nodes.
    #[must_use]
    pub fn engine_file(&self) -> PathBuf {
        self.connection_file(Role::Engine)
    }

    /// The controller's own state.
    #[must_use]
    pub fn state_file(&self) -> PathBuf {
        self.path.join("state.json")
    }

    /// What has become of jobs; the controller writes it.
    #[must_use]
    pub fn history_file(&self) -> PathBuf {
        self.path.join("history.sqlite")
    }

    pub(crate) fn ca_key_file(&self) -> PathBuf {
        self.path.join("ca.key")
    }

    pub(crate) fn ca_certificate_file(&self) -> PathBuf {
        self.path.join("ca.crt")
    }

    /// The directory of the daemons' logs, made with mode 0700 if it is missing.
    ///
    /// # Errors
    /// When it cannot be made, or is open to others.
    pub fn log_dir(&self) -> Result<PathBuf, ProfileError> {
        self.subdirectory("log")
    }

    /// The directory of cached programs, made with mode 0700 if it is missing.
    ///
    /// # Errors
    /// When it cannot be made, or is open to others.
    pub fn programs_dir(&self) -> Result<PathBuf, ProfileError> {
        self.subdirectory("programs")
    }

    fn subdirectory(&self, name: &str) -> Result<PathBuf, ProfileError> {
        let path = self.path.join(name);
        private_dir::ensure(&path)?;
        Ok(path)
    }
}

/// Why a profile could not be opened or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// No profile may have this name.
    #[error(
        "`{name}` cannot be a profile's name: {why}; use 1 to 64 letters, digits, `-`, `_` and `.`, not starting with a dot"
    )]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Neither `PHALANX_HOME` nor `HOME` says where profiles live.
    #[error(
        "neither PHALANX_HOME nor HOME is set, so there is no place for profiles; set PHALANX_HOME to a directory of yours"
    )]
    NoHome,
    /// There is no profile of this name.
    #[error(
        "there is no profile `{name}` in {}; {}. `controller --profile {name}` makes it; if it lives elsewhere, set PHALANX_HOME to the directory above it",
        home.display(), listed(existing)
    )]
    UnknownProfile {
        /// The name asked for.
        name: String,
        /// Where it was looked for.
        home: PathBuf,
        /// The profiles there are, sorted.
        existing: Vec<String>,
    },
    /// Something other than a directory is in the way.
    #[error("{} is not a directory, or is below something that is not; remove or rename what is in the way", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// Others than the owner may enter the directory.
    #[error(
        "{} is open to other users (mode {mode:03o}), who could then run code as you; close it with: chmod 700 {}",
        path.display(), quoted(path)
    )]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The directory belongs to someone else.
    #[error(
        "{} belongs to user {owner}, and this process runs as user {us}; run as its owner, or choose another profile or PHALANX_HOME",
        path.display()
    )]
    ForeignOwner {
        /// The directory.
        path: PathBuf,
        /// The user id of its owner.
        owner: u32,
        /// The user id of this process.
        us: u32,
    },
    /// The path is not Unicode, so a connection file could not name it.
    #[error("{} is not valid UTF-8, so connection files could not name the socket in it; choose another PHALANX_HOME", path.display())]
    NotUnicode {
        /// The directory.
        path: PathBuf,
    },
    /// The operating system refused something else.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
}

fn listed(existing: &[String]) -> String {
    if existing.is_empty() {
        return "there are no profiles yet".to_owned();
    }
    let names: Vec<String> = existing.iter().map(|name| format!("`{name}`")).collect();
    format!("the profiles there: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn subdirectories_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let profile = Profile::at(dir.path().join("p")).unwrap();
        for path in [profile.log_dir().unwrap(), profile.programs_dir().unwrap()] {
            assert_eq!(path.parent(), Some(profile.path()));
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o700);
        }
    }

    #[test]
    fn a_path_that_a_connection_file_cannot_name_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = Profile::at(dir.path().join(OsStr::from_bytes(b"\xff"))).unwrap_err();
        assert!(matches!(error, ProfileError::NotUnicode { .. }), "{error}");
    }
}
