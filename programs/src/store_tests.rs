use std::os::unix::fs::PermissionsExt;

use super::*;

fn named(bytes: &[u8]) -> Hash {
    *blake3::hash(bytes).as_bytes()
}

fn receive(store: &Store, bytes: &[u8]) -> Result<PathBuf, StoreError> {
    let mut receiver = store.begin(&named(bytes), bytes.len() as u64)?;
    for piece in bytes.chunks(7) {
        receiver.write(piece)?;
    }
    receiver.finish()
}

fn files(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

fn set_age(path: &Path, secs: u64) {
    let then = SystemTime::now() - Duration::from_secs(secs);
    File::open(path).unwrap().set_modified(then).unwrap();
}

#[test]
fn what_was_received_is_there_and_executable_by_its_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("programs"), 1 << 20).unwrap();
    assert_eq!(store.get(&named(b"hello world")), None);
    let path = receive(&store, b"hello world").unwrap();
    assert_eq!(store.get(&named(b"hello world")), Some(path.clone()));
    assert_eq!(fs::read(&path).unwrap(), b"hello world");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o500);
    assert_eq!(fs::metadata(dir.path().join("programs")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_copy_is_checked_before_it_gets_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let original = dir.path().join("original");
    fs::write(&original, b"a program").unwrap();
    let store = Store::open(&dir.path().join("programs"), 1 << 20).unwrap();
    let copy = store.insert_copy(&named(b"a program"), &original).unwrap();
    assert_eq!(fs::read(copy).unwrap(), b"a program");
    let wrong = store.insert_copy(&named(b"another"), &original);
    assert!(matches!(wrong, Err(StoreError::HashMismatch { .. })), "{wrong:?}");
    assert_eq!(store.get(&named(b"another")), None);
    assert_eq!(files(&dir.path().join("programs")), 1);
}

#[test]
fn lies_about_hash_and_size_are_refused_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 100).unwrap();
    let mut lying = store.begin(&named(b"x"), 5).unwrap();
    lying.write(b"other").unwrap();
    assert!(matches!(lying.finish(), Err(StoreError::HashMismatch { .. })));
    let mut short = store.begin(&named(b"x"), 5).unwrap();
    short.write(b"x").unwrap();
    assert!(matches!(short.finish(), Err(StoreError::SizeMismatch { expected: 5, found: 1 })));
    let mut long = store.begin(&named(b"x"), 1).unwrap();
    assert!(matches!(long.write(b"xy"), Err(StoreError::SizeMismatch { expected: 1, found: 2 })));
    drop(long);
    assert!(matches!(store.begin(&named(b"x"), 101), Err(StoreError::TooLarge { size: 101, max: 100 })));
    assert_eq!(files(dir.path()), 0);
}

#[test]
fn the_least_recently_used_goes_first_and_the_newest_never() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 25).unwrap();
    let first = receive(&store, b"1234567890").unwrap();
    let second = receive(&store, b"abcdefghij").unwrap();
    set_age(&first, 200);
    set_age(&second, 100);
    assert!(store.get(&named(b"1234567890")).is_some(), "a use makes it the younger one");
    let third = receive(&store, b"ABCDEFGHIJ").unwrap();
    assert!(first.exists() && !second.exists() && third.exists());
    let all = receive(&store, &[7; 25]).unwrap();
    assert!(all.exists() && files(dir.path()) == 1);
}

#[test]
fn leftovers_of_the_dead_go_and_those_of_the_living_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 100).unwrap();
    let stale = dir.path().join(".receiving-1-0");
    fs::write(&stale, b"half").unwrap();
    set_age(&stale, 3600);
    let mut living = store.begin(&named(b"living"), 6).unwrap();
    living.write(b"liv").unwrap();
    let temp = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()).find(|p| *p != stale).unwrap();
    set_age(&temp, 3600);
    let again = Store::open(dir.path(), 100).unwrap();
    assert!(!stale.exists());
    living.write(b"ing").unwrap();
    assert_eq!(again.get(&named(b"living")), None);
    living.finish().unwrap();
    assert!(again.get(&named(b"living")).is_some());
}

#[test]
fn a_file_that_lost_its_bytes_is_not_a_program() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 100).unwrap();
    let path = receive(&store, b"whole").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, b"").unwrap();
    assert_eq!(store.get(&named(b"whole")), None);
    assert!(!path.exists());
}

#[test]
fn errors_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 100).unwrap();
    let missing = store.insert_copy(&named(b"x"), &dir.path().join("missing")).unwrap_err();
    assert!(missing.to_string().contains("missing"), "{missing}");
    let full = StoreError::at(dir.path())(rustix::io::Errno::NOSPC.into());
    assert!(matches!(full, StoreError::NoSpace { .. }));
}
