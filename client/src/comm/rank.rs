//! A rank on an engine: the worker's side of [`ClusterRunner`](super::ClusterRunner).

use std::collections::BTreeMap;
use std::net::{IpAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use parking_lot::Mutex;
use phalanx_comm::transport::sockets::{Address, Listener, Session, connect};
use phalanx_comm::{CommError, Communicator, conduct};
use serde::{Deserialize, Serialize};

use crate::worker::{code_at, guard};

/// So long may the last rank take to begin: its engine may have other work to finish first.
const CONNECT_WITHIN: Duration = Duration::from_secs(60);
/// Listeners of sessions whose second half never came; beyond this many the oldest are given up.
const LISTENERS_MAX: usize = 64;
/// Any port would do: nothing is sent there.
const DISCARD_PORT: u16 = 9;
/// The longest path that a Unix socket can have everywhere.
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// One run of a program: what all its ranks are told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Meeting {
    /// A number that no other has; it grows.
    pub(crate) id: u128,
    pub(crate) size: usize,
    pub(crate) secret: [u8; 32],
    pub(crate) program: [u8; 32],
    /// The entry's place in the executable.
    pub(crate) entry: i64,
    pub(crate) argument: Vec<u8>,
    /// The hosts that the ranks are on, by rank.
    pub(crate) hosts: Vec<String>,
    /// Where ranks listen, by rank; empty until that is known.
    pub(crate) addresses: Vec<Address>,
}

/// A rank's program, and how it turns out: its encoded value.
pub(crate) type RankEnd = Result<Vec<u8>, CommError>;
type RankEntry = fn(&Communicator, &[u8]) -> Result<Vec<u8>, String>;

/// Listeners that wait for the second half of their session. Engines that are threads have one table.
static LISTENERS: Mutex<BTreeMap<(u128, usize), Listener>> = Mutex::new(BTreeMap::new());

/// The first half: where this rank can be reached.
pub(crate) fn listen(meeting: &Meeting, rank: usize) -> Result<Address, CommError> {
    let name = format!("phalanx-{:016x}-{rank}", meeting.id as u64);
    let mut path = std::env::temp_dir().join(&name);
    if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
        path = PathBuf::from("/tmp").join(name);
    }
    let listener = Listener::bind(&path, interface(&meeting.hosts, rank)?)?;
    let address = listener.address().clone();
    let mut listeners = LISTENERS.lock();
    while listeners.len() >= LISTENERS_MAX {
        listeners.pop_first();
    }
    listeners.insert((meeting.id, rank), listener);
    Ok(address)
}

/// The address of this host that others find it under, if there are others: the one from which the way to them leads.
fn interface(hosts: &[String], rank: usize) -> Result<Option<IpAddr>, CommError> {
    let own = hosts.get(rank).ok_or_else(|| CommError::start("it is not known where the ranks are"))?;
    let Some(other) = hosts.iter().find(|host| *host != own) else { return Ok(None) };
    // Connecting a socket of this kind looks for the way, and sends nothing.
    let found = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect((other.as_str(), DISCARD_PORT))?;
        socket.local_addr()
    });
    let found = found.map_err(|e| {
        CommError::start(format_args!(
            "{own} finds no way to {other} ({e}): ranks talk to each other directly, so each host must know the others by name"
        ))
    })?;
    Ok(Some(found.ip()))
}

/// The second half: meets the others and runs the program.
pub(crate) fn take_part(meeting: &Meeting, rank: usize) -> RankEnd {
    let listener = LISTENERS.lock().remove(&(meeting.id, rank));
    let gone =
        || CommError::start(format_args!("the worker of rank {rank} was replaced meanwhile; run it again"));
    let listener = listener.ok_or_else(gone)?;
    let program = program_at(meeting.entry)?;
    let session =
        Session { rank, size: meeting.size, secret: meeting.secret.into(), program: meeting.program };
    let sockets = connect(&session, &meeting.addresses, listener, CONNECT_WITHIN)?;
    let comm = Communicator::new(Box::new(sockets));
    conduct(&comm, |comm| match guard(|| Ok(program(comm, &meeting.argument))) {
        Ok(end) => end,
        Err(fault) => Err(format!("it panicked: {} (at {})", fault.message, fault.location)),
    })
}

#[allow(
    unsafe_code,
    reason = "a number becomes a function, as everywhere that functions travel as their place"
)]
fn program_at(offset: i64) -> Result<RankEntry, CommError> {
    let address = code_at(offset).map_err(CommError::start)?;
    // SAFETY: the offset is that of a `RankEntry`, computed by the client that made this job in a process of the byte-identical
    // executable (the engine verified the program's hash), and the address lies in this executable's code.
    Ok(unsafe { std::mem::transmute::<*const (), RankEntry>(address as *const ()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_of_one_host_need_no_network() {
        let hosts = ["a".to_owned(), "a".to_owned()];
        assert_eq!(interface(&hosts, 1), Ok(None));
        assert!(interface(&hosts, 2).is_err());
    }

    #[test]
    fn the_way_to_another_host_is_found_or_its_name_is_told() {
        let hosts = ["here".to_owned(), "127.0.0.2".to_owned()];
        assert_eq!(interface(&hosts, 0), Ok(Some(IpAddr::from([127, 0, 0, 1]))));
        let error =
            interface(&["here".to_owned(), "no-such-host.invalid".to_owned()], 0).unwrap_err().to_string();
        assert!(error.contains("here finds no way to no-such-host.invalid"), "{error}");
    }
}
