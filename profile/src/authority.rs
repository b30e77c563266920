//! The profile's certificate authority: it alone decides who belongs to the cluster.
//!
//! It is made at the controller's first start and kept, so that copies of `engine.json` on other
//! nodes stay good from start to start. Only the holder of the profile's [`Lock`] can open it,
//! so two controllers cannot make two authorities for one profile.

use std::fmt;

use rcgen::{Issuer, KeyPair, SanType};
use time::{Duration, OffsetDateTime};

use crate::authority_error::AuthorityError;
use crate::certificate::Certificate;
use crate::connection::{ConnectionError, ConnectionFile};
use crate::endpoints::Endpoints;
use crate::issue::{self, Identity, SERVER_NAME, Signer};
use crate::lock::Lock;
use crate::private_file::{self, FileError};
use crate::profile::Profile;
use crate::role::Role;
use crate::validity::{Moment, Validity};

/// Peers' certificates are renewed at a start of the controller when less than this remains.
const RENEWAL: Duration = Duration::days(30);

/// Signs the certificates of one profile's cluster.
///
/// Every method that depends on the time has a twin ending in `_at` that takes it.
pub struct Authority {
    profile: Profile,
    signer: Signer,
    ca_pem: String,
    certificate: Certificate,
}

/// What [`Authority::write_connection_files`] did, so that the controller can say it.
#[derive(Debug)]
pub struct WrittenFiles {
    /// `client.json`.
    pub client: FileOutcome,
    /// `engine.json`.
    pub engine: FileOutcome,
}

/// What became of one connection file.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileOutcome {
    /// There was none: it was made.
    Created,
    /// Its certificate was kept; copies elsewhere stay good as far as the endpoints did not change.
    Kept,
    /// Its certificate was near its end and was replaced: copy the file again before `old` ends.
    Renewed {
        /// Until when copies of the old file are good.
        old: Validity,
    },
    /// It could not be used and was replaced.
    Replaced {
        /// What was wrong with it.
        because: String,
    },
}

impl Authority {
    /// Opens the authority of the locked profile; makes it when there is none yet.
    ///
    /// # Errors
    /// [`AuthorityError`] when its files are damaged, open to others, do not belong together, or
    /// when its ten years are over.
    pub fn open(lock: &Lock) -> Result<Authority, AuthorityError> {
        Authority::open_at(lock, OffsetDateTime::now_utc())
    }

    /// [`Authority::open`], at `now`.
    ///
    /// # Errors
    /// As [`Authority::open`].
    pub fn open_at(lock: &Lock, now: OffsetDateTime) -> Result<Authority, AuthorityError> {
        let profile = lock.profile();
        let (key_file, certificate_file) = (profile.ca_key_file(), profile.ca_certificate_file());
        let ca_pem = match private_file::read(&certificate_file) {
            Ok(pem) => pem,
            Err(FileError::Missing { .. }) => {
                // The certificate is written last: without it, nothing was ever signed by a key
                // that may lie there from a start that was interrupted.
                let (pem, key) = issue::new_ca(&new_cluster_id()?, now).map_err(AuthorityError::Signing)?;
                private_file::write(&key_file, &key)?;
                private_file::write(&certificate_file, &pem)?;
                pem
            }
            Err(e) => return Err(e.into()),
        };
        let key_pem = match private_file::read(&key_file) {
            Err(FileError::Missing { path }) => {
                return Err(AuthorityError::KeyMissing { path, certificate_file });
            }
            read => read?,
        };
        Authority::assemble(profile.clone(), ca_pem, &key_pem, now)
    }

    fn assemble(
        profile: Profile,
        ca_pem: String,
        key_pem: &str,
        now: OffsetDateTime,
    ) -> Result<Authority, AuthorityError> {
        let path = profile.ca_certificate_file();
        let certificate = Certificate::from_pem(&ca_pem)
            .map_err(|source| AuthorityError::BadCertificate { path: path.clone(), source })?;
        let key =
            KeyPair::from_pem(key_pem).map_err(|_| AuthorityError::BadKey { path: profile.ca_key_file() })?;
        if key.public_key_raw() != certificate.public_key {
            return Err(AuthorityError::KeyMismatch { profile: profile.path().to_owned() });
        }
        let cluster_id = match &certificate.organization {
            Some(id) if certificate.is_ca && certificate.is_signed_by(&certificate) => id.clone(),
            _ => return Err(AuthorityError::NotOurs { path }),
        };
        if let Err(source) = certificate.validity.check(now) {
            return Err(AuthorityError::NotValid { profile: profile.path().to_owned(), source });
        }
        let issuer = Issuer::from_ca_cert_pem(&ca_pem, key).map_err(AuthorityError::Signing)?;
        let signer = Signer { issuer, cluster_id, not_after: certificate.validity.not_after };
        Ok(Authority { profile, signer, ca_pem, certificate })
    }

