//! How people name jobs: by an id, or by a part of one that they can type.

use crate::query::FilterError;

/// Fewer digits of an id fit too many jobs.
pub(crate) const ID_DIGITS_MIN: usize = 4;

/// A job's id, or the beginning or end of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IdPart {
    Whole([u8; 16]),
    /// Upper-case hexadecimal digits, as SQLite's `hex` gives them.
    Part(String),
}

impl IdPart {
    pub(crate) fn parse(text: &str) -> Result<Self, FilterError> {
        let wrong = || FilterError::Job(phalanx_proto::limits::clip(text, 64));
        let digits: String =
            text.trim().chars().filter(|c| *c != '-').map(|c| c.to_ascii_uppercase()).collect();
        if !(ID_DIGITS_MIN..=32).contains(&digits.len()) {
            return Err(wrong());
        }
        let number =
            u128::from_str_radix(&digits, 16).ok().filter(|_| !digits.starts_with('+')).ok_or_else(wrong)?;
        Ok(if digits.len() == 32 { Self::Whole(number.to_be_bytes()) } else { Self::Part(digits) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_whole_and_in_part() {
        let whole = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(
            IdPart::parse(whole),
            Ok(IdPart::Whole(0x01890a5d_ac96_774b_bcce_b302099a8057u128.to_be_bytes()))
        );
        assert_eq!(IdPart::parse(" 01890a5d-ac "), Ok(IdPart::Part("01890A5DAC".into())));
        for bad in [
            "",
            "abc",
            "+abcd",
            "wxyz",
            "01890a5d-ac96-774b-bcce-b302099a80577",
            "ünïx",
            "'; DROP TABLE jobs; --",
        ] {
            assert!(IdPart::parse(bad).is_err(), "{bad}");
        }
    }
}
