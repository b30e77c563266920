//! The example under a real `mpirun`. Needs the feature `mpi` and Open MPI.

#![cfg(feature = "mpi")]

use std::process::Command;

#[test]
fn the_same_answers_under_mpirun() {
    let test = std::env::current_exe().unwrap();
    let example = test.parent().unwrap().parent().unwrap().join("examples/mpi_answers");
    for ranks in ["1", "3", "4"] {
        let run = Command::new("mpirun")
            .args(["--allow-run-as-root", "--oversubscribe", "-n", ranks])
            .arg(&example)
            .output()
            .expect("mpirun is installed (openmpi-bin)");
        let (said, complained) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{said}{complained}");
        assert_eq!(said.matches("on mpi").count().to_string(), ranks, "{said}{complained}");
    }
}
