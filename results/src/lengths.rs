//! How many items each row of a sequence has: one number as long as all rows agree.

/// The lengths of a sequence's rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Lengths {
    /// `rows` rows of `length` items each.
    Equal { length: usize, rows: usize },
    /// Rows that differ.
    Ragged(Vec<usize>),
}

impl Default for Lengths {
    fn default() -> Self {
        Self::Equal { length: 0, rows: 0 }
    }
}

impl Lengths {
    pub(crate) fn push(&mut self, next: usize) {
        match self {
            Self::Equal { length, rows } if *rows == 0 || *length == next => {
                *length = next;
                *rows += 1;
            }
            Self::Equal { length, rows } => {
                let mut lengths = vec![*length; *rows];
                lengths.push(next);
                *self = Self::Ragged(lengths);
            }
            Self::Ragged(lengths) => lengths.push(next),
        }
    }

    pub(crate) fn append(&mut self, other: &Self) {
        match other {
            Self::Equal { length, rows } => (0..*rows).for_each(|_| self.push(*length)),
            Self::Ragged(lengths) => lengths.iter().for_each(|length| self.push(*length)),
        }
    }

    /// No rows; those to come may differ if these did.
    pub(crate) fn hollow(&self) -> Self {
        match self {
            Self::Equal { length, .. } => Self::Equal { length: *length, rows: 0 },
            Self::Ragged(_) => Self::Ragged(Vec::new()),
        }
    }

    /// The length all rows share.
    pub(crate) fn equal(&self) -> Option<usize> {
        match self {
            Self::Equal { length, .. } => Some(*length),
            Self::Ragged(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_agree_until_one_differs() {
        let mut lengths = Lengths::default();
        lengths.push(3);
        lengths.push(3);
        assert_eq!(lengths.equal(), Some(3));
        lengths.push(1);
        assert_eq!(lengths, Lengths::Ragged(vec![3, 3, 1]));
        let mut more = Lengths::default();
        more.append(&lengths);
        assert_eq!(more, lengths);
    }
}
