//! Starting a worker process.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use super::{WORKER_BOARD_FD, WORKER_OUTPUT_FDS, WORKER_SOCKET_FD};
use crate::board::Board;
use crate::tags::variable;

/// A program that was written a moment ago may still be open for writing: in a child of this daemon, say, that was forked
/// meanwhile and is about to become another program. The system does not start it until then. That passes; so long it is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// The pipes that a worker writes to: both ends.
pub(super) struct Streams<'a> {
    pub(super) read: [BorrowedFd<'a>; 2],
    pub(super) written: [OwnedFd; 2],
}

/// Starts the program as a worker that inherits its end of the socket, the shared page and its pipes, and nothing else of ours.
///
/// The socket pair needs no secret: only this process and that child ever hold its ends.
pub(super) async fn spawn(
    program: &Path,
    shown_as: &str,
    engine: u32,
    tags: impl Iterator<Item = (&str, &str)>,
    socket: &UnixStream,
    board: &Board,
    streams: Streams<'_>,
) -> io::Result<Child> {
    check_format(program)?;
    let (socket, board) = (socket.as_raw_fd(), board.fd().as_raw_fd());
    let [out, err] = streams.read.map(|fd| fd.as_raw_fd());
    let [out_written, err_written] = streams.written;
    let mut command = Command::new(program);
    command
        .arg0(format!("{shown_as} [phalanx engine {engine}]"))
        .env(WORKER_SOCKET_FD, socket.to_string())
        .env(WORKER_BOARD_FD, board.to_string())
        .envs(tags.map(|(name, value)| (variable(name), value)))
        .stdin(Stdio::null())
        .env(WORKER_OUTPUT_FDS[0], out.to_string())
        .env(WORKER_OUTPUT_FDS[1], err.to_string())
        .stdout(Stdio::from(out_written))
        .stderr(Stdio::from(err_written))
        // Ctrl-C in the terminal of a local cluster is for the client, which then decides.
        .process_group(0)
        .kill_on_drop(true);
    prepare(&mut command, [socket, board, out, err]);
    let until = Instant::now() + BUSY_TIMEOUT;
    loop {
        match command.spawn() {
            Err(e) if e.kind() == io::ErrorKind::ExecutableFileBusy && Instant::now() < until => {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

/// Refuses what the kernel would refuse. Left to `execvp`, such a file would be handed to /bin/sh as if it were a script.
fn check_format(program: &Path) -> io::Result<()> {
    let head = |path: &Path| {
        let mut head = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(std::fs::File::open(path)?, 20), &mut head)?;
        Ok::<_, io::Error>(head)
    };
    let (theirs, ours) = (head(program)?, head(Path::new("/proc/self/exe"))?);
    let is_for_this_machine = theirs.starts_with(b"\x7fELF") && theirs.get(18..20) == ours.get(18..20);
    if is_for_this_machine || theirs.starts_with(b"#!") {
        return Ok(());
    }
    Err(io::Error::from_raw_os_error(libc::ENOEXEC))
}

#[allow(unsafe_code, reason = "what a child inherits is arranged between fork and exec")]
fn prepare(command: &mut Command, inherited: [RawFd; 4]) {
    let daemon = std::process::id() as libc::pid_t;
    // SAFETY: only async-signal-safe calls between fork and exec: fcntl, prctl, getppid.
    unsafe {
        command.pre_exec(move || {
            for fd in inherited {
                if libc::fcntl(fd, libc::F_SETFD, 0) != 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            // A worker never outlives its daemon, however that ends.
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            if libc::getppid() != daemon {
                return Err(io::Error::other("the daemon has ended"));
            }
            Ok(())
        });
    }
}

/// Why a program cannot be started here, for people.
pub(super) fn explain(program: &Path, shown_as: &str, e: &io::Error) -> String {
    let why = match e.raw_os_error() {
        Some(libc::ENOEXEC) => format!("it is no program for this machine ({})", elf_machine(program)),
        Some(libc::ENOENT) => {
            "its loader or C library is not on this node (built for another libc?): link it statically, or install that libc".to_owned()
        }
        Some(libc::EACCES) => "it may not be executed (is the profile on a file system mounted noexec?)".to_owned(),
        _ => e.to_string(),
    };
    format!("{shown_as} cannot be started: {why}")
}

/// The machine that an ELF file is for.
fn elf_machine(program: &Path) -> String {
    let mut head = [0_u8; 20];
    let read = std::fs::File::open(program).and_then(|mut f| io::Read::read_exact(&mut f, &mut head));
    if read.is_err() || &head[..4] != b"\x7fELF" {
        return "not an ELF file".to_owned();
    }
    match u16::from_le_bytes([head[18], head[19]]) {
        3 => "for x86".to_owned(),
        40 => "for 32-bit ARM".to_owned(),
        62 => "for x86_64".to_owned(),
        183 => "for aarch64".to_owned(),
        243 => "for RISC-V".to_owned(),
        other => format!("for ELF machine {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_is_still_being_written_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        std::fs::copy("/bin/true", &path).unwrap();
        let writer = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        let (_ours, theirs) = UnixStream::pair().unwrap();
        let board = Board::create().unwrap();
        let (pipes, written) = super::super::pipes::Pipes::create().unwrap();
        let streams = Streams { read: pipes.fds(), written };
        let started = spawn(&path, "program", 0, std::iter::empty(), &theirs, &board, streams);
        tokio::pin!(started);
        // It is asked once, and has to wait.
        assert!(tokio::time::timeout(Duration::ZERO, &mut started).await.is_err());
        drop(writer);
        let mut child = started.await.unwrap();
        assert!(child.wait().await.unwrap().success());
    }

    #[test]
    fn a_foreign_program_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("foreign");
        let mut elf = std::fs::read("/proc/self/exe").unwrap();
        elf[18..20].copy_from_slice(&183_u16.to_le_bytes());
        std::fs::write(&path, &elf).unwrap();
        let e = check_format(&path).unwrap_err();
        assert_eq!(e.raw_os_error(), Some(libc::ENOEXEC));
        assert!(explain(&path, "sweep", &e).contains("for aarch64"));
        std::fs::write(&path, "text").unwrap();
        assert!(check_format(&path).is_err());
        assert!(explain(&path, "sweep", &e).contains("not an ELF file"));
        assert!(check_format(Path::new("/proc/self/exe")).is_ok());
    }
}
