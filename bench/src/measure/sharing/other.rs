//! The other client: a program of its own in a session of its own, as users' programs in two terminals are. It runs one job after the other and
//! says from when to when each was under way, in nanoseconds of the machine's clock (`CLOCK_MONOTONIC`), which all processes share.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::Duration;

use phalanx::{AsyncMapResult, Auto, Chunksize, Client, LoadBalancedView};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::measure::work::spin;
use crate::process::{lead_a_session, own_executable};

const ELEMENTS: u64 = 1_000_000;
/// Those that do nothing are through in no time.
const NOOP_ELEMENTS: u64 = 8_000_000;
/// Between two looks whether a job is still under way.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What it can be told before it has heard it.
const TOLD_MAX: usize = 2;

/// What its jobs are.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Jobs {
    /// What an element costs, as steps of [`spin`].
    pub(super) steps: u64,
    /// Its chunks' size; `None` is `Auto`.
    pub(super) chunksize: Option<usize>,
}

/// What it is told.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    Run(Jobs),
    Stop,
}

/// What it says: elements of a job have been done; the job had not ended yet; it does nothing any more.
#[derive(Debug, Serialize, Deserialize)]
enum Said {
    From(u64),
    Until(u64),
    Stopped,
}

/// When a job was certainly under way.
#[derive(Debug, Clone, Copy)]
struct Span {
    from_ns: u64,
    until_ns: u64,
}

pub(super) struct Other {
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
    spans: Vec<Span>,
}

impl Other {
    pub(super) fn start(client_file: &Path) -> Result<Self, Error> {
        let program = own_executable()?;
        let mut command = Command::new(&program);
        lead_a_session(&mut command);
        let mut child = command
            .arg("other")
            .arg(client_file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| Error::Start { program, source })?;
        let says = BufReader::new(child.stdout.take().expect("it was piped")).lines();
        Ok(Self { child, says, spans: Vec::new() })
    }

    /// Its jobs run, one after the other, until it is told to stop. The first has begun when this returns.
    pub(super) fn begin(&mut self, jobs: Jobs) -> Result<(), Error> {
        self.spans.clear();
        self.tell(&Told::Run(jobs))?;
        self.hear()?;
        Ok(())
    }

    /// It does nothing when this returns, and it is known when its jobs were under way.
    pub(super) fn stop(&mut self) -> Result<(), Error> {
        self.tell(&Told::Stop)?;
        while self.hear()? {}
        Ok(())
    }

    /// Whether one of its jobs was under way all the time.
    pub(super) fn was_busy(&self, from_ns: u64, until_ns: u64) -> bool {
        self.spans.iter().any(|span| span.from_ns <= from_ns && until_ns <= span.until_ns)
    }

    fn tell(&mut self, what: &Told) -> Result<(), Error> {
        let stdin = self.child.stdin.as_mut().expect("it was piped");
        let line = serde_json::to_string(what).expect("numbers are JSON");
        writeln!(stdin, "{line}").map_err(Error::system("the other client's input"))
    }

    /// One thing that it says; whether there will be more.
    fn hear(&mut self) -> Result<bool, Error> {
        let line = self.says.next().and_then(Result::ok);
        match line.and_then(|line| serde_json::from_str(&line).ok()) {
            Some(Said::From(from_ns)) => self.spans.push(Span { from_ns, until_ns: from_ns }),
            Some(Said::Until(until_ns)) => {
                if let Some(span) = self.spans.last_mut() {
                    span.until_ns = until_ns;
                }
            }
            Some(Said::Stopped) => return Ok(false),
            None => {
                return Err(Error::Child {
                    program: "bench other".to_owned(),
                    what: "it ended; see above".to_owned(),
                    stderr: String::new(),
                });
            }
        }
        Ok(true)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // At the end of its input it ends its job and itself.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// In that child: until nobody holds the other end of its standard input.
pub(crate) fn serve(client_file: &PathBuf) -> Result<(), Error> {
    let client = Client::connect_file(client_file)?;
    let view = client.load_balanced_view();
    let (tell, told) = mpsc::sync_channel(TOLD_MAX);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let Some(what) = serde_json::from_str::<Told>(&line).ok() else { return };
            if tell.send(what).is_err() {
                return;
            }
        }
    });
    while let Ok(what) = told.recv() {
        if let Told::Run(jobs) = what {
            run(&view, jobs, &told)?;
            say(&Said::Stopped);
        }
    }
    Ok(())
}

/// One job after the other, until there is something else to hear.
fn run(view: &LoadBalancedView, jobs: Jobs, told: &Receiver<Told>) -> Result<(), Error> {
    loop {
        let job = begin(view, jobs);
        let (mut said, mut until_ns) = (false, 0);
        let is_over = loop {
            let looked_ns = now_ns();
            if job.wait(Some(LOOK_EVERY)) {
                break false;
            }
            if said {
                until_ns = looked_ns;
            } else if job.progress().elements_done > 0 {
                until_ns = now_ns();
                said = true;
                say(&Said::From(until_ns));
            }
            if !matches!(told.try_recv(), Err(TryRecvError::Empty)) {
                let told_ns = now_ns();
                if said && !job.ready() {
                    until_ns = told_ns;
                }
                job.abort();
                // It says whether it has ended, which it has.
                let _ = job.wait(None);
                break true;
            }
        };
        if said {
            say(&Said::Until(until_ns));
        }
        if is_over {
            return Ok(());
        }
        job.get()?;
    }
}

fn begin(view: &LoadBalancedView, jobs: Jobs) -> AsyncMapResult<u64> {
    let chunksize = jobs.chunksize.map_or(Chunksize::from(Auto), Chunksize::from);
    if jobs.steps == 0 {
        return view.map_async(|x: u64| x, 0..NOOP_ELEMENTS, chunksize);
    }
    let work = |steps: &u64, x: u64| {
        spin(*steps);
        x
    };
    view.with(jobs.steps).map_async(work, 0..ELEMENTS, chunksize)
}

fn say(what: &Said) {
    // If nobody listens any more, its input has ended too.
    let _ = writeln!(std::io::stdout(), "{}", serde_json::to_string(what).expect("numbers are JSON"));
}

/// Of the clock that all processes of a machine share.
pub(super) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}
