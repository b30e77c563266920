//! Organised simulations on real workers.

use phalanx_results::StoredRun;

use super::{after, printed};

#[test]
fn seeds_are_recorded_and_a_piece_run_alone_gives_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chains.h5");
    let name = file.to_str().unwrap();
    let first = printed(&["simulate", name]);
    // What is shown: the parameters, the progress, the time and the file.
    for shown in
        ["Run parameters", "\"Chain\": 100", "\"simulation\": 1000", "\"parallel\": 6", "6/6 tasks finished"]
    {
        assert!(first.contains(shown), "{shown}: {first}");
    }
    assert!(first.contains("6 pieces in ") && first.contains(name), "{first}");
    let bits: Vec<u64> = serde_json::from_str(after(&first, "bits ")).unwrap();
    let seeds: Vec<u64> = serde_json::from_str(after(&first, "seeds ")).unwrap();
    assert_eq!(phalanx_results::read_numbers(&file, "parameters/seed").unwrap(), seeds);
    assert_eq!(StoredRun::read(&file).unwrap().rows.len(), 6);
    for piece in [0, 4] {
        let alone = printed(&["piece", name, &piece.to_string()]);
        assert_eq!(after(&alone, "bits "), format!("[{}]", bits[piece]));
    }
    // The same seeds, from the file: nothing to do, the same results.
    let again = printed(&["simulate", name]);
    assert_eq!((after(&again, "resumed "), after(&again, "bits ")), ("6", after(&first, "bits ")));
    // Seeds come from the system: another run has others.
    let other = printed(&["simulate", folder.path().join("other.h5").to_str().unwrap()]);
    assert_ne!(after(&other, "seeds "), after(&first, "seeds "));
    assert_ne!(after(&other, "bits "), after(&first, "bits "));
}

/// Results that were there before a piece failed are not lost, and only that piece is simulated again.
#[test]
fn a_piece_that_fails_costs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chains.h5");
    let gate = phalanx_tests::Gate::at(folder.path().join("gate"));
    let arguments = ["failing", file.to_str().unwrap(), gate.folder()];
    let first = printed(&arguments);
    assert!(after(&first, "3 ").contains("the chain is broken"), "{first}");
    for piece in [0u32, 1, 2, 4, 5] {
        assert_eq!(after(&first, &format!("{piece} ")), format!("Ok(\"<{}>\")", piece * piece));
    }
    let stored = StoredRun::read(&file).unwrap();
    assert!(!stored.complete && stored.rows.len() == 6 && stored.rows[3].outcome.is_err());
    let before = gate.arrivals();
    gate.open();
    let second = printed(&arguments);
    assert_eq!((after(&second, "resumed "), after(&second, "3 ")), ("5", "Ok(\"<9>\")"));
    let new: Vec<_> = gate.arrivals().into_iter().filter(|a| !before.contains(a)).map(|a| a.tag).collect();
    assert_eq!(new, ["3"]);
    // Readers see what was made of the results.
    let script = "import h5py, sys; print(h5py.File(sys.argv[1])['values'].asstr()[:].tolist())";
    let read = std::process::Command::new(super::python()).args(["-c", script]).arg(&file).output().unwrap();
    let expected = "['<0>', '<1>', '<4>', '<9>', '<16>', '<25>']";
    assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), expected);
}

#[test]
fn new_files_have_names_of_their_own_and_are_told_relative_to_the_working_directory() {
    let folder = tempfile::tempdir().unwrap();
    let run = || {
        let mut command = std::process::Command::new(super::program());
        let output = command.arg("new").current_dir(folder.path()).output().unwrap();
        after(&String::from_utf8_lossy(&output.stdout), "file ").to_owned()
    };
    let (one, two) = (run(), run());
    assert_ne!(one, two);
    for name in [&one, &two] {
        assert!(name.starts_with("data/simulation-") && name.ends_with(".h5"), "{name}");
        assert!(StoredRun::read(&folder.path().join(name)).unwrap().complete);
    }
}
