//! What a job's elements are made of: the bytes as they were received, never copied nor joined.
//!
//! Segments stay apart ([`Rope`]); a chunk's payload is a few slices of them. Elements have either
//! one length for all (a stride) or lengths of their own (cumulative ends). An element may begin in
//! one segment and end in another.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use phalanx_proto::limits::PART_BYTES;

/// A segment shorter than this is copied, so that it does not keep the whole buffer alive that it was received in.
const COPY_BELOW_BYTES: usize = 4 << 10;
/// A slice at least this long is sent as it is, even where neighbours could be joined to it.
const JOIN_BELOW_BYTES: usize = 64 << 10;

/// Bytes in the segments in which they came.
#[derive(Debug, Default)]
pub(crate) struct Rope {
    segments: Vec<Bytes>,
    /// Where each segment ends, counted from the rope's start.
    ends: Vec<u64>,
}

impl Rope {
    pub(crate) fn len(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    pub(crate) fn push(&mut self, segment: Bytes) {
        if segment.is_empty() {
            return;
        }
        let end = self.len() + segment.len() as u64;
        let own = if segment.len() < COPY_BELOW_BYTES { Bytes::copy_from_slice(&segment) } else { segment };
        self.segments.push(own);
        self.ends.push(end);
    }

    /// The bytes of `range` as slices of the segments. `range` must lie within the rope.
    fn slices(&self, range: Range<u64>) -> impl Iterator<Item = Bytes> + '_ {
        let first = self.ends.partition_point(|end| *end <= range.start);
        let wanted = if range.is_empty() { 0 } else { usize::MAX };
        self.segments.iter().zip(&self.ends).skip(first).take(wanted).map_while(move |(segment, end)| {
            let start = end - segment.len() as u64;
            (start < range.end).then(|| {
                let from = range.start.saturating_sub(start) as usize;
                let to = (range.end.min(*end) - start) as usize;
                segment.slice(from..to)
            })
        })
    }

    /// The bytes of `ranges` one after the other, cut into pieces of at most [`PART_BYTES`]. Never none:
    /// no bytes are one empty piece. Only slices that are short are joined.
    pub(crate) fn pieces(&self, ranges: impl IntoIterator<Item = Range<u64>>) -> Vec<Bytes> {
        let mut cutter = Cutter::default();
        for range in ranges {
            self.slices(range).for_each(|slice| cutter.add(slice));
        }
        cutter.finish()
    }
}

/// Joins short slices, cuts long ones.
#[derive(Default)]
struct Cutter {
    pieces: Vec<Bytes>,
    /// A single short slice that may stay alone.
    alone: Option<Bytes>,
    joined: BytesMut,
}

impl Cutter {
    fn add(&mut self, mut slice: Bytes) {
        let waiting = self.joined.len() + self.alone.as_ref().map_or(0, Bytes::len);
        if slice.len() >= JOIN_BELOW_BYTES || waiting + slice.len() > PART_BYTES {
            self.flush();
        }
        while slice.len() > PART_BYTES {
            self.pieces.push(slice.split_to(PART_BYTES));
        }
        if slice.len() >= JOIN_BELOW_BYTES {
            self.pieces.push(slice);
        } else if self.alone.is_none() && self.joined.is_empty() {
            self.alone = Some(slice);
        } else {
            if let Some(first) = self.alone.take() {
                self.joined.put(first);
            }
            self.joined.put(slice);
        }
    }

    fn flush(&mut self) {
        if let Some(slice) = self.alone.take().filter(|s| !s.is_empty()) {
            self.pieces.push(slice);
        }
        if !self.joined.is_empty() {
            self.pieces.push(self.joined.split().freeze());
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.flush();
        if self.pieces.is_empty() {
            self.pieces.push(Bytes::new());
        }
        self.pieces
    }
}

/// How long elements are.
#[derive(Debug)]
enum Lengths {
    Stride(u32),
    /// Where each element that was announced ends.
    Ends(Vec<u64>),
}

/// All elements of a job, as far as they are here.
#[derive(Debug)]
pub(crate) struct Payload {
    elements: u64,
    lengths: Lengths,
    rope: Rope,
    /// Elements of varying length whose bytes are all here.
    complete: u64,
}

impl Payload {
    /// Nothing yet of `elements` elements with `stride` bytes each, or with lengths of their own.
    pub(crate) fn new(elements: u64, stride: u32, varying: bool) -> Self {
        let lengths = if varying { Lengths::Ends(Vec::new()) } else { Lengths::Stride(stride) };
        Self { elements, lengths, rope: Rope::default(), complete: 0 }
    }

