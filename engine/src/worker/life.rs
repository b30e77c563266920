//! One worker's life: get the program, start it, greet it, pass frames both ways, and say how it ended.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::BytesMut;
use phalanx_idle::{QuietReader, QuietWriter, quiet};
use phalanx_proto::frames::{Frame, FrameDecoder, Output, Ready, Welcome};
use phalanx_proto::v1::WorkerLossKind;
use phalanx_proto::version::{PROTOCOL_VERSION, VERSION};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::sync::{Notify, mpsc};

use super::handle::{Ended, Gone, Predecessor, WorkerContext};
use super::pipes::Pipes;
use super::process::Process;
use super::run_limits::RunLimits;
use super::served::{Fault, Served, ended};
use super::spawn::{self, Streams};
use super::wire::{Wire, write_frames};
use crate::board::{Board, Running};
use crate::config::Workers;
use crate::outbound::{begun, output, refused, report, report_part, returned, untold};
use crate::program::Origin;

/// A worker whose only job has ended is given this long at most to leave by itself.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);
/// A child that it forked may keep its socket open; the last words are not waited for longer than this.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_millis(300);

/// Frames for a worker.
pub(super) struct Inbox {
    pub(super) frames: mpsc::Receiver<Frame>,
    /// Small ones that overtake the others.
    pub(super) urgent: mpsc::Receiver<Frame>,
}

/// A worker, from its order to its end.
pub(super) struct Life {
    pub(super) ctx: WorkerContext,
    pub(super) engine: u32,
    /// Its place among the node's engines.
    pub(super) place: usize,
    pub(super) origin: Origin,
    pub(super) predecessor: Predecessor,
    /// It is for one job alone.
    pub(super) is_own: bool,
    pub(super) open: Arc<AtomicU64>,
    pub(super) board: Arc<OnceLock<Board>>,
    pub(super) kill: Arc<Notify>,
    pub(super) process: Arc<OnceLock<OwnedFd>>,
    pub(super) run_limits: Arc<RunLimits>,
}

impl Life {
    pub(super) async fn live(self, inbox: Inbox, after: Option<Gone>) -> Ended {
        let ended = self.live_until_the_end(inbox, after).await;
        Ended { owes: self.open.load(Ordering::Acquire) > 0, ..ended }
    }

    async fn live_until_the_end(&self, mut inbox: Inbox, after: Option<Gone>) -> Ended {
        let begin = async {
            if let Some(gone) = after {
                // An error is what is waited for: the other side was dropped.
                let _ = gone.await;
            }
            self.begin().await
        };
        let started = tokio::select! {
            started = begin => started,
            () = self.kill.notified() => return ended(WorkerLossKind::Stopped, "it was stopped before it had started"),
        };
        let (from, to, mut process) = match started {
            Ok(started) => started,
            Err(message) => return ended(WorkerLossKind::CannotStart, message),
        };
        let mut wire = Wire { from, decoder: FrameDecoder::default() };
        let outcome = self.greet_and_serve(&mut wire, to, &mut process, &mut inbox).await;
        let running = self.board.get().and_then(Board::running);
        match outcome {
            Ok(Served::Closed) if self.is_own && inbox.frames.is_closed() => {
                process.wait().await;
                self.hear_out(&mut wire, &mut process).await;
                Ended { running, ..ended(WorkerLossKind::Stopped, "its job has ended") }
            }
            Ok(Served::Closed) => self.explain_end(&mut wire, process, running).await,
            Ok(Served::Dismissed) => {
                process.wait().await;
                self.hear_out(&mut wire, &mut process).await;
                ended(WorkerLossKind::Stopped, "the engine ended it")
            }
            Ok(Served::Killed) => {
                process.kill().await;
                self.hear_out(&mut wire, &mut process).await;
                let grace = self.ctx.config.cancel_grace;
                let message = format!(
                    "it was ended, for what it ran was aborted and did not stop within the {grace:?} that it was given"
                );
                Ended { running, ..ended(WorkerLossKind::Stopped, message) }
            }
            Ok(Served::Overran(running, limit)) => {
                process.kill().await;
                self.hear_out(&mut wire, &mut process).await;
                let message =
                    format!("ran for longer than its run limit of {limit:?} and was ended with its process");
                Ended { running: Some(running), ..ended(WorkerLossKind::Overran, message) }
            }
            Err(fault) => {
                process.kill().await;
                self.hear_out(&mut wire, &mut process).await;
                Ended { running, ..ended(fault.kind, format!("{}{}", fault.message, process.tail())) }
            }
        }
    }

