//! How much of what user code prints is sent: an allowance that grows with time.

/// What a worker may send, on and on.
const BYTES_PER_SECOND: u64 = 256 << 10;
/// What it may send at once, after a pause.
const BURST_BYTES: i64 = 512 << 10;
/// What the ends of chunks may take beyond the allowance.
const OVERDRAFT_BYTES: i64 = 64 << 10;

/// The allowance of a worker's standard output and error together.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes: i64,
    at_ns: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { bytes: BURST_BYTES, at_ns: 0 }
    }
}

impl Pace {
    /// Time has passed.
    pub(crate) fn refill(&mut self, now_ns: u64) {
        let passed = now_ns.saturating_sub(self.at_ns);
        // Two seconds fill it; what is less than a byte waits.
        let earned = passed.min(2_000_000_000) * BYTES_PER_SECOND / 1_000_000_000;
        if earned > 0 {
            self.at_ns = now_ns;
            self.bytes = self.bytes.saturating_add_unsigned(earned).min(BURST_BYTES);
        }
    }

    /// What may be sent now.
    pub(crate) fn allowed(&self) -> usize {
        usize::try_from(self.bytes).unwrap_or(0)
    }

    /// Whether the end of a chunk's words may be sent though nothing is allowed.
    pub(crate) fn may_overdraw(&self) -> bool {
        self.bytes > -OVERDRAFT_BYTES
    }

    /// So much goes out.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub_unsigned(bytes as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_time_up_to_a_burst_and_ends_may_overdraw_it_a_little() {
        let second = 1_000_000_000;
        let mut pace = Pace::default();
        pace.refill(100 * second);
        assert_eq!(pace.allowed() as i64, BURST_BYTES);
        pace.spend(pace.allowed());
        assert!(pace.allowed() == 0 && pace.may_overdraw());
        pace.spend(OVERDRAFT_BYTES as usize);
        assert!(!pace.may_overdraw());
        // However often it is asked, time is not lost.
        for step in 1..=1000 {
            pace.refill(100 * second + step * second / 1000);
        }
        let left = BYTES_PER_SECOND as i64 - OVERDRAFT_BYTES - pace.allowed() as i64;
        assert!((0..8000).contains(&left), "{left}");
        pace.refill(200 * second);
        assert_eq!(pace.allowed() as i64, BURST_BYTES);
    }
}
