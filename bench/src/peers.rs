//! The same work under other libraries. Each is a small Python program that prints one JSON object per figure.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::error::Error;

/// What another library achieved.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its name, which begins its keys in the summary.
    pub(crate) name: &'static str,
    /// Its figures, under the keys that ours have.
    pub(crate) figures: Vec<(String, f64)>,
}

/// The engines (workers) that each peer has, as ours.
const ENGINES: &str = "2";

const PROGRAMS: [(&str, &str); 4] = [
    ("ipyparallel", include_str!("../peers/ipyparallel_peer.py")),
    ("dask", include_str!("../peers/dask_peer.py")),
    ("pool", include_str!("../peers/pool_peer.py")),
    ("openmpi", include_str!("../peers/openmpi_peer.py")),
];
const SHARED: (&str, &str) = ("measuring.py", include_str!("../peers/measuring.py"));

#[derive(Deserialize)]
struct Line {
    key: String,
    value: f64,
}

/// Runs every peer with that Python.
pub(crate) fn run(python: &Path, quick: bool) -> Result<Vec<Peer>, Error> {
    // In a folder of their own: peers' workers import the file that was started.
    let folder =
        tempfile::Builder::new().prefix("phalanx-bench-").tempdir().map_err(Error::system("a folder"))?;
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).map_err(|source| Error::File { path: path.clone(), source }).map(|()| path)
    };
    put(SHARED.0, SHARED.1)?;
    let mut peers = Vec::new();
    for (name, text) in PROGRAMS {
        eprintln!("measuring {name} …");
        let script = put(&format!("{name}_peer.py"), text)?;
        let rounds = if quick { "2" } else { "5" };
        let out =
            Command::new(python).arg(script).args([ENGINES, rounds]).current_dir(folder.path()).output();
        let out = out.map_err(|source| Error::Start { program: python.to_owned(), source })?;
        let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
        if !out.status.success() {
            return Err(Error::Child {
                program: format!("{name}_peer.py"),
                what: out.status.to_string(),
                stderr,
            });
        }
        peers.push(Peer { name, figures: parse(&String::from_utf8_lossy(&out.stdout)) });
    }
    Ok(peers)
}

/// Libraries print what they like; lines that are figures count.
fn parse(output: &str) -> Vec<(String, f64)> {
    let lines = output.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    lines.map(|line| (line.key, line.value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::find;

    #[test]
    fn figures_are_found_among_other_lines() {
        let output = "Starting 2 engines\n{\"key\": \"apply_rtt_us\", \"value\": 2960.5}\n{\"other\": 1}\n\n{\"key\": \"gather_mib_s\", \"value\": 110}\n";
        assert_eq!(parse(output), [("apply_rtt_us".to_owned(), 2960.5), ("gather_mib_s".to_owned(), 110.0)]);
    }

    #[test]
    fn every_figure_of_a_peer_has_one_of_ours_beside_it() {
        for (name, text) in PROGRAMS.into_iter().filter(|(name, _)| *name != "openmpi") {
            let keys: Vec<_> =
                text.split("report(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
            assert!(keys.len() >= 4, "{name} reports {keys:?}");
            assert_eq!(keys.iter().find(|key| find(key).is_none()), None, "{name}");
        }
        // Open MPI's keys are made of names that both have.
        let (_, openmpi) = PROGRAMS[3];
        for name in
            ["comm_{name}_{comm.size}_us", "\"barrier\"", "{name}_{size}", "\"8b\"", "\"64k\"", "\"16m\""]
        {
            assert!(openmpi.contains(name), "{name}");
        }
    }
}
