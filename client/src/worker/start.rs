//! How a process, or a thread, becomes a worker.

use std::io::{self, Write};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::BytesMut;
use phalanx_engine::{Board, ThreadLauncher, WORKER_BOARD_FD, WORKER_OUTPUT_FDS, WORKER_SOCKET_FD};
use phalanx_proto::frames::{Frame, FrameDecoder, Ready, Welcome};
use phalanx_proto::version::{PROTOCOL_VERSION, VERSION};
use rustix::net::RecvFlags;
use tracing_subscriber::EnvFilter;

use super::executor;
use super::fault::install_hook;
use super::input::{Input, receive};
use super::namespace::{Namespace, Predecessor};
use super::output::Output;
use super::print_thread;
use super::printed::Printed;
use super::shared::Shared;

static INITIALISED: AtomicBool = AtomicBool::new(false);

/// The error of a program that was started as a worker and reaches for a cluster instead.
#[derive(Debug)]
pub(crate) struct ForgottenInit;

/// Called by `phalanx::init()`: returns in the user's own process, never returns in a worker.
pub(crate) fn become_worker() {
    INITIALISED.store(true, Ordering::Release);
    let Some(inherited) = inherited() else { return };
    phalanx_proto::heap::keep_buffers();
    show_events();
    let status = match work(inherited) {
        Ok(()) => 0,
        // The daemon has ended, and with it whoever wanted what was being sent.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(e) => {
            let _ = writeln!(io::stderr(), "phalanx worker: {e}");
            1
        }
    };
    exit(status);
}

/// In a worker whose program has not called `init()`: tells the daemon.
pub(crate) fn forgot_init() -> Result<(), ForgottenInit> {
    if INITIALISED.load(Ordering::Acquire) {
        return Ok(());
    }
    let Some(Inherited { mut socket, .. }) = inherited() else { return Ok(()) };
    let mut wire = BytesMut::new();
    Frame::NotInitialised.encode(&mut wire);
    let _ = socket.write_all(&wire);
    Err(ForgottenInit)
}

/// The descriptors that an engine daemon left to this process; taken once, and hidden from children.
#[allow(
    unsafe_code,
    reason = "descriptors arrive as numbers; the environment is changed before threads start"
)]
fn inherited() -> Option<Inherited> {
    let names = [WORKER_SOCKET_FD, WORKER_BOARD_FD, WORKER_OUTPUT_FDS[0], WORKER_OUTPUT_FDS[1]];
    let number = |name: &str| std::env::var(name).ok()?.parse::<RawFd>().ok().filter(|fd| *fd > 2);
    let [socket, board, out, err] = names.map(number);
    let (socket, board, out, err) = (socket?, board?, out?, err?);
    // SAFETY: `init` is the first line of main: no other thread reads the environment yet. The descriptors were
    // opened for this process by the daemon that set the variables; fcntl below refuses numbers that are not open.
    let [socket, board, out, err] = unsafe {
        names.iter().for_each(|name| std::env::remove_var(name));
        if [socket, board, out, err].iter().any(|&fd| libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) != 0) {
            return None;
        }
        [socket, board, out, err].map(|fd| OwnedFd::from_raw_fd(fd))
    };
    Some(Inherited { socket: UnixStream::from(socket), board, printed: [out, err] })
}

/// What an engine daemon leaves to its worker.
struct Inherited {
    socket: UnixStream,
    board: OwnedFd,
    /// Where what this process prints can be read.
    printed: [OwnedFd; 2],
}

/// `tracing` events of user code go to standard error, and so to the client: those that `RUST_LOG` lets through, else all from info on.
/// A subscriber that is there already stays.
fn show_events() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let events = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(io::stderr)
        .log_internal_errors(false);
    let _ = events.try_init();
}

fn work(inherited: Inherited) -> io::Result<()> {
    let Inherited { socket, board, printed } = inherited;
    serve(socket, Board::from_fd(board)?, Some(printed))
}

/// Greets the daemon and runs what it sends.
fn serve(mut socket: UnixStream, board: Board, printed: Option<[OwnedFd; 2]>) -> io::Result<()> {
    install_hook();
    let ready = Ready { protocol: PROTOCOL_VERSION, pid: std::process::id(), version: VERSION.into() };
    let mut wire = BytesMut::new();
    Frame::Ready(ready).encode(&mut wire);
    socket.write_all(&wire)?;

    let mut decoder = FrameDecoder::default();
    let Some(welcome) = welcome(&socket, &mut decoder)? else { return Ok(()) };
    let namespace = {
        let predecessor = Predecessor { message: welcome.predecessor, signal: welcome.signal };
        Namespace::new(welcome.engine, predecessor)
    };
    let is_process = printed.is_some();
    let watched = printed.as_ref().map(|[out, err]| Ok::<_, io::Error>([out.try_clone()?, err.try_clone()?]));
    let output = Output::new(socket.try_clone()?, printed.map(Printed::new));
    let shared = Arc::new(Shared::new(board, output, Input::new(socket, decoder), is_process));
    super::interrupt::watch(&shared.queue.interrupted(), is_process);
    if let Some(pipes) = watched.transpose()? {
        print_thread::start(&shared, pipes)?;
    }
    shared.input.lock().unwrap_or_else(std::sync::PoisonError::into_inner).drain(&shared)?;
    executor::serve(&shared, namespace)
}

/// The daemon's answer; none when it closed the connection instead.
fn welcome(socket: &UnixStream, decoder: &mut FrameDecoder) -> io::Result<Option<Welcome>> {
    loop {
        match decoder.next_frame().map_err(io::Error::other)? {
            Some(Frame::Welcome(welcome)) => return Ok(Some(welcome)),
            Some(other) => return Err(io::Error::other(format!("a welcome was expected, not {other:?}"))),
            None => {}
        }
        if receive(socket, decoder.buffer(), RecvFlags::empty())? == 0 {
            return Ok(None);
        }
    }
}

/// Workers that are threads of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ThreadWorkers;

impl ThreadLauncher for ThreadWorkers {
    fn run(&self, socket: UnixStream, board: Board) {
        if let Err(e) = serve(socket, board, None) {
            tracing::debug!("a worker thread ended: {e}");
        }
    }
}
