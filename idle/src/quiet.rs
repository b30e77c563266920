//! Unix sockets that wake nobody for nothing.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// No signal when the other end is gone: an error is enough.
const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// Linux takes no more in one go (`IOV_MAX`).
const PARTS_MAX: usize = 1024;

/// The two halves of a Unix stream whose owner sleeps on while the other end reads.
///
/// tokio's own stream asks to be told of room to write from the start, and Linux tells it whenever the other end has read something
/// (`unix_write_space` in `net/unix/af_unix.c`), though nobody waits for room: every message wakes its sender once more, in the
/// middle of what the receiver has to do. These ask only while a write does wait.
///
/// Together, as [`tokio::io::join`]`(reader, writer)`, they are a stream. To be called in a runtime with I/O.
///
/// # Errors
/// What the operating system says when it will not watch the socket.
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use phalanx_idle::quiet;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let (ours, theirs) = UnixStream::pair()?;
/// let ((_, mut writer), (mut reader, _)) = (quiet(ours)?, quiet(theirs)?);
/// writer.write_all(b"said").await?;
/// let mut heard = [0; 4];
/// reader.read_exact(&mut heard).await?;
/// assert_eq!(&heard, b"said");
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn quiet(socket: UnixStream) -> io::Result<(QuietReader, QuietWriter)> {
    socket.set_nonblocking(true)?;
    let socket = Arc::new(watched(socket, Interest::READABLE)?);
    Ok((QuietReader(Arc::clone(&socket)), QuietWriter { socket, room: None }))
}

#[allow(unsafe_code, reason = "what is watched is a socket and nothing else")]
fn watched(socket: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    // SAFETY: a stream keeps its descriptor, and keeps it open; it is never handed out to be changed.
    Ok(unsafe { AsyncFd::register_with_interest(socket, interest) }?)
}

/// See [`quiet`].
#[derive(Debug)]
pub struct QuietReader(Arc<AsyncFd<UnixStream>>);

/// See [`quiet`]. Dropping it ends what the other end reads.
#[derive(Debug)]
pub struct QuietWriter {
    socket: Arc<AsyncFd<UnixStream>>,
    /// A second descriptor of the socket, watched for room while a write waits for it.
    room: Option<AsyncFd<UnixStream>>,
}

impl AsyncRead for QuietReader {
    #[allow(unsafe_code, reason = "bytes that the kernel has written are initialised")]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wanted = buf.remaining();
        if wanted == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            let mut readable = ready!(self.0.poll_read_ready(cx))?;
            // SAFETY: nothing that is initialised is made uninitialised; recv only writes.
            let spare = unsafe { buf.unfilled_mut() };
            match recv(self.0.get_ref(), spare, RecvFlags::DONTWAIT) {
                Ok((_, n)) => {
                    // Less than there was room for: that was all, and the next look would be in vain.
                    if 0 < n && n < wanted {
                        readable.clear_ready();
                    }
                    // SAFETY: recv has initialised the first `n` bytes.
                    unsafe { buf.assume_init(n) };
                    buf.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Err(Errno::AGAIN) => readable.clear_ready(),
                Err(Errno::INTR) => {}
                Err(e) => return Poll::Ready(Err(e.into())),
            }
        }
    }
}

impl QuietWriter {
    /// Writes at once, or when there is room.
    fn poll_until_written(
        &mut self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&UnixStream) -> Result<usize, Errno>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let writable = match &self.room {
                Some(room) => Some(ready!(room.poll_write_ready(cx))?),
                None => None,
            };
            match write(self.socket.get_ref()) {
                Err(Errno::AGAIN) => match writable {
                    Some(mut writable) => writable.clear_ready(),
                    None => self.room = Some(self.watch_for_room()?),
                },
                Err(Errno::INTR) => {}
                written => {
                    self.room = None;
                    return Poll::Ready(Ok(written?));
                }
            }
        }
    }

    fn watch_for_room(&self) -> io::Result<AsyncFd<UnixStream>> {
        watched(self.socket.get_ref().try_clone()?, Interest::WRITABLE)
    }
}

impl AsyncWrite for QuietWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_until_written(cx, |socket| send(socket, buf, FLAGS))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let parts = &bufs[..bufs.len().min(PARTS_MAX)];
        self.poll_until_written(cx, |socket| {
            sendmsg(socket, parts, &mut SendAncillaryBuffer::default(), FLAGS)
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.get_ref().shutdown(Shutdown::Write))
    }
}

