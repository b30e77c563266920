//! Awaiting a job, again and again.

use std::task::{Context, Poll};

use super::handle::JobHandle;
use crate::session::Waiting;

/// What a result keeps while it is awaited.
#[derive(Default)]
pub(crate) struct Waiter {
    /// While somebody waits, the connection is to be run by its own thread.
    waiting: Option<Waiting>,
}

impl Waiter {
    /// Ready when the job has ended.
    pub(crate) fn poll(&mut self, handle: &JobHandle, cx: &mut Context<'_>) -> Poll<()> {
        if handle.job.poll_ended(cx.waker()) {
            self.waiting = None;
            return Poll::Ready(());
        }
        if self.waiting.is_none() {
            self.waiting = Some(handle.session.waiting());
        }
        Poll::Pending
    }
}
