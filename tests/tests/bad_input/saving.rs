//! Results that cannot be written: one error, nothing left behind, and the results still there to be saved elsewhere.

use std::path::Path;
use std::process::Command;

use phalanx::{Auto, Client, Error, SaveOptions};

use super::assert_says;

#[test]
fn places_where_nothing_can_be_saved() {
    let client = Client::in_process(2).unwrap();
    let out = client.load_balanced_view().map_async(|x: f64| x * x, (0..10).map(f64::from), Auto);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/squares.h5");
    assert_eq!(out.save(&path).unwrap(), path);

    let before = std::fs::read(&path).unwrap();
    assert_says(&out.save(&path).unwrap_err(), &["squares.h5", "exists already"]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    out.save_with(&path, &SaveOptions { overwrite: true, ..SaveOptions::default() }).unwrap();

    // A file in the way, and a folder where nobody may make files, not even root.
    let error = out.save(path.join("more.h5")).unwrap_err();
    assert!(matches!(error, Error::Save(_)));
    assert_says(&error, &["squares.h5", "not a directory"]);
    assert_says(&out.save("/sys/kernel/squares.h5").unwrap_err(), &["/sys/kernel", "not allowed to write"]);
    assert!(matches!(out.save(folder.path()), Err(Error::Save(_))));

    let left: Vec<_> =
        std::fs::read_dir(path.parent().unwrap()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["squares.h5"]);
    assert_eq!(out.get().unwrap()[9], 81.0);
}

/// On a file system of 1 MiB, mounted where only the child sees it.
#[test]
fn a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=1m tmpfs \"$1\" && exec \"$0\" too-large \"$1/noise.h5\"";
    let out = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script, env!("CARGO_BIN_EXE_results")])
        .arg(folder.path())
        .output()
        .unwrap_or_else(|e| panic!("unshare does not start ({e}): install util-linux"));
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(
        out.status.success(),
        "a namespace with a mount of its own needs root or user namespaces: {stdout}{stderr}"
    );
    assert_says(&stdout, &["noise.h5", "free some space", "nothing left behind", "small one saved"]);
    assert!(!Path::new(folder.path()).join("noise.h5").exists());
}
