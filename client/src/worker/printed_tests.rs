use std::fs::File;
use std::io::Write;

use bytes::Bytes;
use phalanx_proto::frames::Chunks;
use rustix::pipe::{PipeFlags, pipe_with};

use super::super::work::Payload;
use super::*;

/// A worker's pipes, and what it sends.
struct Bench {
    printed: Printed,
    out: File,
    err: File,
    sent: Vec<Output>,
}

/// Of which chunks (the first, how many), how much was dropped before, what.
type Sent = (Option<(u64, u32)>, u64, String);

fn pipe() -> (OwnedFd, File) {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    rustix::fs::fcntl_setfl(&read, rustix::fs::OFlags::NONBLOCK).unwrap();
    (read, File::from(write))
}

fn work(job: &Arc<Job>, first: u64, count: u32) -> Work {
    Work {
        job: Arc::clone(job),
        chunks: Chunks { job: 1, first, count, attempt: 1 },
        element_first: 10 * first,
        chunk_len: 10,
        stride: 0,
        lens: Bytes::new(),
        only: Bytes::new(),
        urgent: false,
        data: Payload::default(),
    }
}

fn job() -> Arc<Job> {
    Arc::new(Job::new(Err(String::new()), String::new(), 0, Bytes::new()))
}

impl Bench {
    fn new() -> Self {
        let ((read_out, out), (read_err, err)) = (pipe(), pipe());
        Self { printed: Printed::new([read_out, read_err]), out, err, sent: Vec::new() }
    }

    fn act(&mut self, act: impl FnOnce(&mut Printed, Send<'_>) -> io::Result<()>) {
        let sent = &mut self.sent;
        let mut send = |frame: &Frame| {
            let Frame::Output(output) = frame else { panic!("{frame:?}") };
            sent.push(output.clone());
            Ok(())
        };
        act(&mut self.printed, &mut send).unwrap();
    }

    /// What was sent.
    fn sent(&mut self) -> Vec<Sent> {
        let text = |data: &Bytes| String::from_utf8_lossy(data).into_owned();
        let chunks = |during: During| {
            assert_eq!(during.element_first, 10 * during.chunks.first);
            (during.chunks.first, during.chunks.count)
        };
        self.sent.drain(..).map(|o| (o.during.map(chunks), o.dropped, text(&o.data))).collect()
    }
}

fn running(chunk: u64) -> Option<Running> {
    Some(Running { job: 1, chunk, attempt: 1, place: 0 })
}

#[test]
fn words_are_put_down_to_the_chunks_that_ran_since_the_last_look() {
    let (mut bench, job) = (Bench::new(), job());
    assert!(job.prints.is_worth_a_look(), "the first chunk is looked at");
    bench.act(|p, send| p.begin(&work(&job, 5, 100), 0, send));
    bench.act(|p, send| p.look_at_end(5, send));
    assert!(!job.prints.is_worth_a_look(), "it said nothing");
    bench.out.write_all(b"one of some").unwrap();
    bench.act(|p, send| p.look_at_end(9, send));
    assert!(job.prints.is_worth_a_look());
    bench.err.write_all(b"ten").unwrap();
    bench.act(|p, send| p.look(running(10), send));
    bench.out.write_all(b"ten, later").unwrap();
    bench.act(|p, send| p.look_at_end(10, send));
    bench.act(|p, send| p.look_at_end(11, send));
    bench.out.write_all(b"of nobody").unwrap();
    bench.act(Printed::rest);
    bench.act(|p, send| p.look(None, send));
    let of = |chunk, text: &str| (Some((chunk, 1)), 0, text.to_owned());
    let wanted = [
        (Some((6, 4)), 0, "one of some".to_owned()),
        of(10, "ten"),
        of(10, "ten, later"),
        (None, 0, "of nobody".to_owned()),
    ];
    assert_eq!(bench.sent(), wanted);
}

#[test]
fn what_another_run_is_at_changes_nothing() {
    let (mut bench, job) = (Bench::new(), job());
    bench.act(|p, send| p.begin(&work(&job, 50, 10), 0, send));
    bench.out.write_all(b"fifty").unwrap();
    bench.act(|p, send| p.look(running(3), send));
    bench.out.write_all(b"fifty").unwrap();
    bench.act(|p, send| p.look(Some(Running { job: 2, chunk: 90, attempt: 1, place: 0 }), send));
    assert_eq!(
        bench.sent(),
        [(Some((50, 1)), 0, "fifty".to_owned()), (Some((50, 1)), 0, "fifty".to_owned())]
    );
}

#[test]
fn of_a_flood_the_ends_are_sent_and_what_is_dropped_is_counted() {
    let (mut bench, job) = (Bench::new(), job());
    bench.act(|p, send| p.begin(&work(&job, 0, 10_000), 0, send));
    let (page, mut written, mut sent, mut dropped) = ([b'x'; 4096], 0, 0, 0);
    // Two thousand chunks say 16 KiB each, at once.
    for chunk in 0..2000 {
        for _ in 0..4 {
            bench.out.write_all(&page).unwrap();
            written += page.len() as u64;
        }
        bench.act(|p, send| p.look_at_end(chunk, send));
        for (chunks, gap, text) in bench.sent() {
            let (first, count) = chunks.unwrap();
            assert!(first <= chunk && first + u64::from(count) == chunk + 1, "{first} {count} {chunk}");
            sent += text.len() as u64;
            dropped += gap;
        }
    }
    assert!(sent < 4 << 20, "{sent} of {written} bytes were sent");
    bench.act(Printed::rest);
    for (_, gap, text) in bench.sent() {
        sent += text.len() as u64;
        dropped += gap;
    }
    assert_eq!(sent + dropped, written);
    assert!(!bench.printed.holds());
}

#[test]
fn a_pipe_that_nobody_can_write_to_is_left_alone() {
    let (mut bench, job) = (Bench::new(), job());
    bench.act(|p, send| p.begin(&work(&job, 0, 10), 0, send));
    bench.out.write_all(b"the last").unwrap();
    bench.out = File::open("/dev/null").unwrap();
    bench.act(|p, send| p.look_at_end(0, send));
    bench.err.write_all(b"an error").unwrap();
    bench.act(|p, send| p.look_at_end(1, send));
    bench.act(|p, send| p.look_at_end(2, send));
    let texts: Vec<_> = bench.sent().into_iter().map(|(_, _, text)| text).collect();
    assert_eq!(texts, ["the last", "an error"]);
    assert!(bench.printed.streams[0].pipe.is_none() && bench.printed.streams[1].pipe.is_some());
}
