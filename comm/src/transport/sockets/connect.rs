//! The mesh: every rank connects to those below it, and is connected to by those above.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::handshake::{HandshakeError, Identity, Secret};
use super::stream::Stream;
use super::{Address, Listener, Sockets};
use crate::CommError;
use crate::error::clip;

/// Who connected has so long to prove who it is.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// So many may try at the same time; more have to wait in the system's queue.
const HANDSHAKES_MAX: usize = 32;
/// Between two looks for who has come, or two tries to connect.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// More ranks than that are a mistake: each has a connection to each.
const RANKS_MAX: usize = 4096;

/// What the ranks of one communicator agree on.
#[derive(Debug, Clone, Copy)]
pub struct Session {
    /// Which rank this is.
    pub rank: usize,
    /// How many there are.
    pub size: usize,
    /// Known to the ranks of this session only.
    pub secret: Secret,
    /// What they run: the executable's hash, or one of the executable, the function and its argument.
    pub program: [u8; 32],
}

/// What a rank has found.
struct Mesh {
    streams: Vec<Option<Stream>>,
    /// An authenticated rank is not what it should be.
    wrong: Option<CommError>,
    /// Why somebody was turned away; the last one.
    refused: Option<String>,
}

/// Connects this rank with all others, whose addresses are listed by rank; within a time, in which all must come.
///
/// ```
/// use std::time::Duration;
/// use phalanx_comm::Communicator;
/// use phalanx_comm::transport::sockets::{Address, Listener, Secret, Session, connect};
///
/// let directory = tempfile::tempdir().unwrap();
/// let path = |rank: usize| directory.path().join(format!("rank-{rank}"));
/// let (secret, program) = (Secret::new()?, [7; 32]);
/// // In earnest each of these is a process.
/// let rank_main = |rank: usize| {
///     let listener = Listener::bind(&path(rank), None)?;
///     let addresses = [Address::local(path(0)), Address::local(path(1))];
///     let session = Session { rank, size: 2, secret, program };
///     let comm = Communicator::new(Box::new(connect(&session, &addresses, listener, Duration::from_secs(10))?));
///     phalanx_comm::conduct(&comm, |comm| comm.all_gather(comm.rank() * 10))
/// };
/// std::thread::scope(|scope| {
///     let other = scope.spawn(|| rank_main(1));
///     assert_eq!(rank_main(0)?, [0, 10]);
///     other.join().unwrap().map(drop)
/// })?;
/// # Ok::<(), phalanx_comm::CommError>(())
/// ```
pub fn connect(
    session: &Session,
    addresses: &[Address],
    listener: Listener,
    within: Duration,
) -> Result<Sockets, CommError> {
    let (rank, size) = (session.rank, session.size);
    if size == 0 || rank >= size || size > RANKS_MAX || addresses.len() != size {
        let addresses = addresses.len();
        return Err(CommError::start(format_args!(
            "rank {rank} of {size} with {addresses} addresses; give one for each of 1 to {RANKS_MAX} ranks"
        )));
    }
    let identity =
        Identity { secret: session.secret, rank: rank as u32, size: size as u32, program: session.program };
    let deadline = Instant::now() + within;
    let streams = (0..size).map(|_| None).collect();
    let mesh = Arc::new(Mutex::new(Mesh { streams, wrong: None, refused: None }));
    thread::scope(|scope| {
        let accepting = scope.spawn(|| accept(&identity, &listener, &mesh, deadline));
        for (to, address) in addresses.iter().enumerate().take(rank) {
            if !reach(&identity, to, address, &mesh, deadline) {
                break;
            }
        }
        accepting.join()
    })
    .map_err(|_| CommError::start("the thread that waits for other ranks panicked"))?;
    // A stranger may still be trying to say who it is; nobody waits for that.
    let found = {
        let mut mesh = mesh.lock();
        let streams = std::mem::take(&mut mesh.streams);
        Mesh { streams, wrong: mesh.wrong.take(), refused: mesh.refused.take() }
    };
    made(session, found, within)
}

