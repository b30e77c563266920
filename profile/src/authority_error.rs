//! What can go wrong with a profile's authority. None of it is repaired silently: a new authority
//! would shut out every node that holds a copy of `engine.json`.

use std::path::PathBuf;

use crate::certificate::CertificateError;
use crate::connection::ConnectionError;
use crate::endpoints::EndpointError;
use crate::private_file::{FileError, quoted};
use crate::validity::ValidityError;

/// Why the profile's authority could not be opened or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// One of its files, or a connection file, could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A connection file could not be written.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// An endpoint to be written cannot be one.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// There is a CA certificate and no key for it.
    #[error(
        "{} is missing, so the cluster's certificate authority can sign nothing; put the key back, or begin anew with: rm {} (then copy engine.json and client.json again)",
        path.display(), quoted(certificate_file)
    )]
    KeyMissing {
        /// Where the key should be.
        path: PathBuf,
        /// The certificate that it belongs to.
        certificate_file: PathBuf,
    },
    /// The CA certificate is damaged.
    #[error(
        "{} is damaged: {source}; put back a good copy, or begin anew with: rm {} (then copy engine.json and client.json again)",
        path.display(), quoted(path)
    )]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: CertificateError,
    },
    /// The CA key is damaged.
    #[error("{} is damaged: it holds no private key that can sign; put back a good copy, or begin anew by removing ca.crt beside it (then copy engine.json and client.json again)", path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
    },
    /// Key and certificate are not of one pair.
    #[error("ca.key and ca.crt in {} do not belong together; put back the matching one, or begin anew by removing both (then copy engine.json and client.json again)", profile.display())]
    KeyMismatch {
        /// The profile's directory.
        profile: PathBuf,
    },
    /// The certificate is no CA that Phalanx made.
    #[error("{} is not a certificate authority that Phalanx made; remove it and ca.key beside it, and the next start makes new ones", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// Its time is over, or the clock is wrong.
    #[error(
        "the certificate authority in {} {source}; if this machine's clock is right, begin anew by removing ca.key and ca.crt there (then copy engine.json and client.json again)",
        profile.display()
    )]
    NotValid {
        /// The profile's directory.
        profile: PathBuf,
        /// On which side of its time it is.
        source: ValidityError,
    },
    /// An advertised host is neither a DNS name nor an IP address.
    #[error(
        "`{host}` is neither a host name nor an IP address, so no certificate can name it; advertise it without scheme and port"
    )]
    BadHost {
        /// What was given.
        host: String,
    },
    /// The cryptography failed.
    #[error("cannot make a certificate: {0}; is this machine's source of randomness working?")]
    Signing(#[source] rcgen::Error),
}
