//! The pipes that a worker writes to, seen from the end where they are read.
//!
//! Both sides hold that end. While the worker lives it reads for itself, for it alone knows which chunk wrote what, and must send that
//! before the chunk's results. The daemon reads before the worker has said hello, and what is left when it is gone.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::net::unix::pipe::Receiver;

/// How much is read at once: as much as a pipe holds.
const READ_BYTES: usize = 64 << 10;
/// The most that is read of a pipe whose worker is gone: others may go on writing to it.
const REST_BYTES_MAX: usize = 1 << 20;

/// The ends where a worker's standard output and error are read.
#[derive(Debug)]
pub(super) struct Pipes([OwnedFd; 2]);

impl Pipes {
    /// The pipes, and the ends that the worker writes to.
    pub(super) fn create() -> io::Result<(Self, [OwnedFd; 2])> {
        let [(out, out_written), (err, err_written)] = [pipe()?, pipe()?];
        Ok((Self([out, err]), [out_written, err_written]))
    }

    pub(super) fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.0[0].as_fd(), self.0[1].as_fd()]
    }

    /// Reads what comes, until it is dropped: which of the two it was, and what.
    pub(super) async fn listen(&self, mut hear: impl FnMut(usize, &[u8])) -> Infallible {
        let watch = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().and_then(Receiver::from_owned_fd);
        let [Ok(out), Ok(err)] = self.fds().map(watch) else { return std::future::pending().await };
        let mut open = [true, true];
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let (index, pipe, ready) = tokio::select! {
                ready = out.readable(), if open[0] => (0, &out, ready),
                ready = err.readable(), if open[1] => (1, &err, ready),
                else => std::future::pending().await,
            };
            match ready.and_then(|()| pipe.try_read(&mut buffer)) {
                Ok(n @ 1..) => hear(index, &buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Ok(_) | Err(_) => open[index] = false,
            }
        }
    }

    /// Reads what is there and does not wait for more: of a worker that is gone, all it has said.
    pub(super) fn rest(&self, mut hear: impl FnMut(usize, &[u8])) {
        let mut buffer = vec![0; READ_BYTES];
        for (index, fd) in self.fds().into_iter().enumerate() {
            let mut read = 0;
            while read < REST_BYTES_MAX {
                match rustix::io::read(fd, &mut buffer) {
                    Ok(0) => break,
                    Ok(n) => {
                        read += n;
                        hear(index, &buffer[..n]);
                    }
                    Err(rustix::io::Errno::INTR) => {}
                    Err(_) => break,
                }
            }
        }
    }
}

/// A pipe whose read end never blocks; its write end does, as programs expect.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    let flags = rustix::fs::fcntl_getfl(&read)?;
    rustix::fs::fcntl_setfl(&read, flags | rustix::fs::OFlags::NONBLOCK)?;
    Ok((read, write))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_said_is_heard_and_what_is_left_is_found_though_the_pipe_stays_open() {
        let (pipes, [out, err]) = Pipes::create().unwrap();
        rustix::io::write(&err, b"first").unwrap();
        let mut heard = Vec::new();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        tokio::select! {
            never = pipes.listen(|index, bytes| tell.send((index, bytes.to_vec())).unwrap()) => match never {},
            first = told.recv() => heard.push(first.unwrap()),
        }
        rustix::io::write(&out, b"second").unwrap();
        pipes.rest(|index, bytes| heard.push((index, bytes.to_vec())));
        assert_eq!(heard, [(1, b"first".to_vec()), (0, b"second".to_vec())]);
        assert!(!rustix::fs::fcntl_getfl(&out).unwrap().contains(rustix::fs::OFlags::NONBLOCK));
    }
}
