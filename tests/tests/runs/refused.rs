//! Files in which a run cannot go on: one clear error each, and the file stays as it is.

use phalanx_tests::Gate;

use super::{Run, ended, printed, program};

#[test]
fn what_differs_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (file, gate) = (folder.path().join("steps.h5"), Gate::at(folder.path().join("gate")));
    let name = file.to_str().unwrap();
    gate.open();
    printed(&["steps", name, gate.folder(), "4", "4"]);
    let before = std::fs::read(&file).unwrap();
    for (mode, elements, expected) in [
        ("other-scale", "4", "parameter `scale` was 0.5 and is now 0.25"),
        ("other-function", "4", "the function was `runs::step` and is now `runs::map_steps::{{closure}}`"),
        ("other-element", "4", "element 3 is another one: now it is 77"),
        ("steps", "5", "there were 4 elements and are now 5"),
    ] {
        let output = ended(&program(), &[mode, name, gate.folder(), elements, "4"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{mode}");
        assert!(stderr.contains("holds another run") && stderr.contains(expected), "{mode}: {stderr}");
        assert_eq!(std::fs::read(&file).unwrap(), before, "{mode}");
    }
}

/// Closures of one function have one name, and are told apart all the same.
#[test]
fn another_closure_of_the_same_function_is_another_function() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("twin.h5");
    let name = file.to_str().unwrap();
    assert!(printed(&["twin", name, "2"]).contains("values 6.0"));
    let output = ended(&program(), &["twin", name, "3"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("another one of the same name"), "{stderr}");
    assert!(printed(&["twin", name, "2"]).contains("resumed 2"));
}

#[test]
fn files_that_hold_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("some.h5");
    let name = file.to_str().unwrap();
    let refused = |expected: &str| {
        let before = std::fs::read(&file).unwrap();
        let output = ended(&program(), &["fast", name, "10"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(expected), "{expected}: {stderr}");
        assert_eq!(std::fs::read(&file).unwrap(), before);
    };
    std::fs::write(&file, "x,y\n1,2\n").unwrap();
    refused("is no HDF5 file");
    std::fs::remove_file(&file).unwrap();
    printed(&["fast", name, "10"]);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    refused("is damaged");
    let script = "import h5py, sys; h5py.File(sys.argv[1], 'w')['x'] = [1, 2]";
    let made = std::process::Command::new(super::python()).args(["-c", script, name]).status().unwrap();
    assert!(made.success());
    refused("but not of Phalanx");
}

#[test]
fn a_file_that_another_process_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (file, gate) = (folder.path().join("steps.h5"), Gate::at(folder.path().join("gate")));
    let arguments = ["steps", file.to_str().unwrap(), gate.folder(), "4", "1"];
    let run = Run::start(&program(), &arguments);
    gate.wait_for_arrivals(3);
    let output = ended(&program(), &arguments);
    let (stderr, pid) = (String::from_utf8_lossy(&output.stderr), run.child.id().to_string());
    assert!(!output.status.success(), "{stderr}");
    assert!(stderr.contains(&format!("is being written by process {pid}")), "{stderr}");
    run.kill();
}
