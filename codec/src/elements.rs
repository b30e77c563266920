//! Many values end to end: a job's elements, a run's results.

use bytes::Bytes;
use serde::Serialize;

use crate::CodecError;

/// The lengths of values that lie end to end: a stride for as long as all are equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lens {
    count: usize,
    stride: u32,
    /// Filled from the first value on whose length differs; else empty.
    each: Vec<u32>,
}

impl Lens {
    /// Adds one.
    #[inline]
    pub fn push(&mut self, len: u32) {
        if self.count == 0 {
            self.stride = len;
        } else if !self.each.is_empty() {
            self.each.push(len);
        } else if len != self.stride {
            self.each = vec![self.stride; self.count];
            self.each.push(len);
        }
        self.count += 1;
    }

    /// Adds all of another's.
    pub fn append(&mut self, other: &Self) {
        if self.count == 0 {
            self.clone_from(other);
        } else if self.each.is_empty() && other.each.is_empty() && self.stride == other.stride {
            self.count += other.count;
        } else {
            (0..other.count).for_each(|i| self.push(other.get(i)));
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        (self.count, self.stride) = (0, 0);
        self.each.clear();
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes per value, when all are equal; else 0.
    pub fn stride(&self) -> u32 {
        if self.each.is_empty() { self.stride } else { 0 }
    }

    /// Whether lengths differ.
    pub fn varying(&self) -> bool {
        !self.each.is_empty()
    }

    /// The length of each value when they differ, else nothing.
    pub fn each(&self) -> &[u32] {
        &self.each
    }

    /// [`each`](Self::each), as it goes on the wire.
    pub fn packed(&self) -> Bytes {
        Bytes::copy_from_slice(bytemuck::cast_slice(&self.each))
    }

    fn get(&self, index: usize) -> u32 {
        self.each.get(index).copied().unwrap_or(self.stride)
    }
}

/// Collects values into one buffer.
#[derive(Debug, Default)]
pub struct ElementsBuilder {
    data: Vec<u8>,
    /// Bytes of whole values.
    complete: usize,
    lens: Lens,
}

/// Values end to end.
#[derive(Debug, Clone, Default)]
pub struct Elements {
    /// Their bytes.
    pub data: Bytes,
    /// Their lengths.
    pub lens: Lens,
}

impl ElementsBuilder {
    /// With room for so many values of a number each.
    pub fn with_capacity(values: usize) -> Self {
        let mut data = Vec::new();
        crate::room::reserve(&mut data, values.saturating_mul(8).min(1 << 30));
        Self { data, complete: 0, lens: Lens::default() }
    }

    /// Adds a value.
    pub fn push<T: Serialize + 'static>(&mut self, value: &T) -> Result<(), CodecError> {
        self.data.truncate(self.complete);
        let before = self.complete;
        crate::encode(value, &mut self.data)?;
        self.added(before).map_err(|len| CodecError::Encode {
            type_name: std::any::type_name::<T>(),
            message: format!("one value of {len} bytes is over the limit of 4 GiB per element; split it"),
        })
    }

    /// Adds a value that the caller writes.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), CodecError> {
        self.data.truncate(self.complete);
        let before = self.complete;
        write(&mut self.data);
        self.added(before).map_err(|len| CodecError::Encode {
            type_name: "part of an array",
            message: format!("{len} bytes for one engine are over the limit of 4 GiB per element"),
        })
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.data.len() as u64
    }

    #[inline]
    fn added(&mut self, before: usize) -> Result<(), usize> {
        let len = self.data.len() - before;
        match u32::try_from(len) {
            Ok(len) => {
                self.lens.push(len);
                self.complete = self.data.len();
            }
            Err(_) => {
                self.data.truncate(before);
                return Err(len);
            }
        }
        Ok(())
    }

    /// What was collected. Of a value whose encoding ended in a panic nothing is left.
    pub fn finish(mut self) -> Elements {
        self.data.truncate(self.complete);
        Elements { data: self.data.into(), lens: self.lens }
    }
}

/// Walks over the places of values that lie end to end.
#[derive(Debug, Clone)]
pub struct Slots<'a> {
    at: usize,
    stride: usize,
    lens: &'a [u8],
}

impl<'a> Slots<'a> {
    /// `lens`: a u32 per value, or empty when all have `stride` bytes.
    pub fn new(stride: u32, lens: &'a [u8]) -> Self {
        Self { at: 0, stride: stride as usize, lens }
    }

    /// The place of the next value.
    #[inline]
    pub fn next_range(&mut self) -> std::ops::Range<usize> {
        let len = match self.lens.split_first_chunk::<4>() {
            Some((len, rest)) => {
                self.lens = rest;
                u32::from_le_bytes(*len) as usize
            }
            None => self.stride,
        };
        let start = self.at;
        self.at += len;
        start..self.at
    }
}
