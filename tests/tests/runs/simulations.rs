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
