use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use x509_parser::extensions::GeneralName;

use super::*;
use crate::endpoints::{EndpointError, LocalSocket};
use crate::issue::{CA_LIFETIME, CLOCK_SKEW, LEAF_LIFETIME};
use crate::private_file::quoted;
use crate::role::role_of;

fn start() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap()
}

fn locked() -> (tempfile::TempDir, Lock) {
    let dir = tempfile::tempdir().unwrap();
    let lock = Lock::acquire(&Profile::at(dir.path().join("p")).unwrap()).unwrap();
    (dir, lock)
}

fn endpoints() -> Endpoints {
    let socket = LocalSocket { path: "/run/p/controller.sock".into(), host_id: "boot-1".to_owned() };
    Endpoints { socket: Some(socket), tcp: vec!["node1:7070".to_owned()] }
}

fn der(pem: &str) -> Vec<u8> {
    x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap().1.contents
}

/// Whether it may connect, and whether it may serve.
fn uses(identity: &Identity) -> (bool, bool) {
    let der = der(&identity.certificate_pem);
    let certificate = crate::certificate::parse(&der).unwrap();
    let uses = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(!uses.any && uses.other.is_empty());
    (uses.client_auth, uses.server_auth)
}

/// The names that the certificate is for, sorted.
fn names_of(pem: &str) -> Vec<String> {
    let der = der(pem);
    let certificate = crate::certificate::parse(&der).unwrap();
    let extension = certificate.subject_alternative_name().unwrap().unwrap();
    let mut names: Vec<String> = extension.value.general_names.iter().map(name_of).collect();
    names.sort();
    names
}

fn name_of(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(dns) => (*dns).to_owned(),
        GeneralName::IPAddress(octets) => match <[u8; 4]>::try_from(*octets) {
            Ok(four) => Ipv4Addr::from(four).to_string(),
            Err(_) => Ipv6Addr::from(<[u8; 16]>::try_from(*octets).unwrap()).to_string(),
        },
        other => panic!("unexpected name: {other}"),
    }
}

#[test]
fn the_first_start_makes_it_and_later_ones_keep_it() {
    let (_dir, lock) = locked();
    let first = Authority::open_at(&lock, start()).unwrap();
    for file in ["ca.key", "ca.crt"] {
        let mode = fs::metadata(lock.profile().path().join(file)).unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o600, "{file}");
    }
    assert_eq!(first.validity().not_before, start() - CLOCK_SKEW);
    assert_eq!(first.validity().not_after, start() + CA_LIFETIME);
    assert_eq!(first.cluster_id().len(), 32);

    let peer = first.peer_identity_at(Role::Engine, start()).unwrap();
    let again = Authority::open_at(&lock, start() + Duration::days(300)).unwrap();
    assert_eq!((again.ca_pem(), again.cluster_id()), (first.ca_pem(), first.cluster_id()));
    assert!(Certificate::from_pem(&peer.certificate_pem).unwrap().is_signed_by(&again.certificate));
}

#[test]
fn every_profile_has_its_own() {
    let ((_a, lock_a), (_b, lock_b)) = (locked(), locked());
    let a = Authority::open_at(&lock_a, start()).unwrap();
    let b = Authority::open_at(&lock_b, start()).unwrap();
    assert_ne!(a.cluster_id(), b.cluster_id());
    let peer = a.peer_identity_at(Role::Client, start()).unwrap();
    assert!(!Certificate::from_pem(&peer.certificate_pem).unwrap().is_signed_by(&b.certificate));
}

#[test]
fn certificates_carry_role_cluster_and_a_year() {
    let (_dir, lock) = locked();
    let authority = Authority::open_at(&lock, start()).unwrap();
    for role in Role::ALL {
        let identity = authority.peer_identity_at(role, start()).unwrap();
        assert_eq!(role_of(&der(&identity.certificate_pem)), Ok(role));
        let certificate = Certificate::from_pem(&identity.certificate_pem).unwrap();
        assert_eq!(certificate.organization.as_deref(), Some(authority.cluster_id()));
        assert_eq!(certificate.validity.not_after, start() + LEAF_LIFETIME);
        assert_eq!(certificate.validity.not_before, start() - CLOCK_SKEW);
        assert!(!certificate.is_ca);
        assert_eq!(uses(&identity), (true, false), "a peer connects and never serves");
        assert!(!format!("{identity:?}").contains("PRIVATE KEY"));
    }
    let server = authority.server_identity_at(&[], start()).unwrap();
    assert_eq!(uses(&server), (false, true), "the controller serves and never connects");
    assert!(matches!(role_of(&der(&server.certificate_pem)), Err(crate::role::RoleError::Unknown { .. })));
}

