//! Where the controller's Unix socket goes.
//!
//! The kernel keeps a socket's address in 108 bytes. A profile deeper than that gets a short
//! private directory elsewhere, named after the profile directory's device and inode: these
//! stay the same however the directory is reached, so two controllers cannot miss each other.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::private_dir;
use crate::profile::ProfileError;

const SOCKET_NAME: &str = "controller.sock";

/// Longest path that can be bound: `sun_path` holds 108 bytes and a NUL ends it.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// The socket's path for the profile in `directory`, which exists.
pub(crate) fn place(directory: &Path, runtime_dir: Option<&Path>) -> Result<PathBuf, ProfileError> {
    let beside = directory.join(SOCKET_NAME);
    if fits(&beside) {
        return Ok(beside);
    }
    let found = fs::metadata(directory).map_err(|source| ProfileError::Io {
        doing: "look at the directory",
        path: directory.to_owned(),
        source,
    })?;
    let short = format!("phalanx-{}-{:x}-{:x}", found.uid(), found.dev(), found.ino());
    let in_runtime_dir = runtime_dir
        // The variable is inherited by `su` and friends, and then names another user's directory.
        .filter(|dir| dir.is_absolute() && dir.to_str().is_some() && private_dir::is_private(dir))
        .map(|dir| dir.join(&short).join(SOCKET_NAME))
        .filter(|path| fits(path));
    Ok(in_runtime_dir.unwrap_or_else(|| Path::new("/tmp").join(short).join(SOCKET_NAME)))
}

fn fits(path: &Path) -> bool {
    path.as_os_str().as_bytes().len() <= SOCKET_PATH_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn deep(home: &Path, bytes: usize) -> PathBuf {
        let missing = bytes - home.as_os_str().len() - 1;
        let path = home.join("d".repeat(missing));
        private_dir::ensure(&path).unwrap();
        path
    }

    #[test]
    fn the_longest_path_that_can_be_bound_is_used_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let directory = deep(home.path(), SOCKET_PATH_BYTES_MAX - SOCKET_NAME.len() - 1);
        let socket = place(&directory, None).unwrap();
        assert_eq!(socket, directory.join(SOCKET_NAME));
        assert_eq!(socket.as_os_str().len(), SOCKET_PATH_BYTES_MAX);
        UnixListener::bind(&socket).unwrap();
    }

    #[test]
    fn one_byte_more_goes_elsewhere() {
        let home = tempfile::tempdir().unwrap();
        let directory = deep(home.path(), SOCKET_PATH_BYTES_MAX - SOCKET_NAME.len());
        assert!(
            UnixListener::bind(directory.join(SOCKET_NAME)).is_err(),
            "the limit is higher than we think"
        );
        let socket = place(&directory, None).unwrap();
        assert!(socket.starts_with("/tmp") && fits(&socket), "{socket:?}");
        assert_eq!(place(&directory, None).unwrap(), socket, "it must not change from start to start");

        let runtime_dir = home.path().join("run");
        private_dir::ensure(&runtime_dir).unwrap();
        let socket = place(&directory, Some(&runtime_dir)).unwrap();
        assert!(socket.starts_with(&runtime_dir) && fits(&socket), "{socket:?}");
    }

    #[test]
    fn a_runtime_directory_that_is_not_ours_or_too_long_is_passed_over() {
        let home = tempfile::tempdir().unwrap();
        let directory = deep(home.path(), 150);
        for unfit in [Path::new("relative"), Path::new("/"), Path::new("/absent"), &directory] {
            assert!(place(&directory, Some(unfit)).unwrap().starts_with("/tmp"), "{unfit:?}");
        }
    }
}
