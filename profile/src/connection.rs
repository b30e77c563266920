//! The connection file: the one thing a peer needs to find a controller and be trusted by it.
//!
//! It is JSON, so that people and other languages can read it, and its mode is 0600, because it
//! holds a private key: who has `client.json` can run code in the cluster.

use std::fmt;
use std::path::{Path, PathBuf};

use rcgen::KeyPair;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::certificate::{Certificate, CertificateError};
use crate::endpoints::{EndpointError, Endpoints};
use crate::private_file::{self, FileError};
use crate::role::{Role, RoleError};
use crate::validity::{Validity, ValidityError};

/// The version of the format written and understood.
const FORMAT: u32 = 1;

/// How to reach one cluster in one role.
///
/// Its `Debug` output leaves out the private key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionFile {
    /// What its bearer may do.
    pub role: Role,
    /// The profile's name, for messages.
    pub profile: String,
    /// The cluster's id; see [`Authority::cluster_id`](crate::Authority::cluster_id).
    pub cluster_id: String,
    /// Where the controller listens.
    pub endpoints: Endpoints,
    /// The name to check the controller's certificate against, whatever address was dialled.
    pub server_name: String,
    /// The CA that signed the controller's certificate.
    pub ca_pem: String,
    /// The certificate to show to the controller.
    pub certificate_pem: String,
    /// Its private key (PKCS #8).
    pub key_pem: String,
}

/// What every version of the format has.
#[derive(Deserialize)]
struct Header {
    format: u64,
}

/// What is on disk: the version, then the rest.
#[derive(Serialize)]
struct Versioned<'a> {
    format: u32,
    #[serde(flatten)]
    file: &'a ConnectionFile,
}

impl ConnectionFile {
    /// Reads the file at `path` and checks that a peer in `role` can connect with it today.
    ///
    /// # Errors
    /// [`ConnectionError`], which says for each fault what to do about it.
    ///
    /// ```
    /// use phalanx_profile::{ConnectionError, ConnectionFile, Role};
    /// let error = ConnectionFile::load("/nowhere/client.json", Role::Client).unwrap_err();
    /// assert!(matches!(error, ConnectionError::Missing { .. }));
    /// ```
    pub fn load(path: impl AsRef<Path>, role: Role) -> Result<ConnectionFile, ConnectionError> {
        ConnectionFile::load_at(path, role, OffsetDateTime::now_utc())
    }

    /// [`ConnectionFile::load`], at `now`.
    ///
    /// # Errors
    /// As [`ConnectionFile::load`].
    pub fn load_at(
        path: impl AsRef<Path>,
        role: Role,
        now: OffsetDateTime,
    ) -> Result<ConnectionFile, ConnectionError> {
        let path = path.as_ref();
        let text = private_file::read(path).map_err(|e| match e {
            FileError::Missing { path } => ConnectionError::Missing { path },
            other => ConnectionError::File(other),
        })?;
        let file = parse(&text, path)?;
        if file.role != role {
            let instead = role.file_beside(path);
            return Err(ConnectionError::WrongRole {
                path: path.to_owned(),
                found: file.role,
                needed: role,
                instead,
            });
        }
        file.check(path, now)?;
        Ok(file)
    }