    /// Bytes that this occupies.
    pub(crate) fn bytes(&self) -> u64 {
        let ends = match &self.lengths {
            Lengths::Stride(_) => 0,
            Lengths::Ends(ends) => ends.len() as u64 * 8,
        };
        self.rope.len() + ends
    }

    /// Adds a segment: the lengths of the elements that start in it (u32 each) and its bytes.
    ///
    /// # Errors
    /// What contradicts the job as it was announced.
    pub(crate) fn push(&mut self, lens: &[u8], data: Bytes) -> Result<(), &'static str> {
        let after = self.rope.len() + data.len() as u64;
        match &mut self.lengths {
            Lengths::Stride(stride) => {
                if !lens.is_empty() {
                    return Err("a segment has lengths, but all elements have the same");
                }
                if u128::from(after) > u128::from(self.elements) * u128::from(*stride) {
                    return Err("a segment has more bytes than the job's elements");
                }
            }
            Lengths::Ends(ends) => {
                if (ends.len() + lens.len() / 4) as u64 > self.elements {
                    return Err("a segment has lengths of more elements than the job has");
                }
                let mut end = ends.last().copied().unwrap_or(0);
                ends.extend(lens.chunks_exact(4).map(|len| {
                    end += u64::from(u32::from_le_bytes([len[0], len[1], len[2], len[3]]));
                    end
                }));
                if after > end {
                    return Err("a segment has more bytes than its lengths say");
                }
                let known = &ends[self.complete as usize..];
                self.complete += known.partition_point(|end| *end <= after) as u64;
            }
        }
        self.rope.push(data);
        Ok(())
    }

    /// How many elements, from the first on, have all their bytes here.
    pub(crate) fn complete(&self) -> u64 {
        match &self.lengths {
            Lengths::Stride(0) => self.elements,
            Lengths::Stride(stride) => self.rope.len() / u64::from(*stride),
            Lengths::Ends(_) => self.complete,
        }
    }

    /// Bytes per element; 0 where they differ.
    pub(crate) fn stride(&self) -> u32 {
        match self.lengths {
            Lengths::Stride(stride) => stride,
            Lengths::Ends(_) => 0,
        }
    }

    pub(crate) fn is_varying(&self) -> bool {
        matches!(self.lengths, Lengths::Ends(_))
    }

    fn byte_range(&self, elements: Range<u64>) -> Range<u64> {
        let at = |element: u64| match &self.lengths {
            Lengths::Stride(stride) => element * u64::from(*stride),
            Lengths::Ends(_) if element == 0 => 0,
            Lengths::Ends(ends) => ends[element as usize - 1],
        };
        at(elements.start)..at(elements.end)
    }

    /// The elements of `ranges`, which must all be complete: their lengths where they differ, and their bytes in pieces.
    pub(crate) fn take(&self, ranges: impl Iterator<Item = Range<u64>> + Clone) -> (Bytes, Vec<Bytes>) {
        let lens = match &self.lengths {
            Lengths::Stride(_) => Bytes::new(),
            Lengths::Ends(_) => self.lens(ranges.clone()),
        };
        (lens, self.rope.pieces(ranges.map(|r| self.byte_range(r))))
    }

    fn lens(&self, ranges: impl Iterator<Item = Range<u64>>) -> Bytes {
        let mut lens = BytesMut::new();
        for range in ranges {
            lens.reserve((range.end - range.start) as usize * 4);
            for element in range {
                let bytes = self.byte_range(element..element + 1);
                // Every length came as 32 bits.
                lens.put_u32_le((bytes.end - bytes.start) as u32);
            }
        }
        lens.freeze()
    }
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
