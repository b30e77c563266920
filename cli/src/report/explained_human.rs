//! Why a job waits, in sentences.

use super::quantity;
use crate::explained::Explained;

/// Engines that are named one by one.
const ENGINES_MAX: usize = 16;

pub(super) fn text(e: &Explained) -> String {
    let mut text = format!(
        "job {}, {}: {} of {} elements done, {} failed\n",
        e.id,
        quantity::harmless(&e.label),
        e.elements_done,
        e.elements,
        e.elements_failed,
    );
    for held in e.running.iter().take(ENGINES_MAX) {
        let before = match held.behind {
            0 => String::new(),
            n => format!(", behind {} of other jobs", quantity::count(n as usize, "chunk")),
        };
        let behind = match held.chunks.saturating_sub(1) {
            0 => String::new(),
            n => format!(", and {}", quantity::count(n as usize, "more chunk")),
        };
        text += &format!(
            "  engine {}: chunk {}, attempt {}{before}{behind}\n",
            held.engine, held.chunk, held.attempt
        );
    }
    if e.running.len() > ENGINES_MAX {
        text += &format!("  and {} more engines\n", e.running.len() - ENGINES_MAX);
    }
    match &e.waiting {
        Some(reason) => {
            let chunks = quantity::count(e.chunks_waiting as usize, "chunk");
            text += &format!("  waiting, {chunks}: {}\n", quantity::harmless(reason));
        }
        None if e.running.is_empty() => {
            text += "  nothing of it runs, and nothing waits: it is about to end\n"
        }
        None => text += "  nothing of it waits\n",
    }
    for id in &e.after {
        text += &format!("  before it: job {id}\n");
    }
    text
}
