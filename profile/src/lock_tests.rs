use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Barrier};
use std::thread;

use super::*;

fn profile() -> (tempfile::TempDir, Profile) {
    let dir = tempfile::tempdir().unwrap();
    let profile = Profile::at(dir.path().join("p")).unwrap();
    (dir, profile)
}

#[test]
fn a_second_holder_is_told_who_the_first_is() {
    let (_dir, profile) = profile();
    let lock = Lock::acquire(&profile).unwrap();
    let error = Lock::acquire(&profile).unwrap_err();
    let message = error.to_string();
    assert!(
        matches!(error, LockError::AlreadyRunning { holder, .. } if holder == Holder::this_process() || holder.pid == std::process::id())
    );
    assert!(
        message.contains(&format!("process {}", std::process::id()))
            && message.contains("phalanx stop --profile p"),
        "{message}"
    );
    drop(lock);
    Lock::acquire(&profile).unwrap();
}

#[test]
fn asking_neither_takes_nor_releases() {
    let (_dir, profile) = profile();
    assert_eq!(Lock::status(&profile).unwrap(), LockStatus::Free);
    assert!(!profile.lock_file().exists(), "asking must not make the file");
    let lock = Lock::acquire(&profile).unwrap();
    for _ in 0..3 {
        // A POSIX lock would be gone after the first of these: closing any descriptor drops it.
        let status = Lock::status(&profile).unwrap();
        assert!(matches!(status, LockStatus::Held(holder) if holder.pid == std::process::id()));
    }
    assert!(Lock::acquire(&profile).is_err());
    drop(lock);
    assert_eq!(Lock::status(&profile).unwrap(), LockStatus::Free);
    assert_eq!(fs::read(profile.lock_file()).unwrap(), b"", "the record ends with the holding");
    assert_eq!(fs::metadata(profile.lock_file()).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn of_many_that_start_at_once_one_wins() {
    let (_dir, profile) = profile();
    let starters = 8;
    let (start, end) = (Arc::new(Barrier::new(starters)), Arc::new(Barrier::new(starters)));
    let threads: Vec<_> = (0..starters)
        .map(|_| {
            let (profile, start, end) = (profile.clone(), Arc::clone(&start), Arc::clone(&end));
            thread::spawn(move || {
                start.wait();
                let lock = Lock::acquire(&profile);
                end.wait(); // no winner leaves before every loser has tried
                lock.is_ok()
            })
        })
        .collect();
    let winners = threads.into_iter().map(|t| t.join().unwrap()).filter(|won| *won).count();
    assert_eq!(winners, 1);
}

#[test]
fn a_record_of_the_dead_is_not_believed() {
    let (_dir, profile) = profile();
    let dead = Holder { start_ticks: 1, ..Holder::this_process() };
    fs::write(profile.lock_file(), serde_json::to_vec(&dead).unwrap()).unwrap();
    assert_eq!(Lock::status(&profile).unwrap(), LockStatus::Free, "nobody holds it, whatever is written");

    // Held, and the holder has not yet written who it is: the moment after a restart.
    let file = OpenOptions::new().read(true).write(true).open(profile.lock_file()).unwrap();
    assert!(try_lock(&file).unwrap());
    assert_eq!(Lock::status(&profile).unwrap(), LockStatus::HeldByUnknown);
    assert!(matches!(Lock::acquire(&profile).unwrap_err(), LockError::HeldByUnknown { .. }));
    for damaged in [&b""[..], b"{", b"\xff\xfe", b"[1]", &[b' '; 10_000]] {
        fs::write(profile.lock_file(), damaged).unwrap();
        assert_eq!(Lock::status(&profile).unwrap(), LockStatus::HeldByUnknown);
    }
    let elsewhere = Holder { host: "another-machine".to_owned(), ..dead };
    fs::write(profile.lock_file(), serde_json::to_vec(&elsewhere).unwrap()).unwrap();
    assert_eq!(
        Lock::status(&profile).unwrap(),
        LockStatus::Held(elsewhere),
        "its process cannot be looked at from here"
    );
    drop(file);
    Lock::acquire(&profile).unwrap();
}

#[test]
fn a_lock_file_that_was_replaced_is_noticed() {
    let (_dir, profile) = profile();
    let path = profile.lock_file();
    let file = File::create(&path).unwrap();
    assert!(is_same_file(&file, &path));
    fs::remove_file(&path).unwrap();
    assert!(!is_same_file(&file, &path));
    File::create(&path).unwrap();
    assert!(!is_same_file(&file, &path));
}

#[test]
fn a_lock_file_that_cannot_be_one_is_an_error() {
    let (_dir, profile) = profile();
    fs::create_dir(profile.lock_file()).unwrap();
    assert!(matches!(Lock::acquire(&profile).unwrap_err(), LockError::Io { doing: "open", .. }));
}

#[test]
fn the_socket_of_a_dead_controller_makes_room() {
    let (_dir, profile) = profile();
    let lock = Lock::acquire(&profile).unwrap();
    let path = lock.claim_socket().unwrap();
    drop(UnixListener::bind(&path).unwrap()); // closing leaves the file, as a killed controller does
    assert!(UnixListener::bind(&path).is_err());
    let _listener = UnixListener::bind(lock.claim_socket().unwrap()).unwrap();
    drop(lock);
    assert!(!path.exists());
}

#[test]
fn a_deep_profile_gets_a_private_place_elsewhere_and_leaves_nothing_there() {
    let dir = tempfile::tempdir().unwrap();
    let profile = Profile::at(dir.path().join("d".repeat(60)).join("e".repeat(60))).unwrap();
    let lock = Lock::acquire(&profile).unwrap();
    let path = lock.claim_socket().unwrap();
    let elsewhere = path.parent().unwrap().to_owned();
    assert!(!path.starts_with(profile.path()));
    assert_eq!(fs::metadata(&elsewhere).unwrap().permissions().mode() & 0o7777, 0o700);
    let _listener = UnixListener::bind(&path).unwrap();
    drop(lock);
    assert!(!elsewhere.exists());

    // Somebody else's directory in its place is not used.
    fs::create_dir(&elsewhere).unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o777)).unwrap();
    let lock = Lock::acquire(&profile).unwrap();
    assert!(matches!(lock.claim_socket().unwrap_err(), ProfileError::Exposed { .. }));
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o700)).unwrap();
}
