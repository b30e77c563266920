//! How long `Client::local(4)` takes, in a fresh process each time.

use std::process::Command;
use std::time::Instant;

use phalanx::Client;
use serde::{Deserialize, Serialize};

use crate::arguments::Arguments;
use crate::catalogue::{LOCAL_CALLED, LOCAL_READY};
use crate::error::Error;
use crate::figures::Figures;
use crate::process::own_executable;

const ENGINES: &str = "4";

/// What the child says.
#[derive(Debug, Serialize, Deserialize)]
struct Times {
    ready_ms: f64,
    called_ms: f64,
}

pub(super) fn measure(arguments: &Arguments, figures: &mut Figures) -> Result<(), Error> {
    for _ in 0..arguments.rounds() {
        let program = own_executable()?;
        let out = Command::new(&program).args(["local-ready", ENGINES]).output();
        let out = out.map_err(|source| Error::Start { program, source })?;
        let times: Times = serde_json::from_slice(&out.stdout).map_err(|e| Error::Child {
            program: "bench local-ready".to_owned(),
            what: format!("it should have printed its times: {e}"),
            stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
        })?;
        figures.record(&LOCAL_READY, times.ready_ms);
        figures.record(&LOCAL_CALLED, times.called_ms);
    }
    Ok(())
}

/// In the child: starts a local cluster, calls every engine once, prints the times since the beginning.
pub(crate) fn in_this_process(engines: usize) -> Result<(), Error> {
    let started = Instant::now();
    let client = Client::local(engines)?;
    let ready_ms = started.elapsed().as_secs_f64() * 1e3;
    let answers = client.direct_view(..).apply(|x: u64| x + 1, (1,)).get()?;
    let called_ms = started.elapsed().as_secs_f64() * 1e3;
    if answers != vec![2; engines] {
        return Err(Error::Wrong("the first call"));
    }
    let times = serde_json::to_string(&Times { ready_ms, called_ms }).expect("two numbers are JSON");
    println!("{times}");
    Ok(())
}
