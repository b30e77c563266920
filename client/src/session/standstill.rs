//! Why nothing runs at present, for those who wait.

use std::fmt;
use std::time::Instant;

/// Nothing can run, whatever is submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standstill {
    pub(crate) cause: Cause,
    /// Since when.
    pub(crate) since: Instant,
    /// The profile whose cluster it is.
    pub(crate) profile: String,
}

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    NoEngines,
    /// The connection was lost, and why.
    NoController(String),
}

impl Standstill {
    /// What is said when it is over.
    pub(crate) fn is_over(&self) -> &'static str {
        match self.cause {
            Cause::NoEngines => "there are engines again",
            Cause::NoController(_) => "the controller is back",
        }
    }
}

impl fmt::Display for Standstill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let profile = &self.profile;
        match &self.cause {
            Cause::NoEngines => {
                write!(f, "there are no engines\n  Start some: engine --profile {profile} -n 4")
            }
            Cause::NoController(why) => write!(
                f,
                "the connection to the controller was lost: {why}\n  \
                 It is tried again for two minutes. If it has ended, start it: controller --profile {profile}"
            ),
        }
    }
}