    /// Writes it to `path`, mode 0600, all at once: a reader finds the old file or this one.
    ///
    /// # Errors
    /// [`ConnectionError::File`] when the operating system refuses, [`ConnectionError::BadEndpoint`]
    /// when an endpoint cannot be one.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ConnectionError> {
        let path = path.as_ref();
        self.endpoints
            .check()
            .map_err(|source| ConnectionError::BadEndpoint { path: path.to_owned(), source })?;
        let mut text = serde_json::to_string_pretty(&Versioned { format: FORMAT, file: self })
            .map_err(|source| ConnectionError::NotWritable { path: path.to_owned(), source })?;
        text.push('\n');
        Ok(private_file::write(path, &text)?)
    }

    /// From when to when its certificate holds.
    ///
    /// # Errors
    /// [`CertificateError`] when it is none; a file that was loaded has a good one.
    pub fn validity(&self) -> Result<Validity, CertificateError> {
        Validity::of_pem(&self.certificate_pem)
    }

    fn check(&self, path: &Path, now: OffsetDateTime) -> Result<(), ConnectionError> {
        let path = || path.to_owned();
        self.endpoints.check().map_err(|source| ConnectionError::BadEndpoint { path: path(), source })?;
        let read = |pem: &str, which| {
            Certificate::from_pem(pem).map_err(|source| ConnectionError::BadCertificate {
                path: path(),
                which,
                source,
            })
        };
        let ca = read(&self.ca_pem, "CA")?;
        let own = read(&self.certificate_pem, "own")?;
        match &own.role {
            Ok(role) if *role == self.role => {}
            Ok(carried) => {
                return Err(ConnectionError::RoleForged {
                    path: path(),
                    claimed: self.role,
                    carried: *carried,
                });
            }
            Err(source) => return Err(ConnectionError::NoRole { path: path(), source: source.clone() }),
        }
        let key = KeyPair::from_pem(&self.key_pem).map_err(|_| ConnectionError::BadKey { path: path() })?;
        if key.public_key_raw() != own.public_key {
            return Err(ConnectionError::BadKey { path: path() });
        }
        if !own.is_signed_by(&ca) {
            return Err(ConnectionError::NotSigned { path: path() });
        }
        for certificate in [&own, &ca] {
            certificate
                .validity
                .check(now)
                .map_err(|source| ConnectionError::NotValid { path: path(), source })?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConnectionFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionFile")
            .field("role", &self.role)
            .field("profile", &self.profile)
            .field("cluster_id", &self.cluster_id)
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}

fn parse(text: &str, path: &Path) -> Result<ConnectionFile, ConnectionError> {
    let damaged = |source: serde_json::Error| {
        let path = path.to_owned();
        if source.is_eof() {
            ConnectionError::Truncated { path }
        } else {
            ConnectionError::Malformed { path, source }
        }
    };
    let header: Header = serde_json::from_str(text).map_err(damaged)?;
    if header.format != u64::from(FORMAT) {
        return Err(ConnectionError::UnsupportedFormat { path: path.to_owned(), found: header.format });
    }
    serde_json::from_str(text).map_err(damaged)
}

/// Why a connection file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// There is no such file.
    #[error(
        "there is no connection file {}; a controller writes it when it starts (controller --profile NAME), and other machines need a copy of it",
        path.display()
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It cannot be read, or is open to others.
    #[error(transparent)]
    File(#[from] FileError),
    /// It ends in the middle.
    #[error("{} ends in the middle: it was copied incompletely; copy it again from the controller's profile", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// It is not JSON, or not that of a connection file.
    #[error("{} is not a connection file ({source}); copy it again from the controller's profile", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser met.
        source: serde_json::Error,
    },
    /// Another version of Phalanx wrote it.
    #[error(
        "{} has format {found}, and this version of Phalanx understands format {FORMAT}; use the controller's version of Phalanx on this machine",
        path.display()
    )]
    UnsupportedFormat {
        /// The file.
        path: PathBuf,
        /// Its format's version.
        found: u64,
    },
    /// It is the file of the other role.
    #[error("{} has the role `{found}`, and `{needed}` is needed here; use {instead}", path.display())]
    WrongRole {
        /// The file.
        path: PathBuf,
        /// The role it gives.
        found: Role,
        /// The role that is needed.
        needed: Role,
        /// The file to use.
        instead: String,
    },
    /// It says one role, and its certificate another.
    #[error("{} says its role is `{claimed}`, and its certificate has `{carried}`: it was edited; copy it again from the controller's profile", path.display())]
    RoleForged {
        /// The file.
        path: PathBuf,
        /// The role it says.
        claimed: Role,
        /// The role its certificate carries, which alone counts.
        carried: Role,
    },
    /// Its certificate carries no role.
    #[error("the certificate in {} cannot serve: {source}", path.display())]
    NoRole {
        /// The file.
        path: PathBuf,
        /// What is wrong with the role.
        source: RoleError,
    },
    /// One of its certificates is damaged.
    #[error("the {which} certificate in {} is damaged: {source}; copy the file again from the controller's profile", path.display())]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// `CA` or `own`.
        which: &'static str,
        /// What is wrong.
        source: CertificateError,
    },
    /// Its key is damaged, or of another certificate.
    #[error("the key in {} is damaged or does not belong to the certificate beside it; copy the file again from the controller's profile", path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
    },
    /// Its CA did not sign its certificate.
    #[error("the certificate in {} was not signed by the CA beside it: two files were mixed; copy it again from the controller's profile", path.display())]
    NotSigned {
        /// The file.
        path: PathBuf,
    },
    /// Its certificate is out of its time.
    #[error(
        "the certificate in {} {source}; check this machine's clock, else restart the controller, which renews it, and copy the file again",
        path.display()
    )]
    NotValid {
        /// The file.
        path: PathBuf,
        /// Expired, or not yet valid, and when.
        source: ValidityError,
    },
    /// An endpoint in it cannot be one.
    #[error("{} names no usable endpoint: {source}", path.display())]
    BadEndpoint {
        /// The file.
        path: PathBuf,
        /// Which, and why.
        source: EndpointError,
    },
    /// It cannot be expressed in JSON.
    #[error("cannot write {}: {source}; the path of the socket must be valid UTF-8", path.display())]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// What JSON cannot hold.
        source: serde_json::Error,
    },
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
