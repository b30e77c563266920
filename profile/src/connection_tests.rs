use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use serde_json::Value;
use time::Duration;

use super::*;
use crate::authority::Authority;
use crate::issue::LEAF_LIFETIME;
use crate::lock::Lock;
use crate::profile::Profile;

/// A profile with both files, made at `now`.
struct Fixture {
    dir: tempfile::TempDir,
    lock: Lock,
    now: OffsetDateTime,
}

impl Fixture {
    fn new() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::acquire(&Profile::at(dir.path().join("p")).unwrap()).unwrap();
        let now = OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap();
        let endpoints = Endpoints { socket: None, tcp: vec!["node1:7070".to_owned()] };
        Authority::open_at(&lock, now).unwrap().write_connection_files_at(&endpoints, now).unwrap();
        Fixture { dir, lock, now }
    }

    fn path(&self) -> PathBuf {
        self.lock.profile().client_file()
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn load(&self) -> Result<ConnectionFile, ConnectionError> {
        ConnectionFile::load_at(self.path(), Role::Client, self.now)
    }

    /// The error that the file gives when its text is `text`.
    fn error_of(&self, text: &str) -> ConnectionError {
        fs::write(self.path(), text).unwrap();
        self.load().unwrap_err()
    }

    /// The error that the file gives when one of its fields is `value`.
    fn error_with(&self, field: &str, value: impl Into<Value>) -> ConnectionError {
        let good = self.text();
        let mut json: Value = serde_json::from_str(&good).unwrap();
        json[field] = value.into();
        let error = self.error_of(&json.to_string());
        fs::write(self.path(), good).unwrap();
        error
    }
}

#[test]
fn what_is_saved_is_loaded() {
    let fixture = Fixture::new();
    let file = fixture.load().unwrap();
    let copy = fixture.dir.path().join("copy.json");
    file.save(&copy).unwrap();
    assert_eq!(ConnectionFile::load_at(&copy, Role::Client, fixture.now).unwrap(), file);
    assert_eq!(fs::metadata(&copy).unwrap().mode() & 0o7777, 0o600);
    let json: Value = serde_json::from_str(&fs::read_to_string(&copy).unwrap()).unwrap();
    assert_eq!(
        (&json["format"], &json["role"], &json["profile"]),
        (&1.into(), &"client".into(), &"p".into())
    );
    assert!(!format!("{file:?}").contains("PRIVATE KEY"));
}

#[test]
fn a_field_that_a_later_version_adds_is_passed_over() {
    let fixture = Fixture::new();
    let mut json: Value = serde_json::from_str(&fixture.text()).unwrap();
    json["motto"] = "many hands".into();
    fs::write(fixture.path(), json.to_string()).unwrap();
    fixture.load().unwrap();
}

#[test]
fn a_missing_file_says_who_makes_it() {
    let dir = tempfile::tempdir().unwrap();
    let error = ConnectionFile::load(dir.path().join("client.json"), Role::Client).unwrap_err();
    assert!(matches!(error, ConnectionError::Missing { .. }));
    assert!(error.to_string().contains("controller --profile"), "{error}");
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let fixture = Fixture::new();
    fs::set_permissions(fixture.path(), Permissions::from_mode(0o644)).unwrap();
    let error = fixture.load().unwrap_err();
    assert!(matches!(error, ConnectionError::File(FileError::Exposed { mode: 0o644, .. })));
    assert!(error.to_string().contains("chmod 600 '"), "{error}");
}

#[test]
fn every_truncation_is_recognised() {
    let fixture = Fixture::new();
    let text = fixture.text();
    let body = text.trim_end();
    for end in (0..body.len()).step_by(7).chain([body.len() - 1]) {
        let error = fixture.error_of(&body[..end]);
        assert!(matches!(error, ConnectionError::Truncated { .. }), "cut at {end}: {error}");
    }
}

#[test]
fn what_is_no_connection_file_is_refused() {
    let fixture = Fixture::new();
    for text in [
        "hello",
        "[]",
        "{}",
        "null",
        "{\"format\":\"1\"}",
        "{\"format\":1}",
        "{\"format\":1,\"role\":\"king\"}",
    ] {
        let error = fixture.error_of(text);
        assert!(matches!(error, ConnectionError::Malformed { .. }), "{text}: {error}");
    }
}

#[test]
fn a_newer_format_is_named_before_its_fields_are_looked_at() {
    let fixture = Fixture::new();
    for format in [0, 2, u64::MAX] {
        let error = fixture.error_of(&format!("{{\"format\":{format},\"everything\":\"else\"}}"));
        assert!(
            matches!(error, ConnectionError::UnsupportedFormat { found, .. } if found == format),
            "{error}"
        );
    }
}

