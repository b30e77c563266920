//! A stream's work: pull, submit, take what is done. It never waits for results; who reads the stream does.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::fleet::{Chunk, Fleet, What};
use super::order::Order;
use super::window::{Load, Window};
use crate::codec::{CodecError, Elements, ElementsBuilder, Value};
use crate::error::{Error, RemoteError, RemoteErrorKind, Result};
use crate::job::{Ended, Job, JobOptions, JobPlan, JobSpec};
use crate::result::outcomes;
use crate::session::Session;
use crate::worker::Function;

/// What each chunk of a stream is made with.
pub(crate) struct Recipe {
    pub(crate) function: Function,
    pub(crate) context: Bytes,
    pub(crate) options: JobOptions,
}

/// What comes next.
pub(super) enum Step<R> {
    /// An element's outcome, or the stream's own error, which is its last.
    Item(Result<(u64, R)>),
    /// Nothing before one of these has ended.
    Wait(Vec<Arc<Job>>),
    /// Nothing more.
    End,
}

/// See above.
pub(super) struct Flow<I, R> {
    recipe: Recipe,
    /// `None` at its end.
    items: Option<I>,
    pub(super) window: Window,
    pub(super) fleet: Arc<Fleet>,
    ready: VecDeque<(u64, Result<R>)>,
    pub(super) pulled: u64,
    pub(super) delivered: u64,
    /// Bytes of elements that were pulled, until they are taken.
    bytes: u64,
    /// What is said when all that is under way was delivered.
    last_words: Option<Error>,
    is_over: bool,
}

impl<I, R> Flow<I, R> {
    pub(super) fn new(session: Arc<Session>, recipe: Result<Recipe>, items: I) -> Self {
        let fleet = Arc::new(Fleet::new(session));
        let (recipe, error) = match recipe {
            Ok(recipe) => (recipe, None),
            Err(e) => {
                let function = Function { entry: 0, label: "", own_worker: false };
                (Recipe { function, context: Bytes::new(), options: JobOptions::default() }, Some(e))
            }
        };
        let window = Window::new(recipe.context.len());
        let mut flow = Self {
            recipe,
            items: Some(items),
            window,
            fleet,
            ready: VecDeque::new(),
            pulled: 0,
            delivered: 0,
            bytes: 0,
            last_words: None,
            is_over: false,
        };
        if let Some(e) = error {
            flow.give_up(e);
        }
        flow
    }

    /// It cannot be run as it was asked for, or its input has ended in a panic.
    pub(super) fn give_up(&mut self, why: Error) {
        self.items = None;
        self.last_words.get_or_insert(why);
    }

    /// The stream's own error, after which nothing comes.
    fn end(&mut self, why: Error) -> Step<R> {
        self.is_over = true;
        self.items = None;
        self.ready.clear();
        self.fleet.abort();
        Step::Item(Err(why))
    }

    fn load(&self) -> Load {
        let (running, chunks) = self.fleet.counts();
        Load { running, chunks, elements: self.pulled - self.delivered, bytes: self.bytes }
    }
}

