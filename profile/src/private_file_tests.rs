use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn a_written_file_is_private_and_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("client.json");
    write(&path, "one").unwrap();
    write(&path, "two").unwrap();
    assert_eq!(read(&path).unwrap(), "two");
    assert_eq!(mode(&path), 0o600);
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["client.json"], "temporary files are left behind");
}

#[test]
fn writing_closes_a_file_that_was_open_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("client.json");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    write(&path, "new").unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_failed_write_leaves_the_old_content_and_no_temporary_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("client.json");
    fs::create_dir(&path).unwrap(); // a rename cannot replace a directory
    assert!(matches!(write(&path, "x").unwrap_err(), FileError::Io { doing: "write", .. }));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn modes_that_let_others_in_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("client.json");
    write(&path, "x").unwrap();
    for wide in [0o640, 0o604, 0o644, 0o620, 0o601, 0o666] {
        fs::set_permissions(&path, Permissions::from_mode(wide)).unwrap();
        let error = read(&path).unwrap_err();
        assert!(matches!(error, FileError::Exposed { mode, .. } if mode == wide), "{error}");
        assert!(error.to_string().contains(&format!("chmod 600 {}", quoted(&path))), "{error}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    assert_eq!(read(&path).unwrap(), "x");
}

#[test]
fn what_is_no_readable_text_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(read(&dir.path().join("absent")).unwrap_err(), FileError::Missing { .. }));
    assert!(matches!(read(dir.path()).unwrap_err(), FileError::NotAFile { .. }));

    let pipe = dir.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(matches!(read(&pipe).unwrap_err(), FileError::NotAFile { .. }));

    let binary = dir.path().join("binary");
    write(&binary, "").unwrap();
    fs::write(&binary, [0xff, 0xfe]).unwrap();
    assert!(matches!(read(&binary).unwrap_err(), FileError::NotText { .. }));

    let large = dir.path().join("large");
    write(&large, "").unwrap();
    File::options().write(true).open(&large).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
    assert!(
        matches!(read(&large).unwrap_err(), FileError::TooLarge { bytes, .. } if bytes == FILE_BYTES_MAX + 1)
    );
}

#[test]
fn a_key_of_another_user_is_denied() {
    if rustix::process::geteuid().is_root() {
        return; // root may read everything: there is nothing to be denied
    }
    assert!(matches!(read(Path::new("/etc/shadow")).unwrap_err(), FileError::Denied { .. }));
}