#[test]
fn the_server_is_named_by_all_that_it_is_advertised_as() {
    let (_dir, lock) = locked();
    let authority = Authority::open_at(&lock, start()).unwrap();
    let advertised = ["node1.example.org", "10.1.2.3", "[2001:db8::1]", "localhost", "node1.example.org"];
    let server = authority.server_identity_at(&advertised.map(str::to_owned), start()).unwrap();
    let mut expected =
        [SERVER_NAME, "localhost", "127.0.0.1", "::1", "node1.example.org", "10.1.2.3", "2001:db8::1"]
            .map(str::to_owned)
            .to_vec();
    expected.extend(own_host_name().filter(|name| is_dns_name(name) && name != "localhost"));
    expected.sort();
    assert_eq!(names_of(&server.certificate_pem), expected, "each once");
}

#[test]
fn what_no_certificate_can_name_is_refused() {
    let (_dir, lock) = locked();
    let authority = Authority::open_at(&lock, start()).unwrap();
    for bad in
        ["", "node1:7070", "http://node1", "a b", "ü.example", "a..b", ".a", "[node1]", &"x".repeat(64)]
    {
        let error = authority.server_identity_at(&[bad.to_owned()], start()).unwrap_err();
        assert!(matches!(error, AuthorityError::BadHost { ref host } if host == bad), "{bad:?}: {error}");
    }
}

#[test]
fn connection_files_are_made_kept_and_renewed_in_time() {
    let (_dir, lock) = locked();
    let profile = lock.profile().clone();
    let authority = Authority::open_at(&lock, start()).unwrap();
    let made = authority.write_connection_files_at(&endpoints(), start()).unwrap();
    assert!(matches!((made.client, made.engine), (FileOutcome::Created, FileOutcome::Created)));
    let first = ConnectionFile::load_at(profile.engine_file(), Role::Engine, start()).unwrap();
    assert_eq!((&first.endpoints, &*first.cluster_id), (&endpoints(), authority.cluster_id()));

    // Thirty days before the end: kept, with the endpoints of this start.
    let in_time = start() + LEAF_LIFETIME - RENEWAL;
    let moved = Endpoints { socket: None, tcp: vec!["node2:7071".to_owned()] };
    let kept = authority.write_connection_files_at(&moved, in_time).unwrap();
    assert!(matches!((kept.client, kept.engine), (FileOutcome::Kept, FileOutcome::Kept)));
    let second = ConnectionFile::load_at(profile.engine_file(), Role::Engine, in_time).unwrap();
    assert_eq!(second, ConnectionFile { endpoints: moved, ..first.clone() });

    // A second later: renewed.
    let late = in_time + Duration::SECOND;
    let renewed = authority.write_connection_files_at(&endpoints(), late).unwrap();
    assert!(matches!(renewed.client, FileOutcome::Renewed { .. }));
    assert!(
        matches!(renewed.engine, FileOutcome::Renewed { old } if old.not_after == start() + LEAF_LIFETIME)
    );
    let third = ConnectionFile::load_at(profile.engine_file(), Role::Engine, late).unwrap();
    assert_ne!(third.key_pem, first.key_pem);
    assert_eq!(third.validity().unwrap().not_after, late + LEAF_LIFETIME);
    assert_eq!(third.ca_pem, first.ca_pem, "copies of the old file stay good until they expire");
}

#[test]
fn a_start_replaces_what_cannot_be_used() {
    let (_dir, lock) = locked();
    let path = lock.profile().client_file();
    let authority = Authority::open_at(&lock, start()).unwrap();
    let replaced = |why: &str| {
        let outcome = authority.write_connection_files_at(&endpoints(), start()).unwrap().client;
        assert!(
            matches!(&outcome, FileOutcome::Replaced { because } if because.contains(why)),
            "{why}: {outcome}"
        );
        ConnectionFile::load_at(&path, Role::Client, start()).unwrap()
    };
    authority.write_connection_files_at(&endpoints(), start()).unwrap();
    let good = ConnectionFile::load_at(&path, Role::Client, start()).unwrap();

    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert_ne!(replaced("open to other users").key_pem, good.key_pem, "the key was not secret any more");
    fs::write(&path, "{").unwrap();
    replaced("ends in the middle");
    fs::copy(lock.profile().engine_file(), &path).unwrap();
    replaced("has the role `engine`");

    // A file of another cluster, whole in itself.
    let (_other_dir, other_lock) = locked();
    let other = Authority::open_at(&other_lock, start()).unwrap();
    other.write_connection_files_at(&endpoints(), start()).unwrap();
    fs::copy(other_lock.profile().client_file(), &path).unwrap();
    assert_eq!(replaced("another authority").ca_pem, authority.ca_pem());
}

