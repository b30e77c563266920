//! Directories that only their owner may enter: made with mode 0700, refused when wider.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use crate::profile::ProfileError;

/// Bits of a mode that let anyone but the owner in.
const OTHERS: u32 = 0o077;

/// Makes `path` (and its parents) with mode 0700 if it is missing, then checks it.
pub(crate) fn ensure(path: &Path) -> Result<(), ProfileError> {
    // `recursive` accepts an existing directory, so two controllers may start at once.
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Ok(()) => check(path),
        Err(e) if matches!(e.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory) => {
            Err(ProfileError::NotADirectory { path: path.to_owned() })
        }
        Err(source) => Err(ProfileError::Io { doing: "create the directory", path: path.to_owned(), source }),
    }
}

/// Checks that `path` is a directory of this user's that no one else may enter.
pub(crate) fn check(path: &Path) -> Result<(), ProfileError> {
    let found = fs::metadata(path).map_err(|source| ProfileError::Io {
        doing: "look at the directory",
        path: path.to_owned(),
        source,
    })?;
    if !found.is_dir() {
        return Err(ProfileError::NotADirectory { path: path.to_owned() });
    }
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us {
        return Err(ProfileError::ForeignOwner { path: path.to_owned(), owner: found.uid(), us });
    }
    let mode = found.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(ProfileError::Exposed { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Whether `path` is a directory that is private to this user: [`check`] without the reason.
pub(crate) fn is_private(path: &Path) -> bool {
    check(path).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn made_directories_and_their_parents_are_private() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("phalanx/nbserver");
        ensure(&path).unwrap();
        ensure(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
    }

    #[test]
    fn any_bit_for_others_is_refused_with_the_command_to_run() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("it's open");
        ensure(&path).unwrap();
        for wide in [0o750, 0o701, 0o770, 0o740, 0o777] {
            fs::set_permissions(&path, Permissions::from_mode(wide)).unwrap();
            let error = check(&path).unwrap_err();
            assert!(matches!(error, ProfileError::Exposed { mode, .. } if mode == wide), "{error}");
            assert!(
                error.to_string().contains("chmod 700 '") && error.to_string().contains(r"it'\''s open'"),
                "{error}"
            );
            assert!(ensure(&path).is_err());
        }
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        check(&path).unwrap();
    }

    #[test]
    fn another_users_directory_is_refused() {
        let us = rustix::process::geteuid();
        let home = tempfile::tempdir().unwrap();
        let theirs = if us.is_root() {
            // Only root can give a directory away; anyone else finds root's own to look at.
            std::os::unix::fs::chown(home.path(), Some(65534), None).unwrap();
            home.path()
        } else {
            Path::new("/")
        };
        let error = check(theirs).unwrap_err();
        assert!(matches!(error, ProfileError::ForeignOwner { us: u, .. } if u == us.as_raw()), "{error}");
        assert!(!is_private(theirs));
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("profile");
        fs::write(&path, "").unwrap();
        for path in [path.clone(), path.join("below")] {
            assert!(matches!(ensure(&path).unwrap_err(), ProfileError::NotADirectory { .. }));
        }
    }
}
