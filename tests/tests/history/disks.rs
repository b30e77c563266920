//! Files that are damaged, and disks that are full: jobs go on.

use std::fs;
use std::process::Command;

use phalanx_tests::{Cluster, DEADLINE, Signal};

use super::{asked, phalanx, run, states};

#[test]
fn a_damaged_file_is_set_aside_and_a_new_one_begun() {
    let mut cluster = Cluster::start(1);
    run(&cluster, &["calls", "3"]);
    cluster.controller().signal(Signal::TERM);
    cluster.controller().wait(DEADLINE);
    let file = cluster.profile_folder().join("history.sqlite");
    let mut bytes = fs::read(&file).unwrap();
    bytes[..64].fill(b'x');
    fs::write(&file, &bytes).unwrap();
    let (code, _, err) = phalanx(cluster.home(), &[]);
    assert!(code == Some(1) && err.contains("cannot be read: file is not a database"), "{err}");

    cluster.start_controller();
    run(&cluster, &["calls", "2"]);
    assert_eq!(states(&asked(cluster.home(), &[])).len(), 2);
    let aside = cluster.profile_folder().join("history.sqlite.aside-1");
    assert_eq!(fs::read(aside).unwrap(), bytes);
    cluster.controller().wait_for_log("cannot be used and was set aside as");
}

#[test]
fn where_no_file_can_be_made_jobs_run_and_the_reason_is_told() {
    let mut cluster = Cluster::start(1);
    // A folder of that name is in the way.
    fs::create_dir(cluster.profile_folder().join("history.sqlite")).unwrap();
    run(&cluster, &["calls", "20"]);
    let (code, _, err) = phalanx(cluster.home(), &[]);
    assert!(
        code == Some(1)
            && err.contains("none can be recorded: ")
            && err.contains("history.sqlite cannot be written"),
        "{err}"
    );
    cluster.controller().wait_for_log("the history of jobs is not being recorded, jobs go on");
}

/// The file is on a file system of 8 MiB, which something else fills. Jobs go on; when there is room again, so does the history.
#[test]
fn a_full_disk_holds_up_no_job_and_is_written_to_again() {
    let script = r#"
        mount -t tmpfs -o size=8m tmpfs "$2" || exit 1
        mkdir -m 700 "$PHALANX_HOME" "$PHALANX_HOME/test" && ln -s "$2/history.sqlite" "$PHALANX_HOME/test/history.sqlite" || exit 1
        log="$PHALANX_HOME/controller.log"
        "$1/controller" --profile test >"$log" 2>&1 & controller=$!
        "$1/engine" --profile test -n 1 >"$PHALANX_HOME/engine.log" 2>&1 & engine=$!
        trap 'kill $engine $controller; wait' EXIT
        until grep -q 'controller ready' "$log"; do sleep 0.02; done
        "$1/history" calls 5 || exit 2
        "$1/phalanx" history --profile test | wc -l
        dd if=/dev/zero of="$2/fill" bs=4096 2>/dev/null
        "$1/history" rows 1000 || exit 3
        until grep -q 'is not being recorded, jobs go on' "$log"; do sleep 0.02; done
        "$1/history" calls 3 || exit 4
        echo "trouble: $("$1/phalanx" history --profile test --json 2>&1 | grep -c 'cannot be written')"
        rm "$2/fill"
        until [ "$("$1/phalanx" history --profile test | wc -l)" = 9 ]; do sleep 0.1; done
        grep -c 'is not being recorded' "$log"
        grep -c 'is written again' "$log"
    "#;
    let home = tempfile::Builder::new().prefix("phalanx-test-").tempdir().unwrap();
    let disk = tempfile::tempdir().unwrap();
    let binaries = phalanx_tests::binary("history");
    let seconds = (4 * DEADLINE.as_secs()).to_string();
    let out = Command::new("timeout")
        .args([&seconds, "unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh"])
        .args([binaries.parent().unwrap(), disk.path()])
        .env("PHALANX_HOME", home.path().join("home"))
        .output()
        .unwrap_or_else(|e| panic!("unshare does not start ({e}): install util-linux"));
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    let log = fs::read_to_string(home.path().join("home/controller.log")).unwrap_or_default();
    assert!(out.status.success(), "{}\n{stdout}{stderr}{log}", out.status);
    let lines: Vec<_> = stdout.lines().filter(|line| !line.starts_with("rows ")).collect();
    assert_eq!(lines, ["5", "trouble: 1", "1", "1"], "{stderr}{log}");
}
