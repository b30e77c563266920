//! Making certificates: the CA, the server's and the peers'.
//!
//! All are ECDSA over P-256 with SHA-256. The CA may sign only leaves (path length 0), a server's
//! certificate is good only for serving and a peer's only for connecting, so none can stand in
//! for another even before roles are looked at.

use std::fmt;
use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use crate::role::Role;

/// The name that every server certificate carries and every connection file names.
///
/// The CA is the profile's own, so this name needs no DNS: a peer checks *which cluster* it
/// reached, and may reach it by any address, forwarded port or tunnel.
pub const SERVER_NAME: &str = "controller.phalanx.internal";

/// How long the CA holds.
pub(crate) const CA_LIFETIME: Duration = Duration::days(3650);

/// How long the server's and the peers' certificates hold.
pub(crate) const LEAF_LIFETIME: Duration = Duration::days(365);

/// Certificates start this much before they are made: the clocks of a cluster's nodes differ.
pub(crate) const CLOCK_SKEW: Duration = Duration::hours(1);

/// A certificate with its private key, both in PEM form.
///
/// Its `Debug` output leaves out the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The CA's certificate, against which the other side is checked.
    pub ca_pem: String,
    /// The certificate to show.
    pub certificate_pem: String,
    /// Its private key (PKCS #8).
    pub key_pem: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

/// A CA at work: what its certificates have in common.
pub(crate) struct Signer {
    /// The CA's name and key.
    pub(crate) issuer: Issuer<'static, KeyPair>,
    /// What every certificate carries as its organization.
    pub(crate) cluster_id: String,
    /// The CA's end, beyond which nothing it signs may last.
    pub(crate) not_after: OffsetDateTime,
}

/// A new CA for `cluster_id`: its certificate and its key, in PEM form.
pub(crate) fn new_ca(cluster_id: &str, now: OffsetDateTime) -> Result<(String, String), rcgen::Error> {
    let mut params = named("Phalanx CA", "phalanx-ca", cluster_id)?;
    params.not_before = now - CLOCK_SKEW;
    params.not_after = now + CA_LIFETIME;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

impl Signer {
    /// A server certificate for `hosts`, beside the names every server has, and its key.
    pub(crate) fn server(
        &self,
        hosts: &[SanType],
        now: OffsetDateTime,
    ) -> Result<(String, String), rcgen::Error> {
        let mut params = named("Phalanx controller", "phalanx-controller", &self.cluster_id)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        for name in [SERVER_NAME, "localhost", "127.0.0.1", "::1"] {
            params.subject_alt_names.push(alternative_name(name)?);
        }
        for host in hosts {
            if !params.subject_alt_names.contains(host) {
                params.subject_alt_names.push(host.clone());
            }
        }
        self.leaf(params, now)
    }

    /// A peer's certificate with one role, and its key.
    pub(crate) fn peer(&self, role: Role, now: OffsetDateTime) -> Result<(String, String), rcgen::Error> {
        let common_name = format!("Phalanx {role}");
        let mut params = named(&common_name, role.organizational_unit(), &self.cluster_id)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.leaf(params, now)
    }

    fn leaf(
        &self,
        mut params: CertificateParams,
        now: OffsetDateTime,
    ) -> Result<(String, String), rcgen::Error> {
        params.not_before = now - CLOCK_SKEW;
        params.not_after = self.not_after.min(now + LEAF_LIFETIME);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?.pem(), key.serialize_pem()))
    }
}

/// `host` as a certificate names it: an IP address (brackets allowed) or a DNS name.
pub(crate) fn alternative_name(host: &str) -> Result<SanType, rcgen::Error> {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => Ok(SanType::DnsName(host.try_into()?)),
    }
}

fn named(common_name: &str, unit: &str, cluster_id: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    let mut subject = rcgen::DistinguishedName::new();
    subject.push(DnType::CommonName, common_name);
    subject.push(DnType::OrganizationalUnitName, unit);
    subject.push(DnType::OrganizationName, cluster_id);
    params.distinguished_name = subject;
    params.serial_number = Some(serial_number()?);
    Ok(params)
}

/// RFC 5280, 4.1.2.2: positive, unique, at most 20 bytes.
fn serial_number() -> Result<SerialNumber, rcgen::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| rcgen::Error::RingUnspecified)?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}
