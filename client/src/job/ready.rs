//! Waiting for a job without blocking a thread.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::state::Job;

/// Is ready when the job has ended.
pub(crate) struct Ready(pub(crate) Arc<Job>);

impl Future for Ready {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.poll_ended(cx.waker()) { Poll::Ready(()) } else { Poll::Pending }
    }
}
