//! Direct chunks that wait for their engine: each client's in the order of its calls, the clients in turn.

use std::collections::VecDeque;

/// A chunk that may run nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DirectChunk {
    pub(crate) job: u32,
    pub(crate) ordinal: u64,
}

/// One engine's direct chunks.
#[derive(Debug, Default)]
pub(crate) struct DirectQueue {
    clients: VecDeque<(u32, VecDeque<DirectChunk>)>,
}

impl DirectQueue {
    fn of(&mut self, client: u32) -> &mut VecDeque<DirectChunk> {
        let at = self.clients.iter().position(|(c, _)| *c == client).unwrap_or_else(|| {
            self.clients.push_back((client, VecDeque::new()));
            self.clients.len() - 1
        });
        &mut self.clients[at].1
    }

    pub(crate) fn push(&mut self, client: u32, chunk: DirectChunk) {
        self.of(client).push_back(chunk);
    }

    /// Puts a chunk that is tried again before the client's others.
    pub(crate) fn push_front(&mut self, client: u32, chunk: DirectChunk) {
        self.of(client).push_front(chunk);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// The chunks that are next, one of each client, whose turn it is first.
    pub(crate) fn next(&self) -> impl Iterator<Item = (u32, DirectChunk)> {
        self.clients.iter().filter_map(|(client, chunks)| Some((*client, *chunks.front()?)))
    }

    /// Takes a client's next chunk; it is the others' turn then.
    pub(crate) fn take(&mut self, client: u32) {
        let Some(at) = self.clients.iter().position(|(c, _)| *c == client) else { return };
        let Some((_, mut chunks)) = self.clients.remove(at) else { return };
        chunks.pop_front();
        if !chunks.is_empty() {
            self.clients.push_back((client, chunks));
        }
    }

    /// Forgets the chunks of one job; whether there were any.
    pub(crate) fn forget_job(&mut self, client: u32, job: u32) -> bool {
        self.retain(client, |chunk| chunk.job != job)
    }

    /// Keeps those of a client's chunks; whether any went.
    pub(crate) fn retain(&mut self, client: u32, keep: impl FnMut(&DirectChunk) -> bool) -> bool {
        let Some(at) = self.clients.iter().position(|(c, _)| *c == client) else { return false };
        let chunks = &mut self.clients[at].1;
        let before = chunks.len();
        chunks.retain(keep);
        let went = chunks.len() < before;
        if chunks.is_empty() {
            self.clients.remove(at);
        }
        went
    }

    /// Forgets a client.
    pub(crate) fn forget_client(&mut self, client: u32) {
        self.clients.retain(|(c, _)| *c != client);
    }

    /// Every chunk, in an order in which they could run.
    pub(crate) fn iter(&self) -> impl Iterator<Item = DirectChunk> {
        self.clients.iter().flat_map(|(_, chunks)| chunks.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_take_turns_and_each_keeps_its_order() {
        let mut queue = DirectQueue::default();
        let chunk = |job, ordinal| DirectChunk { job, ordinal };
        queue.push(1, chunk(10, 0));
        queue.push(1, chunk(11, 0));
        queue.push(2, chunk(20, 0));
        let mut order = Vec::new();
        while !queue.is_empty() {
            let (client, chunk) = queue.next().next().unwrap();
            order.push(chunk.job);
            queue.take(client);
        }
        assert_eq!(order, [10, 20, 11]);
        assert!(queue.is_empty());
        queue.push(1, chunk(10, 0));
        queue.push_front(1, chunk(12, 0));
        queue.forget_job(1, 10);
        assert_eq!(queue.iter().collect::<Vec<_>>(), [chunk(12, 0)]);
        queue.forget_job(1, 12);
        assert!(queue.is_empty());
    }
}