#[test]
fn nothing_outlasts_the_authority() {
    let (_dir, lock) = locked();
    let authority = Authority::open_at(&lock, start()).unwrap();
    let late = start() + CA_LIFETIME - Duration::days(10);
    let identity = authority.peer_identity_at(Role::Engine, late).unwrap();
    assert_eq!(Validity::of_pem(&identity.certificate_pem).unwrap().not_after, start() + CA_LIFETIME);

    let error = Authority::open_at(&lock, start() + CA_LIFETIME + Duration::SECOND).unwrap_err();
    assert!(
        matches!(error, AuthorityError::NotValid { .. }) && error.to_string().contains("expired on 20"),
        "{error}"
    );
    let error = Authority::open_at(&lock, start() - Duration::days(1)).unwrap_err();
    assert!(
        error.to_string().contains("is valid only from") && error.to_string().contains("clock"),
        "{error}"
    );
}

fn put(path: &Path, content: &str) {
    private_file::write(path, content).unwrap();
}

#[test]
fn an_interrupted_first_start_is_begun_anew() {
    let (_dir, lock) = locked();
    put(&lock.profile().ca_key_file(), "half a k");
    let authority = Authority::open_at(&lock, start()).unwrap();
    assert_eq!(Authority::open_at(&lock, start()).unwrap().ca_pem(), authority.ca_pem());
}

#[test]
fn damage_is_named_and_never_repaired_silently() {
    let (_dir, lock) = locked();
    let (key, certificate) = (lock.profile().ca_key_file(), lock.profile().ca_certificate_file());
    let open = || Authority::open_at(&lock, start()).unwrap_err();
    Authority::open_at(&lock, start()).unwrap();
    let (key_pem, ca_pem) = (fs::read_to_string(&key).unwrap(), fs::read_to_string(&certificate).unwrap());

    for damaged in ["", "garbage", &key_pem[..key_pem.len() / 2], &ca_pem] {
        put(&key, damaged);
        assert!(matches!(open(), AuthorityError::BadKey { .. }), "{damaged:?}");
    }
    put(&key, &KeyPair::generate().unwrap().serialize_pem());
    assert!(matches!(open(), AuthorityError::KeyMismatch { .. }));
    fs::remove_file(&key).unwrap();
    assert!(matches!(open(), AuthorityError::KeyMissing { .. }));
    assert!(open().to_string().contains(&format!("rm {}", quoted(&certificate))));
    put(&key, &key_pem);

    for damaged in ["", "garbage", &ca_pem[..ca_pem.len() / 2], &key_pem] {
        put(&certificate, damaged);
        assert!(matches!(open(), AuthorityError::BadCertificate { .. }), "{damaged:?}");
    }
    put(&certificate, &ca_pem);
    for file in [&key, &certificate] {
        fs::set_permissions(file, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(open(), AuthorityError::File(FileError::Exposed { mode: 0o640, .. })));
        fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
    }
    Authority::open_at(&lock, start()).unwrap();
}

#[test]
fn a_certificate_that_is_no_authority_is_refused() {
    let (_dir, lock) = locked();
    let authority = Authority::open_at(&lock, start()).unwrap();
    let leaf = authority.peer_identity_at(Role::Client, start()).unwrap();
    put(&lock.profile().ca_key_file(), &leaf.key_pem);
    put(&lock.profile().ca_certificate_file(), &leaf.certificate_pem);
    let error = Authority::open_at(&lock, start()).unwrap_err();
    assert!(matches!(error, AuthorityError::NotOurs { .. }), "{error}");

    // Self-signed, with a cluster's id, and still not allowed to sign others.
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::OrganizationName, authority.cluster_id());
    let key = KeyPair::generate().unwrap();
    put(&lock.profile().ca_key_file(), &key.serialize_pem());
    put(&lock.profile().ca_certificate_file(), &params.self_signed(&key).unwrap().pem());
    let error = Authority::open_at(&lock, start()).unwrap_err();
    assert!(matches!(error, AuthorityError::NotOurs { .. }), "{error}");
}

#[test]
fn endpoints_that_cannot_be_are_refused_before_anything_is_written() {
    let (_dir, lock) = locked();
    let authority = Authority::open_at(&lock, start()).unwrap();
    let nowhere = Endpoints { socket: None, tcp: vec![] };
    let error = authority.write_connection_files_at(&nowhere, start()).unwrap_err();
    assert!(matches!(error, AuthorityError::Endpoint(EndpointError::None)));
    assert!(!lock.profile().client_file().exists());
}
