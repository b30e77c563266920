//! What this crate needs to know of a certificate, read once, with nothing trusted.

use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::role::{Role, RoleError, role_in};
use crate::validity::Validity;

/// Why something is not a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// There is no complete PEM block of the kind `CERTIFICATE`.
    #[error("it is not a certificate in PEM form")]
    NotPem,
    /// The bytes are not one X.509 certificate.
    #[error("it is not an X.509 certificate ({reason})")]
    NotX509 {
        /// What the parser met.
        reason: String,
    },
}

/// A certificate that was parsed; no statement about who signed it.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    der: Vec<u8>,
    pub(crate) validity: Validity,
    pub(crate) role: Result<Role, RoleError>,
    pub(crate) is_ca: bool,
    /// The subject's organization: the cluster's id in the certificates that Phalanx makes.
    pub(crate) organization: Option<String>,
    /// The raw public key, as `rcgen` has it of a key pair.
    pub(crate) public_key: Vec<u8>,
}

impl Certificate {
    pub(crate) fn from_pem(pem: &str) -> Result<Certificate, CertificateError> {
        let (_, pem) = parse_x509_pem(pem.as_bytes()).map_err(|_| CertificateError::NotPem)?;
        if pem.label != "CERTIFICATE" {
            return Err(CertificateError::NotPem);
        }
        Certificate::from_der(&pem.contents)
    }

    pub(crate) fn from_der(der: &[u8]) -> Result<Certificate, CertificateError> {
        let parsed = parse(der)?;
        let validity = parsed.validity();
        let organization = parsed.subject().iter_organization().next().and_then(|o| o.as_str().ok());
        Ok(Certificate {
            der: der.to_owned(),
            validity: Validity {
                not_before: validity.not_before.to_datetime(),
                not_after: validity.not_after.to_datetime(),
            },
            role: role_in(&parsed),
            is_ca: parsed.is_ca(),
            organization: organization.map(str::to_owned),
            public_key: parsed.public_key().subject_public_key.data.to_vec(),
        })
    }

    /// Whether the key of `issuer` signed this certificate.
    pub(crate) fn is_signed_by(&self, issuer: &Certificate) -> bool {
        match (parse(&self.der), parse(&issuer.der)) {
            (Ok(own), Ok(issuer)) => own.verify_signature(Some(issuer.public_key())).is_ok(),
            _ => false,
        }
    }
}

/// The one certificate in `der`.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok((rest, _)) => Err(CertificateError::NotX509 { reason: format!("{} bytes follow it", rest.len()) }),
        Err(e) => Err(CertificateError::NotX509 { reason: e.to_string() }),
    }
}