#[test]
fn the_other_roles_file_is_refused_with_the_name_of_the_right_one() {
    let fixture = Fixture::new();
    let error = ConnectionFile::load_at(fixture.path(), Role::Engine, fixture.now).unwrap_err();
    assert!(matches!(error, ConnectionError::WrongRole { found: Role::Client, needed: Role::Engine, .. }));
    let right = fixture.lock.profile().engine_file();
    assert!(error.to_string().ends_with(&format!("use {}", right.display())), "{error}");
}

#[test]
fn editing_the_role_does_not_change_it() {
    let fixture = Fixture::new();
    let engine = fs::read_to_string(fixture.lock.profile().engine_file()).unwrap();
    let error = fixture.error_of(&engine.replace("\"role\": \"engine\"", "\"role\": \"client\""));
    assert!(
        matches!(error, ConnectionError::RoleForged { claimed: Role::Client, carried: Role::Engine, .. }),
        "{error}"
    );
}

#[test]
fn damaged_certificates_and_keys_are_named() {
    let fixture = Fixture::new();
    let file = fixture.load().unwrap();
    for (field, which) in [("ca_pem", "CA"), ("certificate_pem", "own")] {
        for pem in ["", "garbage", &file.key_pem, &file.ca_pem[..100]] {
            let error = fixture.error_with(field, pem);
            assert!(
                matches!(error, ConnectionError::BadCertificate { which: w, .. } if w == which),
                "{field}: {error}"
            );
        }
    }
    let strange = KeyPair::generate().unwrap().serialize_pem();
    for pem in ["", "garbage", &file.key_pem[..100], &file.ca_pem, &strange] {
        assert!(matches!(fixture.error_with("key_pem", pem), ConnectionError::BadKey { .. }), "{pem:?}");
    }
    let other = Fixture::new().load().unwrap();
    assert!(matches!(fixture.error_with("ca_pem", other.ca_pem), ConnectionError::NotSigned { .. }));
    assert!(matches!(fixture.error_with("certificate_pem", file.ca_pem), ConnectionError::NoRole { .. }));
    fixture.load().unwrap();
}

#[test]
fn endpoints_are_checked() {
    let fixture = Fixture::new();
    for endpoints in [r#"{"socket":null,"tcp":[]}"#, r#"{"socket":null,"tcp":["node1"]}"#] {
        let value: Value = serde_json::from_str(endpoints).unwrap();
        assert!(matches!(fixture.error_with("endpoints", value), ConnectionError::BadEndpoint { .. }));
    }
    let mut file = fixture.load().unwrap();
    file.endpoints.tcp = vec!["node1".to_owned()];
    assert!(matches!(file.save(fixture.path()).unwrap_err(), ConnectionError::BadEndpoint { .. }));
    fixture.load().unwrap();
}

#[test]
fn an_expired_certificate_says_when_and_what_to_do() {
    let fixture = Fixture::new();
    let end = fixture.now + LEAF_LIFETIME;
    let at = |now| ConnectionFile::load_at(fixture.path(), Role::Client, now);
    at(end).unwrap();
    let error = at(end + Duration::SECOND).unwrap_err();
    assert!(
        matches!(error, ConnectionError::NotValid { source: ValidityError::Expired { not_after, .. }, .. } if not_after == end)
    );
    let message = error.to_string();
    assert!(message.contains("expired on 2027-11-18 11:06:40 UTC"), "{message}");
    assert!(
        message.contains("restart the controller") && message.contains("copy the file again"),
        "{message}"
    );

    let error = at(fixture.now - Duration::days(1)).unwrap_err();
    assert!(
        matches!(error, ConnectionError::NotValid { source: ValidityError::NotYetValid { .. }, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("check this machine's clock"), "{error}");
}

#[test]
fn no_flipped_bit_panics_or_changes_who_the_bearer_is() {
    let fixture = Fixture::new();
    let good = fixture.load().unwrap();
    let own = |file: &ConnectionFile| Certificate::from_pem(&file.certificate_pem).unwrap().public_key;
    let text = fs::read(fixture.path()).unwrap();
    for at in (0..text.len()).step_by(5) {
        let mut damaged = text.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(fixture.path(), damaged).unwrap();
        // A changed endpoint or profile name still makes a file; a changed identity must not.
        if let Ok(file) = fixture.load() {
            assert_eq!((file.role, own(&file)), (good.role, own(&good)), "bit flipped in byte {at}");
        }
    }
}
