//! A worker's process: its end, and what it says.

use std::convert::Infallible;
use std::time::Duration;

use phalanx_proto::frames::{During, Output};
use phalanx_proto::limits::OUTPUT_BYTES_MAX;
use tokio::process::Child;

use super::pipes::Pipes;
use super::said::Said;
use crate::config::OutputTo;
use crate::exit::Exit;

/// A worker that was told to end is given this long.
const FINISH_TIMEOUT: Duration = Duration::from_millis(500);
/// Of what a worker had said and not sent when it died, so much is sent: of each pipe its beginning and its end.
const REST_HALF_BYTES: usize = OUTPUT_BYTES_MAX / 2;

/// A child, or a thread, which cannot be ended from outside.
pub(super) enum Process {
    Child { child: Box<Child>, pipes: Pipes, said: Said },
    Thread,
}

impl Process {
    pub(super) fn child(child: Child, pipes: Pipes, engine: u32, output: OutputTo) -> Self {
        Self::Child { child: Box::new(child), pipes, said: Said::new(engine, output) }
    }

    /// Hears what it says before it can send that itself.
    pub(super) async fn listen(&mut self) -> Infallible {
        match self {
            Self::Child { pipes, said, .. } => pipes.listen(|index, data| said.hear(index, 0, data)).await,
            Self::Thread => std::future::pending().await,
        }
    }

    /// Hears what it has sent.
    pub(super) fn hear(&mut self, output: &Output) {
        if let Self::Child { said, .. } = self {
            said.hear(output.is_stderr.into(), output.dropped, &output.data);
        }
    }

    /// It has ended: hears what it has said and not sent, and gives that as having been said by what it ran.
    pub(super) fn rest(&mut self, during: Option<During>) -> Vec<Output> {
        let Self::Child { pipes, said, .. } = self else { return Vec::new() };
        let mut rest = [Vec::new(), Vec::new()];
        pipes.rest(|index, data| {
            said.hear(index, 0, data);
            rest[index].extend_from_slice(data);
        });
        said.finish();
        let mut outputs = Vec::new();
        for (index, mut head) in rest.into_iter().enumerate() {
            let mut say = |dropped: usize, data: Vec<u8>| {
                if !data.is_empty() {
                    let (dropped, data) = (dropped as u64, data.into());
                    outputs.push(Output { during, is_stderr: index == 1, dropped, data });
                }
            };
            let tail = head.split_off(head.len().min(REST_HALF_BYTES));
            let dropped = tail.len().saturating_sub(REST_HALF_BYTES);
            say(0, head);
            say(dropped, tail[dropped..].to_vec());
        }
        outputs
    }

    /// How it ended; it is ended when it does not end by itself.
    pub(super) async fn wait(&mut self) -> Exit {
        let unknown = |message: String| Exit { message, signal: None };
        let Self::Child { child, .. } = self else { return unknown("ended".to_owned()) };
        let status = match tokio::time::timeout(FINISH_TIMEOUT, child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                let _ = child.start_kill();
                child.wait().await
            }
        };
        status.map_or_else(|e| unknown(format!("ended, how is not known: {e}")), Exit::from)
    }

    /// Ends it.
    pub(super) async fn kill(&mut self) {
        self.note_killed();
        self.wait().await;
    }

    pub(super) fn note_killed(&mut self) {
        if let Self::Child { child, .. } = self {
            let _ = child.start_kill();
        }
    }

    /// Its last lines of standard error, marked as such.
    pub(super) fn tail(&self) -> String {
        match self {
            Self::Child { said, .. } => said.tail(),
            Self::Thread => String::new(),
        }
    }
}