    /// The cluster's id: random, made with the authority, and carried by every certificate of it.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.signer.cluster_id
    }

    /// The CA's certificate in PEM form: what peers are checked against.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// From when to when the CA holds.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.certificate.validity
    }

    /// A new certificate for the controller to serve with, naming [`SERVER_NAME`], `localhost`,
    /// both loopback addresses, this host's name and `advertised` (names or IP addresses, without port).
    ///
    /// # Errors
    /// [`AuthorityError::BadHost`] when one of `advertised` is neither.
    pub fn server_identity(&self, advertised: &[String]) -> Result<Identity, AuthorityError> {
        self.server_identity_at(advertised, OffsetDateTime::now_utc())
    }

    /// [`Authority::server_identity`], made at `now`.
    ///
    /// # Errors
    /// As [`Authority::server_identity`].
    pub fn server_identity_at(
        &self,
        advertised: &[String],
        now: OffsetDateTime,
    ) -> Result<Identity, AuthorityError> {
        let mut hosts: Vec<SanType> = Vec::with_capacity(advertised.len() + 1);
        // This machine may have a name that DNS could not; peers can do without it.
        hosts.extend(own_host_name().and_then(|name| host(&name).ok()));
        for name in advertised {
            hosts.push(host(name)?);
        }
        self.identity(self.signer.server(&hosts, now))
    }

    /// A new certificate for a peer with `role`; [`Authority::write_connection_files`] uses it.
    ///
    /// # Errors
    /// [`AuthorityError::Signing`] when the machine has no randomness.
    pub fn peer_identity_at(&self, role: Role, now: OffsetDateTime) -> Result<Identity, AuthorityError> {
        self.identity(self.signer.peer(role, now))
    }

    fn identity(&self, made: Result<(String, String), rcgen::Error>) -> Result<Identity, AuthorityError> {
        let (certificate_pem, key_pem) = made.map_err(AuthorityError::Signing)?;
        Ok(Identity { ca_pem: self.ca_pem.clone(), certificate_pem, key_pem })
    }

    /// Writes `client.json` and `engine.json` with these endpoints, keeping the certificates in
    /// them while they hold for another 30 days.
    ///
    /// # Errors
    /// When an endpoint cannot be one, or a file cannot be written.
    pub fn write_connection_files(&self, endpoints: &Endpoints) -> Result<WrittenFiles, AuthorityError> {
        self.write_connection_files_at(endpoints, OffsetDateTime::now_utc())
    }

    /// [`Authority::write_connection_files`], at `now`.
    ///
    /// # Errors
    /// As [`Authority::write_connection_files`].
    pub fn write_connection_files_at(
        &self,
        endpoints: &Endpoints,
        now: OffsetDateTime,
    ) -> Result<WrittenFiles, AuthorityError> {
        endpoints.check()?;
        Ok(WrittenFiles {
            client: self.write_one(Role::Client, endpoints, now)?,
            engine: self.write_one(Role::Engine, endpoints, now)?,
        })
    }

    fn write_one(
        &self,
        role: Role,
        endpoints: &Endpoints,
        now: OffsetDateTime,
    ) -> Result<FileOutcome, AuthorityError> {
        let path = self.profile.connection_file(role);
        let (kept, outcome) = match ConnectionFile::load_at(&path, role, now) {
            Ok(old) => self.judge(old, now),
            Err(ConnectionError::Missing { .. }) => (None, FileOutcome::Created),
            // Whatever is wrong with it, a start of the controller is its remedy.
            Err(e) => (None, FileOutcome::Replaced { because: e.to_string() }),
        };
        let identity = match kept {
            Some(identity) => identity,
            None => self.peer_identity_at(role, now)?,
        };
        let file = ConnectionFile {
            role,
            profile: self.profile.name().to_owned(),
            cluster_id: self.cluster_id().to_owned(),
            endpoints: endpoints.clone(),
            server_name: SERVER_NAME.to_owned(),
            ca_pem: identity.ca_pem,
            certificate_pem: identity.certificate_pem,
            key_pem: identity.key_pem,
        };
        file.save(&path)?;
        Ok(outcome)
    }

    /// Whether the certificate in a file that loads well can stay.
    fn judge(&self, old: ConnectionFile, now: OffsetDateTime) -> (Option<Identity>, FileOutcome) {
        let ours =
            Certificate::from_pem(&old.certificate_pem).ok().filter(|c| c.is_signed_by(&self.certificate));
        match ours {
            Some(c) if c.validity.remaining(now) >= RENEWAL => {
                let identity = Identity {
                    ca_pem: self.ca_pem.clone(),
                    certificate_pem: old.certificate_pem,
                    key_pem: old.key_pem,
                };
                (Some(identity), FileOutcome::Kept)
            }
            Some(c) => (None, FileOutcome::Renewed { old: c.validity }),
            None => (
                None,
                FileOutcome::Replaced { because: "another authority signed its certificate".to_owned() },
            ),
        }
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("cluster_id", &self.cluster_id()).finish_non_exhaustive()
    }
}

fn host(name: &str) -> Result<SanType, AuthorityError> {
    let bad = || AuthorityError::BadHost { host: name.to_owned() };
    let found = issue::alternative_name(name).map_err(|_| bad())?;
    match &found {
        SanType::DnsName(dns) if !is_dns_name(dns.as_str()) => Err(bad()),
        _ => Ok(found),
    }
}

fn is_dns_name(name: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn own_host_name() -> Option<String> {
    rustix::system::uname().nodename().to_str().ok().map(str::to_owned)
}

fn new_cluster_id() -> Result<String, AuthorityError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| AuthorityError::Signing(rcgen::Error::RingUnspecified))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

impl fmt::Display for FileOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileOutcome::Created => f.write_str("created"),
            FileOutcome::Kept => f.write_str("kept"),
            FileOutcome::Renewed { old } => {
                write!(f, "renewed; copies of the old file are good until {}", Moment(old.not_after))
            }
            FileOutcome::Replaced { because } => write!(f, "replaced, because {because}"),
        }
    }
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
