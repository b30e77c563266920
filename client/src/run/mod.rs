//! Maps whose results go to a file as they come, and that go on where they were.

mod difference;
mod done;
mod plan;
mod recorder;
mod result;
mod view;

pub(crate) use done::{Done, Wrapped};
pub(crate) use plan::Plan;
pub use result::AsyncRun;
pub use view::ResumableView;
