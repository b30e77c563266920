//! Messages of MPI, with errors that come back: the `mpi` crate's own calls end the process when a rank is gone.

use std::ffi::c_int;
use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};

use mpi::ffi;
use mpi::topology::SimpleCommunicator;
use mpi::traits::AsRaw;

use super::session::Session;
use super::watch::Watch;

/// All our messages have it.
const TAG: c_int = 0;

/// A message that MPI still reads from, or writes to, where it lies. One that is dropped before that is over stays there for ever.
#[derive(Debug)]
pub(super) struct Piece {
    request: ffi::MPI_Request,
    bytes: ManuallyDrop<Vec<u8>>,
}

/// A message that has come, and must be received.
#[derive(Debug)]
pub(super) struct Arrived {
    message: ffi::MPI_Message,
    pub(super) len: usize,
}

/// From here on a failed call is an error on this rank, instead of the end of all.
#[allow(unsafe_code, reason = "MPI is a C library")]
pub(super) fn return_errors(world: &SimpleCommunicator) -> io::Result<()> {
    // SAFETY: the communicator lives as long as `world` does, and the handler is MPI's own.
    check(unsafe { ffi::MPI_Comm_set_errhandler(world.as_raw(), ffi::RSMPI_ERRORS_RETURN) })
}

/// The next message of a rank, if there is one.
#[allow(unsafe_code, reason = "MPI is a C library")]
pub(super) fn probe(session: &Session, from: usize) -> io::Result<Option<Arrived>> {
    let (mut flag, mut count) = (0, 0);
    let (mut message, mut status) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    let world = session.world.as_raw();
    let _inside = session.watch.enter();
    // SAFETY: all places are valid for writing; message and status are read only when MPI says that it has written them.
    unsafe {
        let (message_at, status_at) = (message.as_mut_ptr(), status.as_mut_ptr());
        check(ffi::MPI_Improbe(from as c_int, TAG, world, &mut flag, message_at, status_at))?;
        if flag == 0 {
            return Ok(None);
        }
        check(ffi::MPI_Get_count(status_at, ffi::RSMPI_UINT8_T, &mut count))?;
        Ok(Some(Arrived { message: message.assume_init(), len: count.max(0) as usize }))
    }
}

impl Arrived {
    /// Begins to receive it, into room of its length.
    #[allow(unsafe_code, reason = "MPI is a C library, and has the bytes until it says that it is through")]
    pub(super) fn receive(mut self, watch: &Watch, mut room: Vec<u8>) -> io::Result<Piece> {
        room.resize(self.len, 0);
        let _inside = watch.enter();
        // SAFETY: see `Piece::start`; the message is received once, for `self` ends here.
        Piece::start(room, |bytes, len, request| unsafe {
            ffi::MPI_Imrecv(bytes, len, ffi::RSMPI_UINT8_T, &mut self.message, request)
        })
    }
}

impl Piece {
    /// Begins to send.
    #[allow(unsafe_code, reason = "MPI is a C library, and has the bytes until it says that it is through")]
    pub(super) fn send(session: &Session, to: usize, bytes: Vec<u8>) -> io::Result<Self> {
        let world = session.world.as_raw();
        let _inside = session.watch.enter();
        // SAFETY: see `Piece::start`.
        Self::start(bytes, |bytes, len, request| unsafe {
            ffi::MPI_Isend(bytes, len, ffi::RSMPI_UINT8_T, to as c_int, TAG, world, request)
        })
    }

    /// The memory that `call` hands to MPI stays where it is and is not touched until [`Piece::done`] finds the request completed; if
    /// that never happens, it is never freed.
    #[allow(unsafe_code, reason = "a null request is MPI's to define")]
    fn start(
        bytes: Vec<u8>,
        call: impl FnOnce(*mut std::ffi::c_void, c_int, *mut ffi::MPI_Request) -> c_int,
    ) -> io::Result<Self> {
        let mut bytes = ManuallyDrop::new(bytes);
        let len = c_int::try_from(bytes.len()).map_err(io::Error::other)?;
        // SAFETY: a constant that MPI's library sets before anything runs.
        let mut request = unsafe { ffi::RSMPI_REQUEST_NULL };
        check(call(bytes.as_mut_ptr().cast(), len, &mut request))?;
        Ok(Self { request, bytes })
    }

    /// Its bytes, if MPI is through with them.
    #[allow(unsafe_code, reason = "MPI is a C library")]
    pub(super) fn done(mut self, watch: &Watch) -> io::Result<Result<Vec<u8>, Self>> {
        let mut flag = 0;
        let mut status = MaybeUninit::uninit();
        let _inside = watch.enter();
        // SAFETY: the request was begun by `start` and not completed since; nobody reads the status.
        check(unsafe { ffi::MPI_Test(&mut self.request, &mut flag, status.as_mut_ptr()) })?;
        Ok(if flag == 0 { Err(self) } else { Ok(std::mem::take(&mut *self.bytes)) })
    }
}

fn check(code: c_int) -> io::Result<()> {
    match code as u32 {
        ffi::MPI_SUCCESS => Ok(()),
        code => Err(io::Error::other(format!("MPI's error {code}"))),
    }
}
