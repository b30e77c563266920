//! What a worker has said: shown a line at a time, and its last lines of standard error kept, for they explain its death.

use std::collections::VecDeque;
use std::io::{self, Write};

use crate::config::OutputTo;

/// What is kept of what a worker wrote last.
const TAIL_LINES_MAX: usize = 20;
const TAIL_LINE_BYTES_MAX: usize = 1000;
/// A line without an end is shown in pieces: it must not fill the memory.
const LINE_BYTES_MAX: usize = 64 << 10;

/// A worker's words, its standard output (0) and error (1).
#[derive(Debug)]
pub(super) struct Said {
    engine: u32,
    output: OutputTo,
    /// Lines that have no end yet.
    open: [Vec<u8>; 2],
    tail: VecDeque<String>,
}

impl Said {
    pub(super) fn new(engine: u32, output: OutputTo) -> Self {
        Self { engine, output, open: Default::default(), tail: VecDeque::new() }
    }

    /// Takes what was said, after `dropped` bytes that nobody kept.
    pub(super) fn hear(&mut self, index: usize, dropped: u64, data: &[u8]) {
        if dropped > 0 {
            self.close(index);
            self.show(index, &format!("… {dropped} bytes were dropped …"));
        }
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            for part in piece.chunks(LINE_BYTES_MAX) {
                self.open[index].extend_from_slice(part);
                if part.ends_with(b"\n") || self.open[index].len() >= LINE_BYTES_MAX {
                    self.close(index);
                }
            }
        }
    }

    /// Nothing follows: lines without an end are lines.
    pub(super) fn finish(&mut self) {
        self.close(0);
        self.close(1);
    }

    /// Its last lines of standard error, marked as such.
    pub(super) fn tail(&self) -> String {
        self.tail.iter().map(|line| format!("\n  | {line}")).collect()
    }

    fn close(&mut self, index: usize) {
        let line = std::mem::take(&mut self.open[index]);
        if line.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        self.show(index, text.trim_end_matches(['\n', '\r']));
        // Its memory serves the next line, unless it was large.
        if line.capacity() <= 4 << 10 {
            self.open[index] = line;
            self.open[index].clear();
        }
    }

    fn show(&mut self, index: usize, text: &str) {
        let (engine, is_error) = (self.engine, index == 1);
        if is_error {
            if self.tail.len() == TAIL_LINES_MAX {
                self.tail.pop_front();
            }
            self.tail.push_back(phalanx_proto::limits::clip(text, TAIL_LINE_BYTES_MAX));
        }
        match self.output {
            OutputTo::Log => tracing::info!(engine, "{text}"),
            // Who does not want it any more (a pipe that was closed, a terminal that is gone) does not want it here either.
            OutputTo::Terminal if is_error => drop(writeln!(io::stderr(), "[engine {engine}] {text}")),
            OutputTo::Terminal => drop(writeln!(io::stdout(), "[engine {engine}] {text}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_and_the_last_are_kept() {
        let mut said = Said::new(0, OutputTo::Log);
        said.hear(0, 0, b"not an error\n");
        for i in 0..30 {
            said.hear(1, 0, format!("line {i}\nli").as_bytes());
            said.hear(1, 0, b"ne and a half\r\n");
        }
        said.hear(1, 7, &[b'x'; 3 * LINE_BYTES_MAX]);
        said.hear(1, 0, b"the end \xff");
        said.finish();
        let tail = said.tail();
        assert_eq!(tail.lines().count(), 1 + TAIL_LINES_MAX, "{tail}");
        assert!(!tail.contains("not an error"));
        assert!(tail.contains("\n  | line 29\n  | line and a half\n  | … 7 bytes were dropped …\n  | xxx"));
        assert!(tail.ends_with("\n  | the end \u{fffd}"), "{tail}");
    }
}
