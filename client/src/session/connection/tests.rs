//! Connections that break down, and what is said again when they are back.

use phalanx_proto::v1;

use super::super::outgoing::{Outgoing, outgoing};
use super::*;
use crate::job::JobSpec;
use crate::worker::Function;

fn job(key: u64) -> Arc<Job> {
    let spec = JobSpec {
        function: Function { entry: 0, label: "f", own_worker: false },
        elements: crate::codec::Elements::default(),
        context: bytes::Bytes::new(),
        plan: JobPlan::Balanced { chunksize: 1 },
        options: crate::job::JobOptions::default(),
        numbers: None,
        result_type: "",
    };
    Arc::new(Job::new(key, spec))
}

/// Nobody waits for ever for a connection that is gone, be it by a fault of ours.
#[test]
fn a_connection_that_breaks_down_ends_its_jobs() {
    let job = job(1);
    let (jobs, engines) = (Arc::new(DashMap::from_iter([(1, Arc::clone(&job))])), Arc::default());
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let (commands, inbox) = mpsc::unbounded_channel();
    let source: FileSource = Arc::new(|| panic!("the test wants it"));
    let drive = Arc::new(Drive::new().unwrap());
    let shared = Shared { jobs: Arc::clone(&jobs), engines: Arc::clone(&engines), kept: Arc::default() };
    let thread = spawn(drive, source, inbox, shared, tell).unwrap();
    assert!(thread.join().is_err(), "the panic is not hidden");
    assert!(told.recv().is_err() && commands.send(Command::Close).is_err() && jobs.is_empty());
    let Some(Ended::Failed(error)) = job.lock().ended.clone() else { panic!("it has ended") };
    assert!(error.to_string().contains("a fault of this library"), "{error}");
    assert!(matches!(engines.wait_for(1, Duration::from_secs(60)), Err(Error::Closed)));
}

/// A second submission would be taken for nonsense, and end the client.
#[tokio::test]
async fn a_job_whose_command_is_still_to_come_is_not_submitted_again() {
    let jobs = Arc::new(DashMap::from_iter([1, 2, 3].map(|key| (key, job(key)))));
    [1, 3].iter().for_each(|key| jobs.get(key).unwrap().take());
    let (_commands, inbox) = mpsc::unbounded_channel();
    let source: FileSource = Arc::new(|| Err("nobody asks".to_owned()));
    let mut io = Io {
        source,
        commands: inbox,
        jobs,
        engines: Arc::default(),
        kept: Arc::default(),
        wishes: Wishes::default(),
        unanswered: BTreeSet::new(),
        held: Vec::new(),
        last_words: broken(),
    };
    let (outgoing, mut sent) = outgoing();
    io.resubmit(&outgoing);
    drop(outgoing);
    let mut submitted = Vec::new();
    while let Some(message) = tokio_stream::StreamExt::next(&mut sent).await {
        if let Some(v1::client_message::Kind::Submit(submit)) = message.kind {
            submitted.push(submit.job);
        }
    }
    assert_eq!(submitted, [1, 3]);
}

fn io(jobs: &[&Arc<Job>]) -> (Io, mpsc::UnboundedSender<Command>) {
    let (commands, inbox) = mpsc::unbounded_channel();
    let io = Io {
        source: Arc::new(|| Err("nobody asks".to_owned())),
        commands: inbox,
        jobs: Arc::new(jobs.iter().map(|job| (job.key, Arc::clone(job))).collect()),
        engines: Arc::default(),
        kept: Arc::default(),
        wishes: Wishes::default(),
        unanswered: BTreeSet::new(),
        held: Vec::new(),
        last_words: broken(),
    };
    jobs.iter().for_each(|job| job.take());
    (io, commands)
}

/// A job with one element, kept or not, after another.
fn one(key: u64, kept: bool, after: Option<&Arc<Job>>) -> Arc<Job> {
    let mut elements = crate::codec::ElementsBuilder::default();
    elements.push(&1_u64).unwrap();
    let after = after.map(|job| crate::job::Dependency::on_fate(Arc::clone(&job.fate))).into_iter().collect();
    let function = Function { entry: 0, label: "f", own_worker: false };
    let plan = JobPlan::Balanced { chunksize: 1 };
    let spec = JobSpec::new(function, elements.finish(), bytes::Bytes::new(), plan);
    let options = crate::job::JobOptions { kept, after, ..crate::job::JobOptions::default() };
    Arc::new(Job::new(key, JobSpec { options, ..spec }))
}

async fn said(outgoing: Outgoing, sent: impl tokio_stream::Stream<Item = v1::ClientMessage>) -> Vec<String> {
    drop(outgoing);
    let word = |message: v1::ClientMessage| match message.kind? {
        v1::client_message::Kind::Submit(submit) => Some(format!("submit {}", submit.job)),
        v1::client_message::Kind::Attach(attach) => Some(format!("attach {}", attach.job)),
        _ => None,
    };
    let mut words = Vec::new();
    let mut sent = std::pin::pin!(sent);
    while let Some(message) = tokio_stream::StreamExt::next(&mut sent).await {
        words.extend(word(message));
    }
    words
}

/// The controller was restarted: it must know a job before another is submitted that waits for it.
#[tokio::test]
async fn a_job_that_waits_for_a_kept_one_is_submitted_after_it() {
    let kept = one(1, true, None);
    let after = one(2, false, Some(&kept));
    let free = one(3, false, None);
    let (mut io, _commands) = io(&[&kept, &after, &free]);
    let (outgoing, sent) = outgoing();
    io.resubmit(&outgoing);
    let unknown = v1::Attached { job: 1, refused: v1::NotKept::Unknown.into(), ..v1::Attached::default() };
    io.on_attached(unknown, &outgoing);
    assert_eq!(said(outgoing, sent).await, ["attach 1", "submit 3", "submit 1", "submit 2"]);
    assert!(io.kept.unpromised.contains_key(&1), "that controller has promised nothing");
}

/// Its end was not heard of, for the connection was lost; it must not be run again.
#[tokio::test]
async fn a_job_that_is_over_is_not_submitted_again() {
    let (over, open) = (one(1, false, None), one(2, false, None));
    over.end(Ended::Completed);
    let (mut io, _commands) = io(&[&over, &open]);
    let (outgoing, sent) = outgoing();
    io.resubmit(&outgoing);
    assert_eq!(said(outgoing, sent).await, ["submit 2"]);
    assert_eq!(io.jobs.len(), 1);
}
