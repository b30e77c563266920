//! A worker's process: its end, and its last words.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Child;
use tokio::task::JoinHandle;

use crate::config::OutputTo;
use crate::exit::Exit;

/// What is kept of what a worker wrote last.
const TAIL_LINES_MAX: usize = 20;
const LINE_BYTES_MAX: usize = 1000;
/// A worker that was told to end is given this long.
const FINISH_TIMEOUT: Duration = Duration::from_millis(500);
/// Grandchildren may keep the pipes open; the last words are not waited for longer than this.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_millis(300);

/// A child, or a thread, which cannot be ended from outside.
pub(super) enum Process {
    Child { child: Box<Child>, tail: Tail, readers: Vec<JoinHandle<()>> },
    Thread,
}

/// The last lines of a worker's standard error.
#[derive(Clone, Default)]
pub(super) struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    fn add(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == TAIL_LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(phalanx_proto::limits::clip(line, LINE_BYTES_MAX));
    }

    pub(super) fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("\n  | {line}")).collect()
    }
}

impl Process {
    pub(super) fn child(mut child: Child, engine: u32, output: OutputTo) -> Self {
        let tail = Tail::default();
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(tokio::spawn(pass_on(stdout, engine, output, false, None)));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(tokio::spawn(pass_on(stderr, engine, output, true, Some(tail.clone()))));
        }
        Self::Child { child: Box::new(child), tail, readers }
    }

    /// How it ended; it is ended when it does not end by itself.
    pub(super) async fn wait(&mut self) -> Exit {
        let unknown = |message: String| Exit { message, signal: None };
        let Self::Child { child, readers, .. } = self else { return unknown("ended".to_owned()) };
        let status = match tokio::time::timeout(FINISH_TIMEOUT, child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                let _ = child.start_kill();
                child.wait().await
            }
        };
        for reader in readers.drain(..) {
            let _ = tokio::time::timeout(LAST_WORDS_TIMEOUT, reader).await;
        }
        status.map_or_else(|e| unknown(format!("ended, how is not known: {e}")), Exit::from)
    }

    /// Lets it end, then makes it.
    pub(super) async fn finish(mut self) {
        self.wait().await;
    }

    /// Ends it.
    pub(super) async fn kill(&mut self) {
        if let Self::Child { child, .. } = self {
            let _ = child.start_kill();
        }
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
            Self::Child { tail, .. } => tail.text(),
            Self::Thread => String::new(),
        }
    }
}

/// Reads a worker's output to its end, so that it never blocks on a full pipe.
async fn pass_on(
    pipe: impl AsyncRead + Unpin,
    engine: u32,
    output: OutputTo,
    is_error: bool,
    tail: Option<Tail>,
) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A line without an end is passed on in pieces: it must not fill the memory.
        let mut piece = tokio::io::AsyncReadExt::take(&mut reader, 64 << 10);
        match piece.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        if let Some(tail) = &tail {
            tail.add(text);
        }
        match output {
            OutputTo::Log => tracing::info!(engine, "{text}"),
            OutputTo::Terminal if is_error => eprintln!("[engine {engine}] {text}"),
            OutputTo::Terminal => println!("[engine {engine}] {text}"),
        }
    }
}