    async fn begin(&self) -> Result<(QuietReader, QuietWriter, Process), String> {
        let board = Board::create().map_err(|e| format!("no memory for a page shared with a worker: {e}"))?;
        let (ours, theirs) = UnixStream::pair().map_err(|e| format!("no socket for a worker: {e}"))?;
        let process = match &self.ctx.config.workers {
            Workers::Processes => {
                let path = self.ctx.programs.obtain(&self.origin).await?;
                let name = self.shown_as();
                let (pipes, written) =
                    Pipes::create().map_err(|e| format!("no pipes for a worker's output: {e}"))?;
                let streams = Streams { read: pipes.fds(), written };
                let tags = self.ctx.config.tags.of(self.place);
                let child = spawn::spawn(&path, name, self.engine, tags, &theirs, &board, streams)
                    .await
                    .map_err(|e| spawn::explain(&path, name, &e))?;
                self.note_process(&child);
                Process::child(child, pipes, self.engine, self.ctx.config.output)
            }
            Workers::Threads(launcher) => {
                let shared =
                    board.fd().try_clone_to_owned().and_then(Board::from_fd).map_err(|e| e.to_string())?;
                let launcher = Arc::clone(launcher);
                std::thread::Builder::new()
                    .name(format!("phalanx-engine-{}", self.engine))
                    .spawn(move || launcher.run(theirs, shared))
                    .map_err(|e| format!("no thread for a worker: {e}"))?;
                Process::Thread
            }
        };
        let _ = self.board.set(board);
        let (from, to) = quiet(ours).map_err(|e| e.to_string())?;
        Ok((from, to, process))
    }

