//! Connections that break down, and what is said again when they are back.

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
    let io = Io {
        source,
        commands: inbox,
        jobs,
        engines: Arc::default(),
        kept: Arc::default(),
        wishes: Wishes::default(),
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
