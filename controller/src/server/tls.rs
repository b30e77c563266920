//! TLS as this project means it: version 1.3 only, both sides with certificates of the profile's CA.

use std::sync::Arc;

use phalanx_profile::Identity;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{RootCertStore, ServerConfig};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// Why the profile's certificates cannot be served with.
#[derive(Debug, Error)]
pub enum TlsError {
    /// They cannot be read.
    #[error("the controller's certificate or key cannot be read: {0}")]
    Pem(#[from] pem::Error),
    /// They do not belong together.
    #[error("the controller's certificates cannot be used: {0}")]
    Rustls(#[from] rustls::Error),
    /// The CA cannot check peers.
    #[error("the profile's CA cannot be used to check peers: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

/// Accepts peers that show a certificate signed by the profile's CA, and shows them ours.
pub(crate) fn acceptor(identity: &Identity) -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(identity.ca_pem.as_bytes())?)?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
    let chain =
        CertificateDer::pem_slice_iter(identity.certificate_pem.as_bytes()).collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes())?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