    /// For signals: unlike its number, a descriptor never means another process.
    fn note_process(&self, child: &Child) {
        let pid = child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
        let opened = pid.map(|pid| rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()));
        if let Some(Ok(process)) = opened {
            let _ = self.process.set(process);
        }
    }

    fn shown_as(&self) -> &str {
        Path::new(&self.origin.program.path).file_name().and_then(|n| n.to_str()).unwrap_or("program")
    }

    async fn greet_and_serve(
        &self,
        wire: &mut Wire,
        mut to: QuietWriter,
        process: &mut Process,
        inbox: &mut Inbox,
    ) -> Result<Served, Fault> {
        let hello = tokio::time::timeout(self.ctx.config.hello_timeout, self.await_ready(wire));
        // It reads its pipes itself when it has been welcomed, not before.
        let hello = tokio::select! {
            // Nothing waits longer for a program that is not wanted any more.
            () = self.kill.notified() => return Ok(Served::Killed),
            hello = hello => hello,
            never = process.listen() => match never {},
        };
        match hello {
            Ok(ready) => self.check_ready(ready?)?,
            Err(_) => return Err(self.never_said_hello(process)),
        }
        let welcome = Frame::Welcome(Welcome {
            engine: self.engine,
            predecessor: self.predecessor.message.clone(),
            signal: self.predecessor.signal.unwrap_or_default(),
        });
        // Nothing overtakes it, however urgent.
        let mut greeting = BytesMut::new();
        welcome.encode(&mut greeting);
        if to.write_all(&greeting).await.is_err() {
            return Ok(Served::Closed);
        }
        tokio::select! {
            // First: who kills it drops it too, and it would be given time to end by itself.
            biased;
            () = self.kill.notified() => Ok(Served::Killed),
            served = self.pass_to_controller(wire, process) => served,
            served = self.pass_to_worker(to, inbox) => Ok(served),
            (running, limit) = self.run_limits.overrun(&self.board) => Ok(Served::Overran(running, limit)),
        }
    }

    /// The worker's first frame; none when it ended instead.
    async fn await_ready(&self, wire: &mut Wire) -> Result<Option<Ready>, Fault> {
        let Wire { from, decoder } = wire;
        loop {
            match decoder
                .next_frame()
                .map_err(|e| Fault::died(format!("it does not speak the workers' protocol: {e}")))?
            {
                Some(Frame::Ready(ready)) => return Ok(Some(ready)),
                Some(Frame::NotInitialised) => return Err(self.forgot_init()),
                Some(_) => return Err(Fault::died("it does not speak the workers' protocol".to_owned())),
                None => {}
            }
            match from.read_buf(decoder.buffer()).await {
                Ok(0) | Err(_) => return Ok(None),
                Ok(_) => {}
            }
        }
    }

    fn check_ready(&self, ready: Option<Ready>) -> Result<(), Fault> {
        match ready {
            Some(ready) if ready.protocol == PROTOCOL_VERSION => Ok(()),
            Some(ready) => Err(Fault::cannot_start(format!(
                "{} was built with phalanx {} (protocol {}), this engine is {VERSION} (protocol {PROTOCOL_VERSION})\n  \
                 Build both with the same version",
                self.shown_as(),
                ready.version,
                ready.protocol
            ))),
            None => Err(Fault::cannot_start(format!(
                "{} ended before it called phalanx::init()\n  \
                 Make `phalanx::init();` the first line of its main; if it is there, see what the program said:",
                self.shown_as()
            ))),
        }
    }

    fn never_said_hello(&self, process: &mut Process) -> Fault {
        process.note_killed();
        Fault::cannot_start(format!(
            "{} did not call phalanx::init() within {} s of its start\n  Make `phalanx::init();` the first line of its main",
            self.shown_as(),
            self.ctx.config.hello_timeout.as_secs()
        ))
    }

    fn forgot_init(&self) -> Fault {
        Fault::cannot_start(format!(
            "{} reached for a cluster before it called phalanx::init()\n  Make `phalanx::init();` the first line of its main",
            self.shown_as()
        ))
    }

    async fn pass_to_controller(&self, wire: &mut Wire, process: &mut Process) -> Result<Served, Fault> {
        let Wire { from, decoder } = wire;
        let engine = self.engine;
        loop {
            while let Some(frame) =
                decoder.next_frame().map_err(|e| Fault::died(format!("it sent garbage: {e}")))?
            {
                let (chunks, message) = match frame {
                    Frame::Report(m) => (m.chunks.count, report(engine, m)),
                    Frame::ReportPart(m) => (0, report_part(engine, m)),
                    Frame::Returned(chunks) => (chunks.count, returned(engine, chunks)),
                    Frame::Begun(chunks) => (0, begun(engine, chunks)),
                    Frame::Refused(chunks, message) => (chunks.count, refused(engine, chunks, message)),
                    Frame::Untold(chunks, message) => (chunks.count, untold(engine, chunks, message)),
                    Frame::Output(said) => {
                        process.hear(&said);
                        let Some(message) = output(engine, said) else { continue };
                        (0, message)
                    }
                    other => return Err(Fault::died(format!("a worker does not send {other:?}"))),
                };
                if self.ctx.outbound.send(message).await.is_err() {
                    return Ok(Served::Dismissed);
                }
                // What a worker says is untrusted: it may answer more than it was asked.
                let answered = |open: u64| Some(open.saturating_sub(chunks.into()));
                let _ = self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, answered);
                if chunks > 0 && self.open.load(Ordering::Acquire) > 1 {
                    // More waits for it than what it is at.
                    phalanx_idle::rest();
                }
            }
            match from.read_buf(decoder.buffer()).await {
                Ok(0) | Err(_) => return Ok(Served::Closed),
                Ok(_) => phalanx_idle::noted(),
            }
        }
    }

    /// The worker closed its end by itself: it died.
    async fn explain_end(&self, wire: &mut Wire, mut process: Process, running: Option<Running>) -> Ended {
        let how = process.wait().await;
        self.hear_out(wire, &mut process).await;
        let message = format!("{} {}{}", self.shown_as(), how.message, process.tail());
        Ended { running, signal: how.signal, ..ended(WorkerLossKind::Died, message) }
    }

    /// It has ended: passes on what it had sent of its output, and what it had not come to send.
    async fn hear_out(&self, wire: &mut Wire, process: &mut Process) {
        if matches!(process, Process::Thread) {
            return;
        }
        let Wire { from, decoder } = wire;
        let sent = async {
            loop {
                match decoder.next_frame() {
                    Ok(Some(Frame::Output(said))) => {
                        process.hear(&said);
                        self.pass_on(said).await;
                    }
                    Ok(Some(_)) => {}
                    Err(_) => return,
                    Ok(None) => match from.read_buf(decoder.buffer()).await {
                        Ok(0) | Err(_) => return,
                        Ok(_) => {}
                    },
                }
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS_TIMEOUT, sent).await;
        let during = self.board.get().and_then(Board::during);
        for said in process.rest(during) {
            self.pass_on(said).await;
        }
    }

    async fn pass_on(&self, said: Output) {
        if let Some(message) = output(self.engine, said) {
            // When the session is over nobody wants to know.
            let _ = self.ctx.outbound.send(message).await;
        }
    }

    /// Sends what comes until nothing can come any more.
    async fn pass_to_worker(&self, mut to: QuietWriter, inbox: &mut Inbox) -> Served {
        let mut frames = Vec::with_capacity(64);
        loop {
            tokio::select! {
                biased;
                Some(frame) = inbox.urgent.recv() => frames.push(frame),
                received = inbox.frames.recv_many(&mut frames, 64) => if received == 0 { break },
            }
            if write_frames(&mut to, &mut frames, &mut inbox.urgent).await.is_err() {
                // The reading side sees the end too, after everything the worker still said.
                return std::future::pending().await;
            }
        }
        if self.is_own && to.shutdown().await.is_ok() {
            // It sees that nothing more comes, and closes its end: at once, unless it is stuck.
            tokio::time::sleep(self.ctx.config.cancel_grace.min(LEAVE_TIMEOUT)).await;
        }
        Served::Dismissed
    }
}
