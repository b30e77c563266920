//! Where profiles live: `$PHALANX_HOME`, or `~/.phalanx`.

use std::env;
use std::fs;
use std::io;
use std::path::{self, Path, PathBuf};

use crate::name;
use crate::private_dir;
use crate::profile::{Profile, ProfileError};

/// The directory that holds the named profiles.
///
/// [`Profile::open`] and its siblings use [`Home::from_env`]; a `Home` of one's own serves
/// programs that keep their clusters elsewhere.
///
/// ```
/// use phalanx_profile::Home;
/// # let temporary = tempfile::tempdir()?;
/// # let directory = temporary.path();
/// let home = Home::at(directory)?;
/// home.create_or_open("nbserver")?;
/// assert_eq!(home.list()?, ["nbserver"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// `$PHALANX_HOME`, or `~/.phalanx` where that is unset or empty.
    ///
    /// # Errors
    /// [`ProfileError::NoHome`] when neither `PHALANX_HOME` nor `HOME` is set.
    pub fn from_env() -> Result<Home, ProfileError> {
        let set = |name| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let path = set("PHALANX_HOME").or_else(|| set("HOME").map(|home| home.join(".phalanx")));
        Home::at(path.ok_or(ProfileError::NoHome)?)
    }

    /// The home at `path`, which need not exist yet; a relative one is taken from where the process stands now.
    ///
    /// # Errors
    /// [`ProfileError::Io`] when the current directory is needed and gone.
    pub fn at(path: impl AsRef<Path>) -> Result<Home, ProfileError> {
        let path = path.as_ref();
        let absolute = path::absolute(path).map_err(|source| ProfileError::Io {
            doing: "find the directory",
            path: path.to_owned(),
            source,
        })?;
        Ok(Home { path: absolute })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The profile called `name`.
    ///
    /// # Errors
    /// [`ProfileError::UnknownProfile`] when there is none; otherwise as [`Profile::at`].
    pub fn open(&self, name: &str) -> Result<Profile, ProfileError> {
        let path = self.directory_of(name)?;
        match fs::metadata(&path) {
            Ok(_) => {
                private_dir::check(&path)?;
                Profile::from_checked(name.to_owned(), path)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(ProfileError::UnknownProfile {
                name: name.to_owned(),
                home: self.path.clone(),
                // The missing profile is the news; that its siblings cannot be listed is not.
                existing: self.list().unwrap_or_default(),
            }),
            Err(source) => Err(ProfileError::Io { doing: "look at the profile", path, source }),
        }
    }

    /// The profile called `name`, made with mode 0700 if there is none yet.
    ///
    /// # Errors
    /// As [`Profile::at`], and [`ProfileError::BadName`].
    pub fn create_or_open(&self, name: &str) -> Result<Profile, ProfileError> {
        let path = self.directory_of(name)?;
        private_dir::ensure(&path)?;
        Profile::from_checked(name.to_owned(), path)
    }

    /// The names of the profiles there are, sorted.
    ///
    /// # Errors
    /// [`ProfileError::Io`] when the directory exists and cannot be read.
    pub fn list(&self) -> Result<Vec<String>, ProfileError> {
        let failed =
            |source| ProfileError::Io { doing: "list the profiles in", path: self.path.clone(), source };
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(failed(e)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let Ok(found) = entry.file_name().into_string() else { continue };
            if name::check(&found).is_ok() && entry.path().is_dir() {
                names.push(found);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn directory_of(&self, name: &str) -> Result<PathBuf, ProfileError> {
        name::check(name).map_err(|why| ProfileError::BadName { name: name.to_owned(), why })?;
        Ok(self.path.join(name))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_missing_profile_says_what_there_is_and_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("home")).unwrap();
        let error = home.open("nbserver").unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, ProfileError::UnknownProfile { ref existing, .. } if existing.is_empty()));
        assert!(
            message.contains("there are no profiles yet")
                && message.contains("controller --profile nbserver"),
            "{message}"
        );
        assert!(message.contains(&home.path().display().to_string()), "{message}");

        home.create_or_open("beta").unwrap();
        home.create_or_open("alpha").unwrap();
        fs::write(home.path().join("notes"), "").unwrap();
        fs::create_dir(home.path().join(".hidden")).unwrap();
        assert_eq!(home.list().unwrap(), ["alpha", "beta"]);
        let error = home.open("nbserver").unwrap_err();
        assert!(
            matches!(error, ProfileError::UnknownProfile { ref existing, .. } if existing == &["alpha", "beta"])
        );
        assert!(error.to_string().contains("`alpha`, `beta`"), "{error}");
    }

    #[test]
    fn created_then_opened() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        let made = home.create_or_open("nbserver").unwrap();
        assert_eq!(home.open("nbserver").unwrap(), made);
        assert_eq!((made.name(), made.path()), ("nbserver", &*dir.path().join("nbserver")));

        fs::set_permissions(made.path(), Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(home.open("nbserver").unwrap_err(), ProfileError::Exposed { .. }));
        assert!(matches!(home.create_or_open("nbserver").unwrap_err(), ProfileError::Exposed { .. }));
    }

    #[test]
    fn a_bad_name_never_reaches_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("home")).unwrap();
        assert!(matches!(home.create_or_open("../evil").unwrap_err(), ProfileError::BadName { .. }));
        assert!(matches!(home.open("").unwrap_err(), ProfileError::BadName { .. }));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_relative_home_is_made_absolute() {
        assert!(Home::at("some/where").unwrap().path().is_absolute());
    }
}
