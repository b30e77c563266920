//! The certificates at work: mutual TLS 1.3 handshakes in memory, with the TLS library of the product.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use phalanx_profile::{Authority, Identity, Lock, Profile, Role, SERVER_NAME, role_of};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, version};
use time::{Duration, OffsetDateTime};

fn chain(identity: &Identity) -> Vec<CertificateDer<'static>> {
    vec![CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).unwrap()]
}

fn key(identity: &Identity) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap()
}

fn roots(identity: &Identity) -> Arc<RootCertStore> {
    let mut store = RootCertStore::empty();
    store.add(CertificateDer::from_pem_slice(identity.ca_pem.as_bytes()).unwrap()).unwrap();
    Arc::new(store)
}

/// What the server learns of the peer, once both sides have accepted each other.
fn handshake(server: &Identity, peer: &Identity, name: &str) -> Result<Role, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots(server), Arc::clone(&provider)).build().unwrap();
    let server_config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(server), key(server))?;
    let client_config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])?
        .with_root_certificates(roots(peer))
        .with_client_auth_cert(chain(peer), key(peer))?;
    let mut server = ServerConnection::new(Arc::new(server_config))?;
    let mut client =
        ClientConnection::new(Arc::new(client_config), ServerName::try_from(name.to_owned()).unwrap())?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut &wire[..]).unwrap();
        server.process_new_packets()?;
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut &wire[..]).unwrap();
        client.process_new_packets()?;
    }
    let certificates = server.peer_certificates().expect("the handshake demands a certificate");
    Ok(role_of(&certificates[0]).unwrap())
}

fn authority() -> (tempfile::TempDir, Lock, Authority) {
    let dir = tempfile::tempdir().unwrap();
    let lock = Lock::acquire(&Profile::at(dir.path().join("p")).unwrap()).unwrap();
    // Long ago, so that certificates of the past can be made too.
    let authority = Authority::open_at(&lock, OffsetDateTime::now_utc() - Duration::days(1000)).unwrap();
    (dir, lock, authority)
}

#[test]
fn both_roles_connect_under_every_name_and_are_told_apart() {
    let (_dir, _lock, authority) = authority();
    let server = authority.server_identity(&["node1.example.org".to_owned(), "10.1.2.3".to_owned()]).unwrap();
    for role in Role::ALL {
        let peer = authority.peer_identity_at(role, OffsetDateTime::now_utc()).unwrap();
        for name in [SERVER_NAME, "localhost", "127.0.0.1", "::1", "node1.example.org", "10.1.2.3"] {
            assert_eq!(handshake(&server, &peer, name), Ok(role), "{name}");
        }
        assert!(handshake(&server, &peer, "elsewhere.example.org").is_err());
    }
}

#[test]
fn a_reopened_authority_is_the_same_to_its_peers() {
    let (_dir, lock, authority) = authority();
    let peer = authority.peer_identity_at(Role::Engine, OffsetDateTime::now_utc()).unwrap();
    drop(authority);
    let server = Authority::open(&lock).unwrap().server_identity(&[]).unwrap();
    assert_eq!(handshake(&server, &peer, SERVER_NAME), Ok(Role::Engine));
}

#[test]
fn another_clusters_certificates_are_refused_on_both_sides() {
    let ((_a, _lock_a, ours), (_b, _lock_b, theirs)) = (authority(), authority());
    let now = OffsetDateTime::now_utc();
    let server = ours.server_identity(&[]).unwrap();
    let stranger = theirs.peer_identity_at(Role::Client, now).unwrap();
    assert!(handshake(&server, &stranger, SERVER_NAME).is_err(), "the peer must not trust this server");
    let credulous = Identity { ca_pem: ours.ca_pem().to_owned(), ..stranger };
    assert!(handshake(&server, &credulous, SERVER_NAME).is_err(), "the server must not trust this peer");
}

#[test]
fn a_peers_certificate_cannot_serve_and_a_servers_cannot_connect() {
    let (_dir, _lock, authority) = authority();
    let server = authority.server_identity(&[]).unwrap();
    let peer = authority.peer_identity_at(Role::Engine, OffsetDateTime::now_utc()).unwrap();
    assert!(handshake(&peer, &peer, SERVER_NAME).is_err());
    assert!(handshake(&server, &server, SERVER_NAME).is_err());
}

#[test]
fn expired_certificates_are_refused_on_both_sides() {
    let (_dir, _lock, authority) = authority();
    let (now, then) = (OffsetDateTime::now_utc(), OffsetDateTime::now_utc() - Duration::days(400));
    let (server, old_server) =
        (authority.server_identity(&[]).unwrap(), authority.server_identity_at(&[], then).unwrap());
    let peer = authority.peer_identity_at(Role::Client, now).unwrap();
    let old_peer = authority.peer_identity_at(Role::Client, then).unwrap();
    assert_eq!(handshake(&server, &peer, SERVER_NAME), Ok(Role::Client));
    assert!(handshake(&old_server, &peer, SERVER_NAME).is_err());
    assert!(handshake(&server, &old_peer, SERVER_NAME).is_err());
}
