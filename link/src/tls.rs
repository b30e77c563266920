//! TLS towards the controller: version 1.3, its certificate signed by the profile's CA, ours shown to it.

use std::io;
use std::sync::Arc;

use phalanx_profile::ConnectionFile;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A connection whose other end has accepted our certificate.
pub(crate) type Accepted = BufReader<TlsStream<TcpStream>>;

/// Room for the controller's first bytes; everything after them is read past this buffer.
const FIRST_BYTES: usize = 1 << 10;

/// Why a connection file's certificates cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// They cannot be read.
    #[error("they cannot be read: {0}")]
    Pem(#[from] pem::Error),
    /// They do not belong together.
    #[error("{0}")]
    Rustls(#[from] rustls::Error),
    /// The controller's name is none.
    #[error("the controller's name in the file: {0}")]
    Name(#[from] InvalidDnsNameError),
}

/// What it takes to be trusted by one controller, and to trust it.
#[derive(Clone)]
pub(crate) struct Trust {
    connector: TlsConnector,
    server: ServerName<'static>,
}

impl Trust {
    pub(crate) fn new(file: &ConnectionFile) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(file.ca_pem.as_bytes())?)?;
        let chain =
            CertificateDer::pem_slice_iter(file.certificate_pem.as_bytes()).collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(file.key_pem.as_bytes())?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        let server = ServerName::try_from(file.server_name.clone())?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), server })
    }

    /// Shakes hands, and waits for the verdict: with TLS 1.3 a client has finished its handshake before the server has
    /// looked at its certificate. What comes first is either the beginning of HTTP/2 or the reason of a refusal, and it is
    /// read before anything is sent, because what the other side leaves unread would break the connection before the reason is
    /// through.
    pub(crate) async fn shake_hands(&self, stream: TcpStream) -> io::Result<Accepted> {
        let stream = self.connector.connect(self.server.clone(), stream).await?;
        let mut stream = BufReader::with_capacity(FIRST_BYTES, stream);
        if stream.fill_buf().await?.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection at once"));
        }
        Ok(stream)
    }
}
