//! Profiles, connection files and certificates.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use phalanx::{Client, Error};
use phalanx_profile::{Authority, ConnectionFile, Home, Lock, Role};
use phalanx_tests::{Cluster, Program};
use time::OffsetDateTime;

use super::wire::{self, Wire};
use super::{assert_it_works, assert_says};

fn refused(path: &Path) -> Error {
    Client::connect_file(path).expect_err("this file must not do")
}

/// A copy of the client's file, changed, that goes over TCP.
fn over_tcp(
    cluster: &Cluster,
    role: Role,
    change: impl FnOnce(&mut ConnectionFile),
) -> (PathBuf, ConnectionFile) {
    let mut file = wire::connection_file(cluster, role);
    file.endpoints.socket = None;
    change(&mut file);
    let path = cluster.home().join("copy.json");
    file.save(&path).unwrap();
    (path, file)
}

#[test]
fn an_unknown_profile_lists_those_there_are() {
    let cluster = Cluster::start(4);
    Home::at(cluster.home()).unwrap().create_or_open("other").unwrap();
    let failed = Program::start(&cluster, "scenarios", &["connect", "nbsrever"]).wait();
    assert!(!failed.status.success());
    assert_says(
        &failed.stderr,
        &["no profile `nbsrever`", "`other`, `test`", "controller --profile nbsrever"],
    );
    assert_it_works(&cluster);
}

#[test]
fn no_controller_is_running() {
    let mut cluster = Cluster::start(4);
    cluster.controller().kill();
    let failed = Program::start(&cluster, "scenarios", &["connect", "test"]).wait();
    assert!(!failed.status.success());
    assert_says(&failed.stderr, &["no controller answers on", "controller --profile"]);
    let (path, _) = over_tcp(&cluster, Role::Client, |_| ());
    assert_says(&refused(&path), &["the controller cannot be reached", "127.0.0.1:", "Is it running"]);
    cluster.start_controller();
    cluster.wait_for_engines(4);
    assert_it_works(&cluster);
}

#[test]
fn files_that_are_missing_exposed_damaged_or_of_the_other_role() {
    let cluster = Cluster::start(4);
    let copy = cluster.home().join("copy.json");
    assert_says(&refused(&copy), &["there is no connection file", "copy of it"]);

    let good = fs::read_to_string(cluster.profile_folder().join("client.json")).unwrap();
    let write = |text: &str, mode: u32| {
        fs::write(&copy, text).unwrap();
        fs::set_permissions(&copy, Permissions::from_mode(mode)).unwrap();
    };
    write(&good, 0o644);
    assert_says(&refused(&copy), &["chmod 600", "copy.json"]);
    write(&good[..good.len() / 2], 0o600);
    assert_says(&refused(&copy), &["copied incompletely", "copy it again"]);
    write("not at all", 0o600);
    assert_says(&refused(&copy), &["is not a connection file", "copy it again"]);
    let engine = fs::read_to_string(cluster.profile_folder().join("engine.json")).unwrap();
    write(&engine, 0o600);
    assert_says(&refused(&copy), &["has the role `engine`", "`client` is needed", "client.json"]);

    let mut engine = cluster.home().join("client.json");
    fs::write(&engine, &good).unwrap();
    fs::set_permissions(&engine, Permissions::from_mode(0o600)).unwrap();
    let said = wire::engine_with(&engine);
    assert_says(&said, &["has the role `client`", "`engine` is needed", "engine.json"]);
    engine.set_file_name("nowhere.json");
    assert_says(&wire::engine_with(&engine), &["there is no connection file"]);

    write(&good, 0o600);
    assert_eq!(Client::connect_file(&copy).unwrap().ids(), [0, 1, 2, 3]);
    assert_it_works(&cluster);
}

/// The client sees it in the file; a client that does not look is turned away by the controller.
#[test]
fn an_expired_certificate() {
    let mut cluster = Cluster::start(4);
    cluster.controller().kill();
    let expired = {
        let profile = Home::at(cluster.home()).unwrap().open(cluster.profile()).unwrap();
        let lock = Lock::acquire(&profile).unwrap();
        let long_ago = OffsetDateTime::now_utc() - Duration::from_secs(2 * 365 * 86_400);
        Authority::open(&lock).unwrap().peer_identity_at(Role::Client, long_ago).unwrap()
    };
    cluster.start_controller();
    cluster.wait_for_engines(4);
    let (path, file) = over_tcp(&cluster, Role::Client, |file| {
        (file.certificate_pem, file.key_pem) = (expired.certificate_pem.clone(), expired.key_pem.clone());
    });
    assert_says(
        &refused(&path),
        &["expired on", "restart the controller, which renews it, and copy the file again"],
    );
    assert_says(&wire::first_words(&file), &["xpired", "do not trust each other", "copy it again"]);
    assert_it_works(&cluster);
}

/// Neither side trusts the other, whichever is asked first.
#[test]
fn the_file_of_another_cluster() {
    let (cluster, foreign) = (Cluster::start(4), Cluster::start(0));
    let theirs = wire::connection_file(&foreign, Role::Client);
    let (path, _) = over_tcp(&cluster, Role::Client, |file| {
        let tcp = file.endpoints.tcp.clone();
        *file = theirs.clone();
        file.endpoints.tcp = tcp;
        file.endpoints.socket = None;
    });
    assert_says(&refused(&path), &["do not trust each other", "belongs to another cluster", "copy it again"]);
    let (path, mixed) = over_tcp(&cluster, Role::Client, |file| {
        (file.certificate_pem, file.key_pem) = (theirs.certificate_pem.clone(), theirs.key_pem.clone());
    });
    assert_says(&refused(&path), &["not signed by the CA beside it", "copy it again"]);
    assert_says(&wire::first_words(&mixed), &["UnknownCA", "do not trust each other", "copy it again"]);
    assert_it_works(&cluster);
}

/// The certificate decides, not what the peer calls.
#[test]
fn a_certificate_of_the_other_role() {
    let cluster = Cluster::start(4);
    let (_, client) = over_tcp(&cluster, Role::Client, |_| ());
    let said = Wire::connect(&client).register(wire::registration(1)).unwrap_err();
    assert_says(&said, &["a client's certificate", "engines must use engine.json"]);
    let (_, engine) = over_tcp(&cluster, Role::Engine, |_| ());
    let said = Wire::connect(&engine).greet(wire::greeting(wire::peer(1))).unwrap_err();
    assert_says(&said, &["an engine's certificate", "clients must use client.json"]);
    assert_says(&Wire::connect(&engine).status().unwrap_err(), &["clients must use client.json"]);
    assert_it_works(&cluster);
}

#[test]
fn no_engines_and_too_few() {
    let cluster = Cluster::start(0);
    let client = Client::connect_file(cluster.profile_folder().join("client.json")).unwrap();
    assert_eq!(client.ids(), [0_u32; 0]);
    let error = client.direct_view(..).apply(|| 1, ()).get().unwrap_err();
    assert!(matches!(error, Error::NoEngines), "{error:?}");
    assert_says(&error, &["there are no engines", "engine --profile NAME -n 4", "wait_for_engines"]);
    assert!(matches!(client.direct_view(phalanx::All).targets(), Err(Error::NoEngines)));
    let error = client.direct_view(0).apply(|| 1, ()).get().unwrap_err();
    assert_says(&error, &["engine 0 does not exist", "no engines"]);
    let error = client.wait_for_engines(2, Duration::from_millis(20)).unwrap_err();
    assert_says(&error, &["0 of 2 engines", "engine --profile NAME -n 2"]);
    assert!(matches!(Client::in_process(0), Err(Error::Local(_))));
}
