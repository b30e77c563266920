//! How a process, or a thread, becomes a worker.

use std::io::{self, Write};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::BytesMut;
use phalanx_engine::{Board, ThreadLauncher, WORKER_BOARD_FD, WORKER_SOCKET_FD};
use phalanx_proto::frames::{Frame, FrameDecoder, Ready, Welcome};
use phalanx_proto::version::{PROTOCOL_VERSION, VERSION};
use rustix::net::RecvFlags;

use super::executor;
use super::fault::install_hook;
use super::input::{Input, receive};
use super::namespace::{Namespace, Predecessor};
use super::output::Output;
use super::shared::Shared;

static INITIALISED: AtomicBool = AtomicBool::new(false);

/// The error of a program that was started as a worker and reaches for a cluster instead.
#[derive(Debug)]
pub(crate) struct ForgottenInit;

/// Called by `phalanx::init()`: returns in the user's own process, never returns in a worker.
pub(crate) fn become_worker() {
    INITIALISED.store(true, Ordering::Release);
    let Some((socket, board)) = inherited() else { return };
    phalanx_proto::heap::keep_buffers();
    let status = match work(socket, board) {
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
    let Some((mut socket, _)) = inherited() else { return Ok(()) };
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
fn inherited() -> Option<(UnixStream, OwnedFd)> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<RawFd>().ok().filter(|fd| *fd > 2);
    let (socket, board) = (number(WORKER_SOCKET_FD)?, number(WORKER_BOARD_FD)?);
    // SAFETY: `init` is the first line of main: no other thread reads the environment yet. The descriptors were
    // opened for this process by the daemon that set the variables; fstat below refuses numbers that are not open.
    let fds = unsafe {
        std::env::remove_var(WORKER_SOCKET_FD);
        std::env::remove_var(WORKER_BOARD_FD);
        if libc::fcntl(socket, libc::F_SETFD, libc::FD_CLOEXEC) != 0
            || libc::fcntl(board, libc::F_SETFD, libc::FD_CLOEXEC) != 0
        {
            return None;
        }
        (OwnedFd::from_raw_fd(socket), OwnedFd::from_raw_fd(board))
    };
    Some((UnixStream::from(fds.0), fds.1))
}

fn work(socket: UnixStream, board: OwnedFd) -> io::Result<()> {
    serve(socket, Board::from_fd(board)?, true)
}

/// Greets the daemon and runs what it sends.
fn serve(mut socket: UnixStream, board: Board, is_process: bool) -> io::Result<()> {
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
    let output = Output::new(socket.try_clone()?);
    let shared = Arc::new(Shared::new(board, output, Input::new(socket, decoder), is_process));
    super::interrupt::watch(&shared.queue.interrupted(), is_process);
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
        if let Err(e) = serve(socket, board, false) {
            tracing::debug!("a worker thread ended: {e}");
        }
    }
}
