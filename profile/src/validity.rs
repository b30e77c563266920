//! From when to when a certificate holds.

use std::fmt;

use time::{Duration, OffsetDateTime};

use crate::certificate::{Certificate, CertificateError};

/// The time in which a certificate is valid, both ends included.
///
/// ```
/// use phalanx_profile::Validity;
/// use time::{Duration, OffsetDateTime};
///
/// let noon = OffsetDateTime::from_unix_timestamp(1_800_000_000)?;
/// let validity = Validity { not_before: noon, not_after: noon + Duration::days(365) };
/// assert!(validity.check(noon).is_ok());
/// assert!(validity.check(noon + Duration::days(366)).is_err());
/// assert_eq!(validity.remaining(noon), Duration::days(365));
/// # Ok::<(), time::error::ComponentRange>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: OffsetDateTime,
    /// The last moment.
    pub not_after: OffsetDateTime,
}

/// Why a certificate does not hold at a moment. Moments are printed in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValidityError {
    /// Its time is over.
    #[error("expired on {} (it is {} now)", Moment(*.not_after), Moment(*.now))]
    Expired {
        /// Its last moment.
        not_after: OffsetDateTime,
        /// The moment asked about.
        now: OffsetDateTime,
    },
    /// Its time is still to come.
    #[error("is valid only from {} on (it is {} now)", Moment(*.not_before), Moment(*.now))]
    NotYetValid {
        /// Its first moment.
        not_before: OffsetDateTime,
        /// The moment asked about.
        now: OffsetDateTime,
    },
}

impl Validity {
    /// The validity of the certificate in `pem`.
    ///
    /// # Errors
    /// [`CertificateError`] when there is no certificate in it.
    pub fn of_pem(pem: &str) -> Result<Validity, CertificateError> {
        Certificate::from_pem(pem).map(|certificate| certificate.validity)
    }

    /// Checks that `now` lies within.
    ///
    /// # Errors
    /// Says on which side it lies outside.
    pub fn check(&self, now: OffsetDateTime) -> Result<(), ValidityError> {
        if now < self.not_before {
            return Err(ValidityError::NotYetValid { not_before: self.not_before, now });
        }
        if now > self.not_after {
            return Err(ValidityError::Expired { not_after: self.not_after, now });
        }
        Ok(())
    }

    /// How long it still holds after `now`; negative when it is over.
    #[must_use]
    pub fn remaining(&self, now: OffsetDateTime) -> Duration {
        self.not_after - now
    }
}

/// A moment as messages show it: `2026-11-21 09:40:05 UTC`.
pub(crate) struct Moment(pub(crate) OffsetDateTime);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let utc = self.0.to_offset(time::UtcOffset::UTC);
        let (year, month, day) = (utc.year(), u8::from(utc.month()), utc.day());
        let (hour, minute, second) = utc.time().as_hms();
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_within() {
        let start = OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap();
        let end = start + Duration::days(1);
        let validity = Validity { not_before: start, not_after: end };
        assert_eq!(validity.check(start), Ok(()));
        assert_eq!(validity.check(end), Ok(()));
        let early = start - Duration::SECOND;
        assert_eq!(validity.check(early), Err(ValidityError::NotYetValid { not_before: start, now: early }));
        let late = end + Duration::SECOND;
        assert_eq!(validity.check(late), Err(ValidityError::Expired { not_after: end, now: late }));
        assert_eq!(validity.remaining(late), -Duration::SECOND);
    }

    #[test]
    fn moments_are_shown_in_utc() {
        let moment = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        let elsewhere = moment.to_offset(time::UtcOffset::from_hms(5, 30, 0).unwrap());
        assert_eq!(Moment(elsewhere).to_string(), "2027-01-15 08:00:00 UTC");
    }
}
