//! What can be told of a job's output and failures while it runs.

use std::io::{Write, stderr, stdout};

use super::chunk_output::{ChunkOutput, StdStream};
use super::follow::{FollowFailures, FollowOutput};
use super::handle::JobHandle;
use crate::error::RemoteError;

/// What functions print. It comes back from engines that run in processes of their own: with [`Client::connect`](crate::Client::connect) and
/// [`Client::local`](crate::Client::local). On [`Client::in_process`](crate::Client::in_process) everything is printed by this very process, and
/// there is nothing here.
///
/// A chunk's words are here when its results are. They are bounded: of what a chunk writes to a stream the first and the last 16 KiB are
/// kept, of a job 16 MiB, the oldest going first; and a worker that prints more than 256 KiB a second for long has the beginnings and ends
/// of what it says passed on. [`dropped`](ChunkOutput::dropped) says how much is missing.
///
/// It comes while the job runs, and is not kept: of a job that goes on while its client is away, as those of views with
/// [`keep`](crate::LoadBalancedView::keep) do, what is printed meanwhile goes nowhere, and who attaches to a job by its id is shown nothing.
///
/// What threads and child processes of a function print belongs to the chunk that runs at that time; between calls it belongs to no job, and
/// goes to the engine daemon's log. Words that wait in a buffer of the program when it is killed are lost; Rust's standard output
/// keeps at most an unfinished line, which is sent on at the end of the chunk: a function must not leave a thread behind that holds the
/// lock of [`std::io::stdout`] for good.
impl JobHandle {
    /// What was written to standard output so far, by chunk; readable while the job runs.
    ///
    /// ```no_run
    /// # phalanx::init();
    /// # let client = phalanx::Client::local(2)?;
    /// let out = client.load_balanced_view().map_async(|x: u32| println!("this is {x}"), 0..4, 1);
    /// out.get()?;
    /// assert_eq!(out.stdout()[2].text, "this is 2\n");
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn stdout(&self) -> Vec<ChunkOutput> {
        self.written_to(StdStream::Stdout)
    }

    /// What was written to standard error so far, by chunk, `tracing` events included; readable while the job runs.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// out.get()?;
    /// assert!(out.stderr().is_empty());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn stderr(&self) -> Vec<ChunkOutput> {
        self.written_to(StdStream::Stderr)
    }

    fn written_to(&self, stream: StdStream) -> Vec<ChunkOutput> {
        let mut outputs = self.job.output.kept(|output| output.stream == stream);
        outputs.sort_by_key(|output| (output.chunk, output.attempt));
        outputs
    }

    /// All that was printed so far, both streams, in the order in which chunks began to print.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// for output in out.outputs() {
    ///     println!("chunk {}, attempt {}: {}", output.chunk, output.attempt, output.text);
    /// }
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn outputs(&self) -> Vec<ChunkOutput> {
        self.job.output.kept(|_| true)
    }

    /// What was printed by the chunk, in the attempt, in which an element failed.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let out = client.load_balanced_view().map_async(|x: u32| 10 / x, 0..4, 1);
    /// for failed in out.results().into_iter().filter_map(Result::err) {
    ///     println!("{failed}");
    ///     out.output_of(&failed).iter().for_each(|output| println!("{output}"));
    /// }
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn output_of(&self, failure: &RemoteError) -> Vec<ChunkOutput> {
        let place = match &self.job.spec.numbers {
            Some(numbers) => numbers.iter().position(|&number| number == failure.element).map(|at| at as u64),
            None => Some(failure.element),
        };
        let is_its = |output: &ChunkOutput| {
            place.is_some_and(|place| output.elements.contains(&place)) && output.attempt == failure.attempt
        };
        self.job.output.kept(is_its)
    }

    /// How many bytes of what was printed are missing in [`outputs`](Self::outputs), because there was too much.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// assert_eq!(out.output_dropped(), 0);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn output_dropped(&self) -> u64 {
        self.job.output.dropped()
    }

    /// Shows all that was printed so far, chunk after chunk: what went to standard output on this program's, then the rest on its standard
    /// error, each line marked with its engine.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// out.get()?;
    /// out.display_outputs();
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn display_outputs(&self) {
        // Who does not look at it does not miss it.
        self.stdout().iter().for_each(|output| drop(writeln!(stdout(), "{output}")));
        self.stderr().iter().for_each(|output| drop(writeln!(stderr(), "{output}")));
    }

    /// Follows what is printed, from the beginning, as it comes: an iterator that waits for the next piece and ends with the job. A piece is
    /// what was read at once, as a rule some whole lines. Who falls behind by more than 4 MiB is told how much was missed.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// for piece in out.follow_output() {
    ///     println!("{piece}");
    /// }
    /// assert!(out.ready());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn follow_output(&self) -> FollowOutput {
        FollowOutput::new(self.clone())
    }

    /// Follows what fails, from the beginning, as it comes and not only when results are asked for: an iterator that waits for the next
    /// failure and ends with the job. Failures of attempts that are repeated are among them.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let out = client.load_balanced_view().map_async(|x: u32| 10 / x, 0..4, 1);
    /// let failed: Vec<_> = out.follow_failures().map(|failure| failure.element).collect();
    /// assert_eq!(failed, [0]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn follow_failures(&self) -> FollowFailures {
        FollowFailures::new(self.clone())
    }
}