impl Drop for QuietWriter {
    fn drop(&mut self) {
        // It fails when the other end is gone, which knows then.
        let _ = self.socket.get_ref().shutdown(Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsRawFd;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::runtime::tests::on_a_runtime;

    async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
        std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
    }

    /// Whether the kernel is to say when there is room in this socket (`EPOLLOUT`); none when it is not watched.
    fn is_watched_for_room(socket: &UnixStream) -> Option<bool> {
        let tfd = socket.as_raw_fd().to_string();
        fs::read_dir("/proc/self/fdinfo").unwrap().find_map(|entry| {
            // Others come and go.
            let info = fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
            info.lines().find_map(|line| {
                let mut words = line.split_whitespace();
                let is_it = words.next() == Some("tfd:") && words.next() == Some(&tfd);
                let events = words.nth(1).filter(|_| is_it)?;
                Some(u32::from_str_radix(events, 16).unwrap() & 4 != 0)
            })
        })
    }

    #[test]
    fn the_kernel_says_when_there_is_room_only_while_a_write_waits() {
        on_a_runtime(async {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let (_reader, mut writer) = quiet(ours).unwrap();
            let socket = Arc::clone(&writer.socket);
            assert_eq!(is_watched_for_room(socket.get_ref()), Some(false));
            writer.write_all(&[7; 100]).await.unwrap();
            assert!(writer.room.is_none(), "there was room");

            let sent = vec![8; 4 << 20];
            let reading = {
                let mut write = std::pin::pin!(writer.write_all(&sent));
                // It fills the socket, and waits.
                assert!(poll_once(write.as_mut()).await.is_pending());
                let reading = std::thread::spawn(move || {
                    let mut heard = vec![0; 100 + (4 << 20)];
                    theirs.read_exact(&mut heard).unwrap();
                    (heard, theirs)
                });
                write.await.unwrap();
                reading
            };
            let (heard, _theirs) = reading.join().unwrap();
            assert!(heard[..100].iter().all(|b| *b == 7) && heard[100..].iter().all(|b| *b == 8));
            assert!(writer.room.is_none());
            assert_eq!(is_watched_for_room(socket.get_ref()), Some(false));
        });
    }

    #[test]
    fn a_write_that_waits_is_watched() {
        on_a_runtime(async {
            let (ours, _theirs) = UnixStream::pair().unwrap();
            let (_reader, mut writer) = quiet(ours).unwrap();
            let sent = vec![8; 4 << 20];
            {
                let mut write = std::pin::pin!(writer.write_all(&sent));
                assert!(poll_once(write.as_mut()).await.is_pending());
            }
            let room = writer.room.as_ref().expect("a second descriptor");
            assert_eq!(is_watched_for_room(room.get_ref()), Some(true));
            assert_eq!(is_watched_for_room(writer.socket.get_ref()), Some(false));
        });
    }

    #[test]
    fn parts_arrive_as_one_stream_and_the_end_is_seen() {
        on_a_runtime(async {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let (mut reader, mut writer) = quiet(ours).unwrap();
            let parts = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two")];
            assert_eq!(writer.write_vectored(&parts).await.unwrap(), 7);
            assert!(writer.is_write_vectored());
            let many = [IoSlice::new(b"!"); PARTS_MAX + 1];
            assert_eq!(writer.write_vectored(&many).await.unwrap(), PARTS_MAX, "the rest later");
            drop(writer);
            let mut heard = String::new();
            theirs.read_to_string(&mut heard).unwrap();
            assert_eq!(heard, "one two".to_owned() + &"!".repeat(PARTS_MAX));

            theirs.write_all(b"three").unwrap();
            drop(theirs);
            let mut heard = Vec::new();
            reader.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, b"three");
        });
    }

    #[test]
    fn nobody_at_the_other_end_is_an_error() {
        on_a_runtime(async {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let (_reader, mut writer) = quiet(ours).unwrap();
            drop(theirs);
            let error = writer.write_all(b"said").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        });
    }

    #[test]
    fn who_waits_is_woken_by_what_comes() {
        on_a_runtime(async {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let (mut reader, _writer) = quiet(ours).unwrap();
            // As much as there is room for, which may not have been all, and less.
            for size in [100, 100, 1, 1] {
                let reading = tokio::spawn(async move {
                    let read = reader.read(&mut [0; 100]).await.unwrap();
                    (read, reader)
                });
                // It looks, in vain, and waits.
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                theirs.write_all(&vec![9; size]).unwrap();
                let (read, back) = reading.await.unwrap();
                assert_eq!(read, size);
                reader = back;
            }
        });
    }
}