impl<I, A, R> Flow<I, R>
where
    I: Iterator<Item = A>,
    A: Value,
    R: DeserializeOwned + 'static,
{
    /// What comes next, without waiting for it.
    pub(super) fn step<O: Order>(&mut self) -> Step<R> {
        if self.is_over {
            return Step::End;
        }
        loop {
            if self.fleet.is_cancelled() {
                return self.end(Error::StreamCancelled);
            }
            if let Some((index, outcome)) = self.ready.pop_front() {
                // Before more is pulled: that may take its time, or wait for what the reader does with this one.
                self.delivered += 1;
                return Step::Item(outcome.map(|value| (index, value)));
            }
            // One chunk for each that is taken, so that the engines go on while the reader works on what it brings.
            let pulled = self.pull_if_there_is_room();
            if let Some(chunk) = self.fleet.take_done(O::IS_INPUTS) {
                if let Err(why) = self.take(chunk) {
                    return if self.fleet.is_cancelled() { continue } else { self.end(why) };
                }
                continue;
            }
            if pulled {
                continue;
            }
            // While there is more to pull, every chunk that is done makes room for another.
            let awaited = self.fleet.awaited(O::IS_INPUTS && self.items.is_none());
            if !awaited.is_empty() {
                return Step::Wait(awaited);
            }
            if self.fleet.is_cancelled() || !self.fleet.is_empty() {
                continue;
            }
            self.is_over = true;
            return self.last_words.take().map_or(Step::End, |why| Step::Item(Err(why)));
        }
    }

    /// Decodes what a chunk has brought.
    fn take(&mut self, chunk: Chunk) -> Result<()> {
        let job = match chunk.what {
            What::Refused(e) => {
                self.ready.push_back((chunk.first, Err(refused(chunk.first, &e).into())));
                return Ok(());
            }
            What::Job(job) => job,
        };
        self.bytes -= job.spec.elements.data.len() as u64;
        let settled = job.settled();
        if let Some(Ended::Failed(why)) = settled.ended {
            return Err(why);
        }
        let (mut busy_ns, mut result_bytes) = (0, 0);
        for run in &settled.runs {
            busy_ns += run.timings().map(|(from, to)| to.saturating_sub(from)).sum::<u64>();
            result_bytes += run.parts().iter().map(|part| part.len() as u64).sum::<u64>();
        }
        self.window.measured(job.elements(), busy_ns, result_bytes);
        let outcomes = outcomes::<R>(&job).into_iter().zip(chunk.first..);
        self.ready.extend(outcomes.map(|(outcome, index)| {
            (index, outcome.map_err(|e| RemoteError { element: index, ..e }.into()))
        }));
        Ok(())
    }

    /// Pulls one chunk, when the bounds allow it; false when nothing came of it.
    fn pull_if_there_is_room(&mut self) -> bool {
        if self.items.is_none() {
            return false;
        }
        let (engines, load) = (self.fleet.session().engines().count() as u64, self.load());
        if !self.window.has_room(load, engines) {
            return false;
        }
        let len = self.window.chunk_len(engines).min(self.window.elements_left(load));
        let before = self.pulled;
        let (elements, refused) = self.pull(len, self.window.chunk_bytes(load, engines));
        if elements.lens.count() > 0 {
            self.submit(before, elements);
        }
        if let Some(e) = refused {
            self.fleet.add(Chunk { first: self.pulled - 1, what: What::Refused(e) });
        }
        self.pulled > before
    }

    /// Elements for a chunk of this length and size, and why the one behind them cannot be sent, if so.
    fn pull(&mut self, len: u64, bytes_max: u64) -> (Elements, Option<CodecError>) {
        let (started, before) = (Instant::now(), self.pulled);
        let mut elements = ElementsBuilder::default();
        let mut refused = None;
        while let Some(items) = &mut self.items
            && refused.is_none()
            && self.pulled - before < len
            && elements.bytes() < bytes_max
            && (self.pulled == before || started.elapsed() < self.window.pull_max())
        {
            let next = catch_unwind(AssertUnwindSafe(|| items.next().map(|item| elements.push(&item))));
            match next {
                Ok(Some(pushed)) => {
                    self.pulled += 1;
                    refused = pushed.err();
                }
                Ok(None) => self.items = None,
                Err(panic) => self.give_up(Error::StreamInput(words(&*panic))),
            }
        }
        (elements.finish(), refused)
    }

    fn submit(&mut self, first: u64, elements: Elements) {
        self.bytes += elements.data.len() as u64;
        let plan = JobPlan::Balanced { chunksize: elements.lens.count() as u64 };
        let mut options = self.recipe.options.clone();
        if first > 0 {
            // What has begun once waits for as long as it takes.
            options.queue_limit = None;
        }
        let spec = JobSpec::new(self.recipe.function, elements, self.recipe.context.clone(), plan);
        let job = self.fleet.session().submit(JobSpec { options, ..spec });
        self.fleet.add(Chunk { first, what: What::Job(job) });
    }
}

/// Nobody reads it any longer.
impl<I, R> Drop for Flow<I, R> {
    fn drop(&mut self) {
        self.fleet.abort();
    }
}

fn refused(element: u64, why: &CodecError) -> RemoteError {
    RemoteError {
        element,
        engine: None,
        attempt: 0,
        kind: RemoteErrorKind::Codec,
        message: why.to_string(),
        location: String::new(),
        backtrace: String::new(),
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it did not say why".to_owned())
}
