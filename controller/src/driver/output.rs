//! What user code prints, on its way to the client: passed on at once, never kept.
//!
//! It must not cost a client its session, as results that are not read do in the end: while a client does not keep up, its jobs' output
//! is dropped here, and it is told how much.

use phalanx_proto::ids::{EngineId, JobKey, NodeId};
use phalanx_proto::v1::Output;
use phalanx_proto::v1::client_event::Kind as ToClient;

use super::Driver;

impl Driver {
    pub(super) fn on_output(&mut self, id: NodeId, output: Output) {
        if self.engines.get(&EngineId(output.engine)).is_none_or(|engine| engine.node != id) {
            return;
        }
        let key = JobKey(output.job);
        let Some(job) = self.jobs.get_mut(&key) else { return };
        let elements = u64::from(output.chunk_len).checked_mul(output.chunk_count.into());
        let end = elements.and_then(|elements| output.element_first.checked_add(elements));
        if end.is_none_or(|end| end > job.elements) {
            tracing::debug!(node = %id, "dropped: output of elements that the job does not have");
            return;
        }
        if self.clients.get(&job.client).is_some_and(|client| client.outbox().is_pressed()) {
            add(&mut job.unsaid[usize::from(output.is_stderr)], output);
            return;
        }
        let (client, bytes) = (job.client, output.data.len());
        let output = Output { job: job.number, ..output };
        self.say_unsaid(key);
        self.send_client(client, ToClient::Output(output), bytes);
        self.settle();
    }

    /// Tells a job's client how much of its output was dropped, if any.
    pub(super) fn say_unsaid(&mut self, key: JobKey) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        let (client, number) = (job.client, job.number);
        for unsaid in [job.unsaid[0].take(), job.unsaid[1].take()].into_iter().flatten() {
            self.send_client(client, ToClient::Output(Output { job: number, ..unsaid }), 0);
        }
    }
}

/// Drops it, and notes that.
fn add(unsaid: &mut Option<Output>, output: Output) {
    let before = unsaid.as_ref().map_or(0, |unsaid| unsaid.dropped);
    let dropped = before.saturating_add(output.dropped).saturating_add(output.data.len() as u64);
    *unsaid = Some(Output { dropped, data: bytes::Bytes::new(), ..output });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_counted_with_what_was_dropped_before() {
        let mut unsaid = None;
        let output =
            |dropped, data: &'static [u8]| Output { dropped, data: data.into(), ..Output::default() };
        add(&mut unsaid, output(5, b"abc"));
        add(&mut unsaid, Output { first_chunk: 7, ..output(0, b"de") });
        assert_eq!(unsaid, Some(Output { first_chunk: 7, ..output(10, b"") }));
    }
}
