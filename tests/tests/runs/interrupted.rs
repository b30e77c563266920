//! SIGKILL and going on; copies made while a run goes on.

use std::path::Path;
use std::process::Command;

use phalanx_tests::Gate;

use super::{Run, after, ended, printed, program, python, wait_for_rows};

#[test]
fn a_run_that_was_killed_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (file, gate) = (folder.path().join("data/steps.h5"), Gate::at(folder.path().join("gate")));
    let name = file.to_str().unwrap();
    let arguments = ["steps", name, gate.folder(), "20", "8"];
    let run = Run::start(&program(), &arguments);
    // Eight are free, and each of two engines waits with one more.
    gate.wait_for_arrivals(10);
    wait_for_rows(&file, 8);
    run.kill();
    gate.open();

    let text = printed(&arguments);
    assert_eq!(after(&text, "resumed "), "8");
    assert!(text.contains("8 of 20 elements are in"), "{text}");
    assert_eq!(after(&text, "values "), "95.0");
    let computed_twice = |element: u64| {
        gate.arrivals().iter().filter(|arrival| arrival.tag == element.to_string()).count() > 1
    };
    assert!(!(0..8).any(computed_twice), "{:?}", gate.arrivals());

    // A third time nothing is left to do, and the file stays as it is, with what others have put into it.
    let add = "import h5py, sys; h5py.File(sys.argv[1], 'a').create_group('analysis/fit')";
    assert!(Command::new(python()).args(["-c", add, name]).status().unwrap().success());
    let before = std::fs::read(&file).unwrap();
    let text = printed(&arguments);
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert_eq!((after(&text, "resumed "), after(&text, "values ")), ("20", "95.0"));

    let script = "import h5py, sys\n\
        f = h5py.File(sys.argv[1])\n\
        assert f.attrs['complete'] and f.attrs['elements'] == 20\n\
        assert (f['values'][:] == [0.5 * i for i in range(20)]).all(), f['values'][:]\n\
        assert (f['elements/element'][:] == range(20)).all() and (f['elements/status'][:] == 0).all()\n\
        assert list(f['elements/session'][:]) == [0] * 8 + [1] * 12, f['elements/session'][:]\n\
        assert (f['parameters'][:] == range(20)).all() and len(f['sessions/job']) == 2\n\
        assert f['values'].maxshape == (None,) and f['values'].compression == 'gzip'\n";
    let checked = Command::new(python()).args(["-c", script, name]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let left: Vec<_> = std::fs::read_dir(file.parent().unwrap()).unwrap().flatten().collect();
    assert_eq!(left.len(), 2, "the file and its copy: {left:?}");
}

/// Somebody else's library opens copies made at any moment, and finds every row in them right.
#[test]
fn copies_made_while_a_run_goes_on_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fast.h5");
    let name = file.to_str().unwrap();
    let script = "import h5py, shutil, sys, os, time\n\
        name, pid = sys.argv[1], int(sys.argv[2])\n\
        seen = set()\n\
        while True:\n\
        \x20   over = open(f'/proc/{pid}/stat').read().split(')')[-1].split()[0] == 'Z'\n\
        \x20   try: shutil.copy(name, name + '.copy')\n\
        \x20   except FileNotFoundError: continue\n\
        \x20   with h5py.File(name + '.copy') as f:\n\
        \x20       e = f['elements/element'][:]\n\
        \x20       assert (f['values'][:] == 0.5 * e).all() and len(set(e)) == len(e)\n\
        \x20       assert (f['elements/status'][:] == 0).all() and (f['elements/seconds'][:] > 0).all()\n\
        \x20       assert len(f['run/encoded']) == len(e) and len(f['parameters']) == 40000\n\
        \x20       seen.add(len(e))\n\
        \x20   with h5py.File(name) as f: assert len(f['values']) >= len(e)\n\
        \x20   if over: break\n\
        assert max(seen) == 40000, seen\n\
        print(len(seen))\n";
    let mut run = Run::start(&program(), &["fast", name, "40000"]);
    let pid = run.child.id().to_string();
    let checked = Command::new(python()).args(["-c", script, name, &pid]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert!(run.child.wait().unwrap().success());
    let states: u32 = String::from_utf8_lossy(&checked.stdout).trim().parse().unwrap();
    assert!(states > 3, "only {states} states of the file were seen");
}

