//! What clients want of engines.

use std::collections::BTreeSet;

use phalanx_proto::ids::EngineId;
use phalanx_proto::v1;
use phalanx_proto::v1::control;

use super::{Refused, demand};

/// Engines that one wish may name.
pub(super) const ENGINES_MAX: usize = 1 << 17;
/// Signals have small numbers.
const SIGNAL_MAX: u32 = 64;

/// What a client wants of some engines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Control {
    /// The client's own number for it.
    pub(crate) number: u64,
    pub(crate) engines: BTreeSet<EngineId>,
    pub(crate) wish: Wish,
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Restart,
    /// With `all`, those there are; with `controller`, it ends too.
    Shutdown {
        all: bool,
        controller: bool,
    },
    Signal(u32),
}

pub(super) fn parse_control(wanted: v1::Control) -> Result<Control, Refused> {
    demand(wanted.engines.len() <= ENGINES_MAX, "a wish for more engines than there can be")?;
    let wish = match wanted.wish {
        Some(control::Wish::Restart(_)) => Wish::Restart,
        Some(control::Wish::Shutdown(v1::Shutdown { all, controller })) => Wish::Shutdown { all, controller },
        Some(control::Wish::Signal(v1::Signal { signal })) => {
            demand((1..=SIGNAL_MAX).contains(&signal), "a signal that no system has")?;
            Wish::Signal(signal)
        }
        None => return Err(Refused::malformed("a wish for nothing")),
    };
    let engines = wanted.engines.into_iter().map(EngineId).collect();
    Ok(Control { number: wanted.number, engines, wish })
}
