//! Where a function runs.

use std::cell::Cell;

use serde::{Deserialize, Serialize};

/// Where a function runs, and its place among those that the call is for; see [`here`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Here {
    /// The engine's id.
    pub engine: u32,
    /// The engine's place among the targets of the direct view, from 0; 0 on a load-balanced view.
    pub rank: u32,
    /// How many targets the direct view has; 1 on a load-balanced view.
    pub size: u32,
    /// Which try it is, from 1.
    pub attempt: u32,
}

thread_local! {
    static HERE: Cell<Option<Here>> = const { Cell::new(None) };
}

/// Where the calling function runs; `None` when no engine has called it, and on threads that it has started itself.
///
/// ```
/// # let client = phalanx::Client::in_process(3)?;
/// assert_eq!(phalanx::here(), None);
/// let ranks = client.direct_view(..).apply(|| phalanx::here().map(|here| (here.rank, here.size)), ()).get()?;
/// assert_eq!(ranks, [Some((0, 3)), Some((1, 3)), Some((2, 3))]);
/// # Ok::<(), phalanx::Error>(())
/// ```
#[must_use]
pub fn here() -> Option<Here> {
    HERE.get()
}

/// Says where the functions run that this thread calls from here on.
pub(super) fn set_here(here: Option<Here>) {
    HERE.set(here);
}