/// The mesh, if it is complete.
fn made(session: &Session, mesh: Mesh, within: Duration) -> Result<Sockets, CommError> {
    if let Some(wrong) = mesh.wrong {
        return Err(wrong);
    }
    let found = mesh.streams.iter().enumerate();
    let missing: Vec<usize> =
        found.filter(|(peer, s)| *peer != session.rank && s.is_none()).map(|(peer, _)| peer).collect();
    if !missing.is_empty() {
        let message = match mesh.refused {
            Some(why) => format!("the last one who tried was refused: {why}"),
            None => "nobody tried in vain; did they all start?".to_owned(),
        };
        let (rank, seconds) = (session.rank, within.as_secs());
        return Err(CommError::NotConnected { rank, missing, seconds, message });
    }
    Ok(Sockets::new(session.rank, mesh.streams))
}

/// Connects to a rank below; false when there is no point in going on.
fn reach(identity: &Identity, to: usize, address: &Address, mesh: &Mutex<Mesh>, deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || mesh.lock().wrong.is_some() {
            return false;
        }
        let tried = address.open(left).and_then(|mut stream| {
            // The peer may have much to do before it looks; only the deadline counts.
            identity.greet(&mut stream, to as u32, deadline).map(|()| stream)
        });
        let mut mesh = mesh.lock();
        match tried {
            Ok(stream) => {
                mesh.streams[to] = Some(stream);
                return true;
            }
            Err(HandshakeError::Differs { rank, message }) => {
                mesh.wrong = Some(CommError::OtherProgram { rank: rank as usize, message });
                return false;
            }
            Err(
                error @ (HandshakeError::Stranger
                | HandshakeError::Language
                | HandshakeError::Certificate
                | HandshakeError::Tls(_)),
            ) => {
                mesh.refused = Some(clip(format_args!("rank {to}: {error}")));
                return false;
            }
            // It may not listen yet.
            Err(error @ HandshakeError::Io(_)) => {
                mesh.refused = Some(clip(format_args!("rank {to}: {error}")))
            }
        }
        drop(mesh);
        thread::sleep(LOOK_EVERY);
    }
}

/// Lets the ranks above come in.
fn accept(identity: &Identity, listener: &Listener, mesh: &Arc<Mutex<Mesh>>, deadline: Instant) {
    let trying = Arc::new(AtomicUsize::new(0));
    let above = identity.rank as usize + 1;
    let complete = || {
        let mesh = mesh.lock();
        mesh.wrong.is_some() || mesh.streams[above..].iter().all(Option::is_some)
    };
    while Instant::now() < deadline && !complete() {
        let come = match trying.load(Ordering::Relaxed) < HANDSHAKES_MAX {
            true => listener.accept(),
            false => Ok(None),
        };
        match come {
            Ok(Some(mut stream)) => {
                let (identity, mesh, trying) = (*identity, Arc::clone(mesh), Arc::clone(&trying));
                trying.fetch_add(1, Ordering::Relaxed);
                let until = deadline.min(Instant::now() + HANDSHAKE);
                // One that cannot be started closes the connection; the peer tries again.
                drop(thread::Builder::new().spawn(move || {
                    let end = identity.receive(&mut stream, until);
                    trying.fetch_sub(1, Ordering::Relaxed);
                    come_in(&mesh, stream, end);
                }));
            }
            Ok(None) => thread::sleep(LOOK_EVERY),
            Err(e) => {
                refuse(mesh, &e);
                thread::sleep(LOOK_EVERY);
            }
        }
    }
}

fn come_in(mesh: &Mutex<Mesh>, stream: Stream, end: Result<u32, HandshakeError>) {
    match end {
        Ok(from) => {
            // The first one counts: a rank connects once.
            if let Some(place @ None) = mesh.lock().streams.get_mut(from as usize) {
                *place = Some(stream);
            }
        }
        Err(HandshakeError::Differs { rank, message }) => {
            mesh.lock().wrong = Some(CommError::OtherProgram { rank: rank as usize, message });
        }
        Err(error) => refuse(mesh, &error),
    }
}

fn refuse(mesh: &Mutex<Mesh>, error: &HandshakeError) {
    tracing::debug!("somebody who connected was refused: {error}");
    // Who goes away before saying anything is not worth a word.
    if !matches!(error, HandshakeError::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof) {
        mesh.lock().refused = Some(clip(error));
    }
}

#[cfg(test)]
mod tests;
