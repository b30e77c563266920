//! A column of strings: all text in one buffer, so that a million short strings are two allocations.

/// Strings, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Texts {
    buffer: String,
    ends: Vec<usize>,
}

impl Texts {
    pub(crate) fn push(&mut self, text: &str) {
        self.buffer.push_str(text);
        self.ends.push(self.buffer.len());
    }

    /// The buffer to write the next string into; [`Texts::finish_row`] ends it.
    pub(crate) fn open_row(&mut self) -> &mut String {
        &mut self.buffer
    }

    pub(crate) fn finish_row(&mut self) {
        self.ends.push(self.buffer.len());
    }

    pub(crate) fn get(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.buffer[start..self.ends[row]]
    }

    pub(crate) fn append(&mut self, other: &Self) {
        let shift = self.buffer.len();
        self.buffer.push_str(&other.buffer);
        self.ends.extend(other.ends.iter().map(|end| end + shift));
    }

    /// HDF5's strings end at the first NUL: one that contains it cannot be stored as it is.
    pub(crate) fn has_nul(&self) -> bool {
        self.buffer.as_bytes().contains(&0)
    }
}
