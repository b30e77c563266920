//! Maps whose results go to a file as they come, and that go on where they were.

mod difference;
mod done;
mod plan;
mod recorder;
mod result;
mod view;

pub(crate) use done::Wrapped;
pub(crate) use plan::{Plan, slot};
pub use result::AsyncRun;
pub(crate) use result::never_run;
pub use view::ResumableView;
