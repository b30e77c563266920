//! When the chunks of a run started and completed, in few bytes: a run may have thousands of chunks that took nanoseconds.
//!
//! Two numbers per chunk, each in LEB128 (seven bits a byte, the lowest first; see the DWARF standard, version 5, section 7.6): the nanoseconds since the chunk
//! before has completed, for the first one since 1970, and those that it took. They wrap around, so anything that was
//! written comes back. Behind them stands when the last one completed (eight bytes, the lowest first), for those who want to know no more.
//! What a peer sends may be any times, but never too few.
//!
//! ```
//! use phalanx_proto::timings::{Timings, fit, read};
//!
//! let mut timings = Timings::default();
//! timings.push(1_700_000_000_000_000_000, 1_700_000_000_000_000_040);
//! timings.push(1_700_000_000_000_000_042, 1_700_000_000_000_000_100);
//! let bytes = timings.into_bytes();
//! assert_eq!(bytes.len(), 9 + 1 + 1 + 1 + 8);
//! assert!(fit(&bytes, 2));
//! assert_eq!(read(&bytes).last(), Some((1_700_000_000_000_000_042, 1_700_000_000_000_000_100)));
//! ```

use bytes::Bytes;

/// What a byte of a number holds, and what says that it goes on.
const BITS: u32 = 7;
const GOES_ON: u8 = 1 << BITS;
/// The two numbers of a chunk.
const CHUNK_NUMBERS: usize = 2;
/// What stands behind all of them.
const LAST_BYTES: usize = 8;

/// Times that are being written.
#[derive(Debug, Default)]
pub struct Timings {
    bytes: Vec<u8>,
    last_ns: u64,
}

impl Timings {
    /// The next chunk, in unix nanoseconds.
    #[inline]
    pub fn push(&mut self, started_ns: u64, completed_ns: u64) {
        let since = started_ns.wrapping_sub(self.last_ns);
        let took = completed_ns.wrapping_sub(started_ns);
        self.last_ns = completed_ns;
        if (since | took) < u64::from(GOES_ON) {
            self.bytes.extend_from_slice(&[since as u8, took as u8]);
        } else {
            put(&mut self.bytes, since);
            put(&mut self.bytes, took);
        }
    }

    /// As they are sent.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        self.bytes.extend_from_slice(&self.last_ns.to_le_bytes());
        self.bytes.into()
    }
}

/// Times of these chunks, each started and completed.
impl FromIterator<(u64, u64)> for Timings {
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(chunks: I) -> Self {
        let mut timings = Self::default();
        chunks.into_iter().for_each(|(started_ns, completed_ns)| timings.push(started_ns, completed_ns));
        timings
    }
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= u64::from(GOES_ON) {
        bytes.push(number as u8 | GOES_ON);
        number >>= BITS;
    }
    bytes.push(number as u8);
}

/// Whether these are the times of so many chunks.
#[must_use]
pub fn fit(bytes: &[u8], chunks: u32) -> bool {
    let Some((numbers, _)) = bytes.split_last_chunk::<LAST_BYTES>() else { return false };
    let ends = numbers.iter().filter(|byte| **byte < GOES_ON).count();
    ends == chunks as usize * CHUNK_NUMBERS && numbers.last().is_none_or(|last| *last < GOES_ON)
}

/// When each chunk started and completed, in unix nanoseconds.
pub fn read(bytes: &[u8]) -> impl Iterator<Item = (u64, u64)> + '_ {
    let numbers = bytes.split_last_chunk::<LAST_BYTES>().map_or(&[][..], |(numbers, _)| numbers);
    let (mut numbers, mut last_ns) = (Numbers(numbers), 0_u64);
    std::iter::from_fn(move || {
        let started_ns = last_ns.wrapping_add(numbers.next()?);
        last_ns = started_ns.wrapping_add(numbers.next()?);
        Some((started_ns, last_ns))
    })
}

/// When the first chunk started and the last one completed.
#[must_use]
pub fn span(bytes: &[u8]) -> Option<(u64, u64)> {
    let (numbers, last) = bytes.split_last_chunk::<LAST_BYTES>()?;
    Some((Numbers(numbers).next()?, u64::from_le_bytes(*last)))
}

/// What is still to be read.
struct Numbers<'a>(&'a [u8]);

impl Iterator for Numbers<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            // Ten bytes are the most that are ever written; what more a peer sends counts for nothing.
            number |= u64::from(byte & !GOES_ON).checked_shl(shift).unwrap_or(0);
            if *byte < GOES_ON {
                return Some(number);
            }
            shift = shift.saturating_add(BITS);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(chunks in prop::collection::vec((any::<u64>(), any::<u64>()), 0..50)) {
            let bytes = chunks.iter().copied().collect::<Timings>().into_bytes();
            prop_assert!(fit(&bytes, chunks.len() as u32));
            prop_assert!(!fit(&bytes, chunks.len() as u32 + 1));
            prop_assert_eq!(span(&bytes), chunks.first().zip(chunks.last()).map(|(first, last)| (first.0, last.1)));
            prop_assert_eq!(read(&bytes).collect::<Vec<_>>(), chunks);
        }

        #[test]
        fn whatever_fits_has_a_time_for_each_chunk(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let numbers = &bytes[..bytes.len().saturating_sub(LAST_BYTES)];
            let ends = numbers.iter().filter(|byte| **byte < GOES_ON).count();
            if fit(&bytes, ends as u32 / 2) {
                prop_assert_eq!(read(&bytes).count(), ends / 2);
            }
            prop_assert_eq!(span(&bytes).is_some(), ends > 0);
        }
    }

    #[test]
    fn the_times_of_short_chunks_take_a_byte_each() {
        let now = 1_790_000_000_000_000_000;
        let chunks = (0..1000).map(|i| (now + i * 100, now + i * 100 + 60));
        assert_eq!(chunks.collect::<Timings>().into_bytes().len(), 9 + 1 + 999 * CHUNK_NUMBERS + LAST_BYTES);
    }

    #[test]
    fn a_number_that_is_cut_off_does_not_fit() {
        let fits = |numbers: &[u8], chunks| fit(&[numbers, &[0; LAST_BYTES]].concat(), chunks);
        assert!(fits(&[], 0) && fits(&[1, 2], 1) && !fit(&[1, 2], 1) && !fit(&[], 0));
        assert!(!fits(&[1, 2 | GOES_ON], 1) && !fits(&[1, 2, GOES_ON], 1) && !fits(&[1], 1));
    }
}
