//! Somebody else's short call, run between two elements of a long run: otherwise it would wait for chunks of milliseconds.
//!
//! The daemon says on the shared page that it has sent one, so a busy executor looks at one word for each element and reads its socket
//! only when there is something to be read. While the urgent run is under way it is what the page names, so a death or a run limit is
//! its own; then the page names the other chunk again. Depth is one: what is urgent is not interrupted.

use std::io;
use std::sync::TryLockError;

use super::call::Call;
use super::clock::now_ns;
use super::held::ChunkResult;
use super::input::Pumped;
use super::print_thread::say_rest;
use super::reference;
use super::shared::Shared;
use super::work::Work;

impl Shared {
    /// Whether an urgent run was sent that has not been begun.
    #[inline]
    pub(super) fn is_called(&self) -> bool {
        self.board.announced() > self.queue.urgent_gone()
    }

    /// The next urgent run, if it is here.
    fn next_urgent(&self) -> io::Result<Option<Work>> {
        if let Some(work) = self.queue.begin_urgent() {
            return Ok(Some(work));
        }
        let mut input = match self.input.try_lock() {
            Ok(input) => input,
            Err(TryLockError::Poisoned(e)) => e.into_inner(),
            // The monitor is just reading it: at the next element it will be here.
            Err(TryLockError::WouldBlock) => return Ok(None),
        };
        // What is not whole yet comes at the next element, too.
        match input.pump(self, false)? {
            Pumped::Closed => Err(io::ErrorKind::BrokenPipe.into()),
            Pumped::Some | Pumped::Nothing => Ok(self.queue.begin_urgent()),
        }
    }
}

impl Call<'_> {
    /// Runs what is urgent, between two elements of this run; how long that took.
    #[cold]
    #[inline(never)]
    pub(super) fn give_way(&mut self) -> u64 {
        let before = now_ns();
        let mut any = false;
        while self.broken.is_none() && self.shared.is_called() {
            match self.shared.next_urgent() {
                Ok(Some(work)) => {
                    any = true;
                    self.broken = self.run_nested(&work).err();
                }
                Ok(None) => break,
                Err(e) => self.broken = Some(e),
            }
        }
        if any { now_ns().saturating_sub(before) } else { 0 }
    }

    fn run_nested(&mut self, work: &Work) -> io::Result<()> {
        let shared = self.shared;
        self.step_back()?;
        let mut result = ChunkResult::default();
        let done = Call::new(work, self.namespace, shared, &mut result).nested().run();
        shared.queue.end_urgent();
        done?;
        self.step_in()?;
        self.shared.lock_output().let_read();
        Ok(())
    }

    /// Makes way: the names are the engine's again, and what was printed so far goes out.
    fn step_back(&mut self) -> io::Result<()> {
        self.shared.board.suspend(self.work.chunks.job);
        if self.lends_names {
            reference::close(self.namespace);
        }
        if self.shared.is_process {
            say_rest();
        }
        let mut output = self.shared.lock_output();
        output.look_at_end(Some(self.chunk))?;
        output.put_aside();
        Ok(())
    }

    /// Goes on where it has made way, once what the urgent run has left was sent, for somebody waits for that.
    fn step_in(&mut self) -> io::Result<()> {
        if self.shared.is_process {
            say_rest();
        }
        let mut output = self.shared.lock_output();
        output.look_at_end(None)?;
        output.flush()?;
        output.go_on(self.work, self.place())?;
        self.note_run();
        self.shared.board.resume();
        drop(output);
        if self.lends_names {
            reference::open(self.namespace);
        }
        self.enter();
        Ok(())
    }
}
