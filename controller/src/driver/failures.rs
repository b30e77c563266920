//! What a chunk's failure is called, and what to do about it.

use std::sync::Arc;

use phalanx_proto::ids::EngineId;
use phalanx_proto::limits::{TEXT_BYTES_MAX, clip};
use phalanx_proto::v1::FailureKind;
use phalanx_scheduler::{ChunkFailure, LossKind};

/// Of the reasons before the last, so much is told.
const REASON_BYTES_MAX: usize = 400;

/// The kind and the message for the person at the client, about so many elements. `engine` names it, with its host. Elements are
/// not named: what their numbers are to the person only the client knows, which may have sent a part of a longer run.
pub(super) fn explain(failure: &ChunkFailure, elements: u64, engine: &str) -> (FailureKind, String) {
    match failure {
        ChunkFailure::EngineLost { reason } => (
            FailureKind::EngineLost,
            format!(
                "{engine} went away: {reason}; a direct call is not moved to another engine, because it may rely on what that engine kept; repeat it on the engines that are left, or use a load-balanced view"
            ),
        ),
        ChunkFailure::WorkerLost { was_running, loss } => {
            let kind = if loss.kind == LossKind::CannotStart {
                FailureKind::Program
            } else {
                FailureKind::WorkerLost
            };
            let text = if *was_running {
                format!("the function ended its process on {engine}: {}", loss.message)
            } else {
                format!(
                    "the process on {engine} ended before this call was done, with all names it kept: {}; push them again and repeat the call",
                    loss.message
                )
            };
            (kind, text)
        }
        ChunkFailure::Overran { message } => {
            let which = match elements {
                1 => "it".to_owned(),
                n => format!("one of the {n} elements of its chunk"),
            };
            let text = format!(
                "{which} {message} on {engine}; allow more with run_limit, or run it on the client to find out why it takes so long"
            );
            (FailureKind::RunLimit, text)
        }
        ChunkFailure::Quarantined { engines, messages } => {
            let held: Vec<String> = engines.iter().map(ToString::to_string).collect();
            (
                FailureKind::Quarantined,
                format!(
                    "{} ended the process that ran it {} times, on engines {}, and is not tried again in this job; {}; {}",
                    if elements == 1 { "it".to_owned() } else { format!("its chunk of {elements} elements") },
                    engines.len(),
                    held.join(", "),
                    reasons(engines, messages),
                    if elements > 1 {
                        "one of them is enough to end all: map them again with chunks of 1 to learn which"
                    } else {
                        "run it alone on the client to find out why"
                    },
                ),
            )
        }
        ChunkFailure::Untold { message } => (FailureKind::Unspecified, format!("{message} (on {engine})")),
        ChunkFailure::CannotStart { message } => {
            (FailureKind::Program, format!("the program does not run on {engine}: {message}"))
        }
    }
}

/// What each engine said, the last in full; what was said before is not said again.
fn reasons(engines: &[EngineId], messages: &[Arc<str>]) -> String {
    let Some((last, before)) = messages.split_last() else { return "no engine said why".to_owned() };
    if before.iter().all(|message| message == last) {
        return format!("each time: {last}");
    }
    let mut told: Vec<String> = Vec::new();
    for (i, (engine, message)) in engines.iter().zip(messages).enumerate() {
        let max = if i + 1 == messages.len() { TEXT_BYTES_MAX } else { REASON_BYTES_MAX };
        told.push(format!("on engine {engine}: {}", clip(message, max)));
    }
    told.join("; ")
}

/// What the attempt's loss is called; with no kind its engine was lost.
pub(super) fn kind_of(loss: Option<LossKind>) -> FailureKind {
    match loss {
        None => FailureKind::EngineLost,
        Some(LossKind::Died) => FailureKind::WorkerLost,
        Some(LossKind::Overran) => FailureKind::RunLimit,
        Some(LossKind::CannotStart) => FailureKind::Program,
        Some(LossKind::Stopped) => FailureKind::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use phalanx_scheduler::Loss;

    use super::*;

    #[test]
    fn each_failure_names_the_engine_and_the_reason() {
        let loss = |kind| Loss { kind, message: "signal 11".into(), signal: Some(11) };
        let all = [
            (ChunkFailure::EngineLost { reason: "silent".into() }, FailureKind::EngineLost, "silent"),
            (
                ChunkFailure::WorkerLost { was_running: true, loss: loss(LossKind::Died) },
                FailureKind::WorkerLost,
                "ended its process on engine 3 on node7: signal 11",
            ),
            (
                ChunkFailure::WorkerLost { was_running: false, loss: loss(LossKind::Stopped) },
                FailureKind::WorkerLost,
                "push them again",
            ),
            (
                ChunkFailure::WorkerLost { was_running: false, loss: loss(LossKind::CannotStart) },
                FailureKind::Program,
                "signal 11",
            ),
            (
                ChunkFailure::Quarantined {
                    engines: vec![EngineId(1), EngineId(4)],
                    messages: vec!["signal 9".into(), "signal 11".into()],
                },
                FailureKind::Quarantined,
                "2 times, on engines 1, 4, and is not tried again in this job; on engine 1: signal 9; on engine 4: signal 11",
            ),
            (
                ChunkFailure::Overran { message: "ran for 2 s".into() },
                FailureKind::RunLimit,
                "one of the 18 elements of its chunk ran for 2 s on engine 3",
            ),
            (ChunkFailure::CannotStart { message: "no libm".into() }, FailureKind::Program, "no libm"),
        ];
        for (failure, kind, part) in all {
            let (found, text) = explain(&failure, 18, "engine 3 on node7");
            assert_eq!(found, kind);
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn what_was_given_up_is_named_and_so_is_how_to_find_the_culprit() {
        let failure =
            ChunkFailure::Quarantined { engines: vec![EngineId(1)], messages: vec!["killed".into()] };
        let many = explain(&failure, 18, "engine 3").1;
        assert!(many.contains("its chunk of 18 elements") && many.contains("chunks of 1"), "{many}");
        let one = explain(&failure, 1, "engine 3").1;
        assert!(one.starts_with("it ended") && one.contains("run it alone"), "{one}");
    }
}
