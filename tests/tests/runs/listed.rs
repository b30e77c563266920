//! `phalanx results FILE`: while a run goes on, when it is complete, and of what is no file of results.

use phalanx_tests::Gate;

use super::{Run, ended, printed, program, wait_for_rows};

fn results(arguments: &[&str]) -> (bool, String) {
    let output = ended(&phalanx_tests::binary("phalanx"), &[&["results"][..], arguments].concat());
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn a_run_is_listed_while_it_goes_on_and_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let (file, gate) = (folder.path().join("steps.h5"), Gate::at(folder.path().join("gate")));
    let name = file.to_str().unwrap();
    let arguments = ["steps", name, gate.folder(), "20", "8"];
    let run = Run::start(&program(), &arguments);
    wait_for_rows(&file, 8);
    let json = || -> serde_json::Value {
        let (read, text) = results(&[name, "--json"]);
        assert!(read, "{text}");
        serde_json::from_str(&text).unwrap()
    };
    let found = json();
    assert_eq!((&found["elements"], &found["done"], &found["missing"]), (&20.into(), &8.into(), &12.into()));
    assert_eq!(found["label"], "runs::step");
    assert!(found["shared_parameters"].as_str().unwrap().contains("\"scale\":0.5"), "{found}");
    run.kill();
    gate.open();
    printed(&arguments);
    let found = json();
    assert_eq!((&found["done"], &found["missing"], &found["failed"]), (&20.into(), &0.into(), &0.into()));
    assert_eq!(found["jobs"].as_array().unwrap().len(), 2);
    let of_engines = |session: u64| -> u64 {
        let engines = found["engines"].as_array().unwrap().iter().filter(|e| e["session"] == session);
        engines.map(|e| e["elements"].as_u64().unwrap()).sum()
    };
    assert_eq!((of_engines(0), of_engines(1)), (8, 12));
    let (_, plain) = results(&[name]);
    assert!(plain.starts_with(&format!("file\t{name}\trun\t20\t20\t0\t0\t")), "{plain}");
    assert!(plain.contains("dataset\t/values\tfloat64\t20\n"), "{plain}");
}

#[test]
fn what_is_no_file_of_results_is_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("some.h5");
    let name = file.to_str().unwrap();
    let refused = |expected: &str| {
        let (read, text) = results(&[name]);
        assert!(!read && text.contains(expected) && text.lines().count() == 1, "{expected}: {text}");
    };
    refused("cannot open");
    std::fs::write(&file, "x,y").unwrap();
    refused("is no HDF5 file");
    std::fs::remove_file(&file).unwrap();
    printed(&["fast", name, "10"]);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 100]).unwrap();
    refused("is damaged");
}

/// Also files that were saved when a job had ended.
#[test]
fn saved_jobs_are_listed_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roots.h5");
    let client = phalanx::Client::in_process(2).unwrap();
    let root = |x: i32| if x < 0 { Err("negative") } else { Ok(f64::from(x).sqrt()) };
    let out = client.load_balanced_view().try_map_async(root, -1..4, 1);
    out.save(&file).unwrap();
    let (read, text) = results(&[file.to_str().unwrap()]);
    assert!(read && text.contains("\tjob\t5\t4\t1\t0\t"), "{text}");
    assert!(text.contains("failure\t0\terror\tnegative\n"), "{text}");
}
