//! What waiting threads do before they sleep: they look, for a moment, whether what they wait for is there.
//!
//! A call passes through several processes, one after the other. Each of them would sleep until its turn comes, and waking a
//! sleeping thread on a sleeping core costs more than all the work of a call. So a thread that was busy a moment ago polls for up
//! to [`Window::MAX`] first, giving its core to whoever else wants it at every turn.
//!
//! Whether that pays off is learnt, as by the halt polling of hypervisors: threads whose news comes late, or whose core is
//! wanted by others, go to sleep at once. An idle process uses no processor time.
//!
//! - [`watch`](watch()), [`noted`](noted()), [`Noted`], [`rest`](rest()): for a tokio runtime of one thread; [`quiet`](quiet()): for its Unix sockets;
//! - [`wait`]: for a thread that blocks;
//! - [`make_way`], [`about_to_wait`], [`let_read`]: for a thread that computes.

mod blocking;
mod noted;
mod quiet;
mod runtime;
mod slice;
mod unread;
mod window;

pub use blocking::wait;
pub use noted::Noted;
pub use quiet::{QuietReader, QuietWriter, quiet};
pub use runtime::{Here, Watch, is_resting, noted, rest, watch};
pub use slice::{SLICE_MAX, about_to_wait, make_way};
pub use unread::let_read;
pub use window::Window;
