//! What an exchange is to do: messages to send, messages to receive.

use crate::error::CommError;
use crate::frame::MESSAGE_BYTES_MAX;
use crate::stamp::Stamp;

/// A message to send, from where it lies.
pub(crate) struct Outgoing<'a> {
    pub(crate) to: usize,
    pub(crate) stamp: Stamp,
    pub(crate) bytes: &'a [u8],
    /// How many went out in whole frames.
    pub(crate) written: usize,
    pub(crate) done: bool,
}

impl<'a> Outgoing<'a> {
    pub(crate) fn new(to: usize, stamp: Stamp, bytes: &'a [u8]) -> Self {
        Self { to, stamp, bytes, written: 0, done: false }
    }
}

/// A message to receive.
pub(crate) struct Incoming<'a> {
    pub(crate) from: usize,
    pub(crate) stamp: Stamp,
    pub(crate) sink: Sink<'a>,
    pub(crate) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    Filling,
    Done,
}

/// Where a message goes.
pub(crate) enum Sink<'a> {
    /// To its place: it must have this length.
    Slice(&'a mut [u8]),
    /// To a vector, which gets the message's length.
    Bytes(&'a mut Vec<u8>),
    /// Through a function, piece by piece, while it arrives.
    Fold(Fold<'a>),
}

/// How many bytes are folded in one piece: few enough to be in the core's cache still.
const FOLD_BYTES: usize = 64 << 10;

/// See [`Sink::Fold`].
pub(crate) struct Fold<'a> {
    /// Aligned for every number.
    scratch: Vec<u128>,
    filled: usize,
    folded: usize,
    total: usize,
    /// Takes the place of a piece in the message, in bytes, and the piece: whole numbers.
    fold: &'a mut dyn FnMut(usize, &[u8]),
}

impl<'a> Fold<'a> {
    /// Of a message of `total` bytes.
    pub(crate) fn new(total: usize, fold: &'a mut dyn FnMut(usize, &[u8])) -> Self {
        let scratch = vec![0; total.min(FOLD_BYTES).div_ceil(size_of::<u128>())];
        Self { scratch, filled: 0, folded: 0, total, fold }
    }

    fn room(&mut self) -> &mut [u8] {
        let end = self.scratch.len() * size_of::<u128>();
        let end = end.min(self.total - self.folded);
        &mut bytemuck::cast_slice_mut::<u128, u8>(&mut self.scratch)[self.filled..end]
    }

    fn filled(&mut self, bytes: usize) {
        self.filled += bytes;
        let end = self.folded + self.filled;
        if self.filled == self.scratch.len() * size_of::<u128>() || end == self.total {
            (self.fold)(self.folded, &bytemuck::cast_slice::<u128, u8>(&self.scratch)[..self.filled]);
            (self.folded, self.filled) = (end, 0);
        }
    }
}

impl<'a> Incoming<'a> {
    pub(crate) fn new(from: usize, stamp: Stamp, sink: Sink<'a>) -> Self {
        Self { from, stamp, sink, state: State::Waiting }
    }

    pub(crate) fn slice(from: usize, stamp: Stamp, place: &'a mut [u8]) -> Self {
        Self::new(from, stamp, Sink::Slice(place))
    }

    pub(crate) fn bytes(from: usize, stamp: Stamp, place: &'a mut Vec<u8>) -> Self {
        Self::new(from, stamp, Sink::Bytes(place))
    }

    pub(crate) fn wants(&self, from: usize, stamp: &Stamp) -> bool {
        self.state == State::Waiting && self.from == from && self.stamp.same_place(stamp)
    }

    /// The message has begun: room for all of it is made, or it is refused.
    pub(crate) fn begin(&mut self, rank: usize, total: u64) -> Result<(), CommError> {
        let expected = match &mut self.sink {
            Sink::Slice(place) => place.len() as u64,
            Sink::Fold(fold) => fold.total as u64,
            Sink::Bytes(place) => {
                **place = zeroed(total).ok_or_else(|| CommError::Length {
                    rank: self.from,
                    to: rank,
                    call: self.stamp.call(),
                    expected_bytes: MESSAGE_BYTES_MAX,
                    got_bytes: total,
                })?;
                total
            }
        };
        if expected != total {
            return Err(CommError::Length {
                rank: self.from,
                to: rank,
                call: self.stamp.call(),
                expected_bytes: expected,
                got_bytes: total,
            });
        }
        self.state = State::Filling;
        Ok(())
    }

    /// Where the next bytes go, after so many.
    pub(crate) fn room(&mut self, got: usize) -> &mut [u8] {
        match &mut self.sink {
            Sink::Slice(place) => &mut place[got..],
            Sink::Bytes(place) => &mut place[got..],
            Sink::Fold(fold) => fold.room(),
        }
    }

    /// So many came to the [`room`](Self::room).
    pub(crate) fn filled(&mut self, bytes: usize) {
        if let Sink::Fold(fold) = &mut self.sink {
            fold.filled(bytes);
        }
    }

    /// Puts bytes that were kept elsewhere to their place.
    pub(crate) fn put(&mut self, mut bytes: &[u8]) {
        let mut got = 0;
        while !bytes.is_empty() {
            let room = self.room(got);
            let n = room.len().min(bytes.len());
            room[..n].copy_from_slice(&bytes[..n]);
            self.filled(n);
            got += n;
            bytes = &bytes[n..];
        }
    }

    /// A whole message that was kept.
    pub(crate) fn deliver(&mut self, rank: usize, bytes: Vec<u8>) -> Result<(), CommError> {
        if let Sink::Bytes(place) = &mut self.sink {
            **place = bytes;
        } else {
            self.begin(rank, bytes.len() as u64)?;
            self.put(&bytes);
        }
        self.state = State::Done;
        Ok(())
    }
}

/// So many zeros, if there is memory for them: the length comes from elsewhere.
pub(crate) fn zeroed(len: u64) -> Option<Vec<u8>> {
    bytemuck::allocation::try_zeroed_vec(usize::try_from(len).ok()?).ok()
}