/// On a file system of 1 MiB the job goes on, the error is shown, and what was written can be read.
#[test]
fn a_full_disk_does_not_end_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let script =
        "mount -t tmpfs -o size=1m tmpfs \"$1\" && \"$0\" noise \"$1/noise.h5\" && cp \"$1/noise.h5\" \"$2\"";
    let copy = tempfile::tempdir().unwrap();
    let out = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script])
        .arg(program())
        .args([folder.path(), copy.path()])
        .output()
        .unwrap_or_else(|e| panic!("unshare does not start ({e}): install util-linux"));
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{stdout}{stderr}");
    assert_eq!(after(&stdout, "values "), "400");
    assert!(after(&stdout, "unsaved ").contains("no room to save"), "{stdout}");
    assert!(stderr.contains("results are not being saved; the job goes on"), "{stderr}");
    // What is not in the file is noted beside it.
    let mut left: Vec<_> = after(&stdout, "left ").trim_matches(['[', ']']).split(", ").collect();
    left.sort_unstable();
    assert_eq!(left, ["\".noise.h5.journal\"", "\"noise.h5\""]);
    let rows = phalanx_results::StoredRun::read(&copy.path().join("noise.h5")).unwrap().rows;
    assert!((1..400).contains(&rows.len()), "{}", rows.len());
}

/// What did not fit into the file any more was noted beside it, and is not run again.
#[test]
fn what_is_noted_beside_the_file_counts_when_the_run_goes_on() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let gate = Gate::at(gate.path().join("gate"));
    // The disk is full but for so little that no commit fits, when all elements but the first are run.
    let script = r#"
        mount -t tmpfs -o size=2m tmpfs "$1" || exit 1
        "$0" steps "$1/s.h5" "$2" 40 1 &
        while [ ! -s "$1/s.h5" ]; do sleep 0.01; done
        dd if=/dev/zero of="$1/fill" bs=4096 2>/dev/null
        truncate -s -16384 "$1/fill"
        : >"$2/open"
        wait $! && echo "everything fitted"
        rm "$1/fill"
        "$0" steps "$1/s.h5" "$2" 40 1 && ls -A "$1"
    "#;
    let out = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script])
        .arg(program())
        .args([folder.path(), Path::new(gate.folder())])
        .output()
        .unwrap_or_else(|e| panic!("unshare does not start ({e}): install util-linux"));
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && stderr.contains("no room to save"), "{stdout}{stderr}");
    assert!(stdout.contains("resumed 0") && stdout.contains("resumed 40"), "{stdout}{stderr}");
    assert!(!stdout.contains("everything fitted") && stdout.ends_with("s.h5\n"), "{stdout}");
    assert_eq!(gate.arrivals().len(), 40, "each element was run once");
}

/// The executable that runs is another one when it has one byte more.
#[test]
fn another_program_is_refused_unless_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let (file, gate) = (folder.path().join("steps.h5"), Gate::at(folder.path().join("gate")));
    let name = file.to_str().unwrap();
    gate.open();
    printed(&["steps", name, gate.folder(), "4", "4"]);
    let other = folder.path().join("runs");
    let mut bytes = std::fs::read(program()).unwrap();
    bytes.push(0);
    std::fs::copy(program(), &other).unwrap();
    std::fs::write(&other, bytes).unwrap();
    let refused = ended(&other, &["steps", name, gate.folder(), "4", "4"]);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && stderr.contains("the program's code has changed"), "{stderr}");
    assert!(stderr.contains("go on with `any_program()`"), "{stderr}");
    // Its values must still mean the same.
    let differ = "import h5py, sys; h5py.File(sys.argv[1], 'a').attrs['values_type'] = sys.argv[2]";
    let retype = |text: &str| {
        assert!(Command::new(python()).args(["-c", differ, name, text]).status().unwrap().success());
    };
    retype("{mass: f64, charge: f64}");
    let refused = ended(&other, &["any-program", name, gate.folder(), "4", "4"]);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    let expected = "values were {mass: f64, charge: f64} and are now f64";
    assert!(!refused.status.success() && stderr.contains(expected), "{stderr}");
    retype("f64");
    let taken = ended(&other, &["any-program", name, gate.folder(), "4", "4"]);
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    assert!(String::from_utf8_lossy(&taken.stdout).contains("resumed 4"));
}
