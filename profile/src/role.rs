//! What the bearer of a certificate may do.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use x509_parser::prelude::X509Certificate;

use crate::certificate::{self, CertificateError};

/// What a peer may do: a certificate carries exactly one role, as its subject's organizational unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May submit work; may not register engines.
    Client,
    /// May register engines; may not submit work.
    Engine,
}

impl Role {
    /// Both roles.
    pub const ALL: [Role; 2] = [Role::Client, Role::Engine];

    /// What a certificate of this role carries as its organizational unit.
    #[must_use]
    pub fn organizational_unit(self) -> &'static str {
        match self {
            Role::Client => "phalanx-client",
            Role::Engine => "phalanx-engine",
        }
    }

    /// The name of this role's connection file in a profile.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Role::Client => "client.json",
            Role::Engine => "engine.json",
        }
    }

    /// Where to look for this role's file when `path` turned out to be the other's.
    pub(crate) fn file_beside(self, path: &Path) -> String {
        path.with_file_name(self.file_name()).display().to_string()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Client => "client",
            Role::Engine => "engine",
        })
    }
}

/// Why a certificate carries no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoleError {
    /// It cannot be parsed.
    #[error("the peer's certificate cannot be read: {0}")]
    Malformed(#[from] CertificateError),
    /// It names no role: it is none of ours.
    #[error(
        "the peer's certificate carries no role; peers connect with the certificate in client.json or engine.json"
    )]
    Missing,
    /// It names more than one.
    #[error("the peer's certificate carries {count} roles; one is allowed")]
    Several {
        /// How many organizational units it has.
        count: usize,
    },
    /// It names something that is no role: it is the controller's own certificate, or another version's.
    #[error(
        "the peer's certificate carries `{found}`, which is no role; peers connect with the certificate in client.json or engine.json"
    )]
    Unknown {
        /// Its organizational unit.
        found: String,
    },
}

/// The role that the certificate `der` carries.
///
/// This reads the certificate; it does not verify it. The TLS layer did that, against the
/// profile's CA, before the connection was let in.
///
/// # Errors
/// [`RoleError`] when it is no certificate or does not carry exactly one known role.
///
/// ```
/// use phalanx_profile::{RoleError, role_of};
/// assert!(matches!(role_of(b"no certificate"), Err(RoleError::Malformed(_))));
/// ```
pub fn role_of(der: &[u8]) -> Result<Role, RoleError> {
    role_in(&certificate::parse(der)?)
}

pub(crate) fn role_in(certificate: &X509Certificate<'_>) -> Result<Role, RoleError> {
    let mut units = certificate.subject().iter_organizational_unit();
    let Some(unit) = units.next() else { return Err(RoleError::Missing) };
    let more = units.count();
    if more > 0 {
        return Err(RoleError::Several { count: more + 1 });
    }
    let found = unit.as_str().unwrap_or("(not text)");
    let role = Role::ALL.into_iter().find(|role| role.organizational_unit() == found);
    role.ok_or_else(|| RoleError::Unknown { found: found.to_owned() })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CustomExtension, DnType, KeyPair};

    use super::*;

    fn certificate(unit: Option<&str>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        if let Some(unit) = unit {
            params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn each_role_is_read_back() {
        for role in Role::ALL {
            assert_eq!(role_of(&certificate(Some(role.organizational_unit()))), Ok(role));
        }
    }

    #[test]
    fn no_role_and_unknown_roles_are_refused() {
        assert_eq!(role_of(&certificate(None)), Err(RoleError::Missing));
        for unit in ["", "phalanx", "Phalanx-Client", "phalanx-client ", "phalanx-client\0", "phalanx-ca"] {
            assert_eq!(role_of(&certificate(Some(unit))), Err(RoleError::Unknown { found: unit.to_owned() }));
        }
    }

    #[test]
    fn a_second_role_is_refused() {
        // An OU under an arbitrary OID of the same value type is the one way rcgen writes two.
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationalUnitName, "phalanx-client");
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 11]), "phalanx-engine");
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        assert_eq!(role_of(&der), Err(RoleError::Several { count: 2 }));
    }

    #[test]
    fn a_role_elsewhere_in_the_certificate_does_not_count() {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "phalanx-client");
        params
            .custom_extensions
            .push(CustomExtension::from_oid_content(&[1, 2, 3], b"phalanx-client".to_vec()));
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        assert_eq!(role_of(&der), Err(RoleError::Missing));
    }

    #[test]
    fn every_truncation_and_every_flipped_byte_is_answered_without_a_panic() {
        let der = certificate(Some("phalanx-client"));
        for end in 0..der.len() {
            assert!(role_of(&der[..end]).is_err(), "cut at {end}");
        }
        for at in 0..der.len() {
            let mut damaged = der.clone();
            damaged[at] ^= 0xff;
            let _ = role_of(&damaged); // may still parse: a role is read, not verified
        }
        let longer = [&der[..], &[0]].concat();
        assert!(matches!(role_of(&longer), Err(RoleError::Malformed(_))));
    }
}
