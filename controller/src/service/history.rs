//! Answers about the history. They come from the disk, so a thread that may wait gives them, and few at a time.

use std::sync::Arc;
use std::time::Duration;

use phalanx_history::ReadError;
use phalanx_history::wire::{Question, chunks_reply, jobs_reply};
use phalanx_proto::v1::{HistoryReply, HistoryRequest};
use tonic::Status;

use super::Shared;

/// Questions that are answered at the same time; further ones wait their turn.
pub(super) const TURNS_MAX: usize = 4;
/// How long they wait.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn answer(shared: &Shared, request: HistoryRequest) -> Result<HistoryReply, Status> {
    let question = Question::parse(request).map_err(|e| Status::invalid_argument(e.to_string()))?;
    let Some(recording) = shared.recording.clone() else {
        return Err(Status::failed_precondition(
            "the controller keeps no history of jobs: it was started with --no-history",
        ));
    };
    let turn = tokio::time::timeout(TURN_TIMEOUT, Arc::clone(&shared.history_turns).acquire_owned()).await;
    let busy = "the controller is answering other questions about the history; ask again";
    let Ok(Ok(turn)) = turn else { return Err(Status::resource_exhausted(busy)) };
    let asked = tokio::task::spawn_blocking(move || {
        let answer = match question {
            Question::Jobs(query, after) => recording.jobs(&query, after).map(jobs_reply),
            Question::Chunks(query, after) => recording.chunks(&query, after).map(chunks_reply),
        };
        drop(turn);
        answer
    });
    let answer = asked.await.map_err(|_| Status::unavailable("the controller is shutting down"))?;
    answer.map_err(|e| status(&e))
}

fn status(error: &ReadError) -> Status {
    let text = error.to_string();
    match error {
        ReadError::Filter(_) | ReadError::AmbiguousJob { .. } => Status::invalid_argument(text),
        ReadError::UnknownJob { .. } => Status::not_found(text),
        ReadError::TooSlow => Status::deadline_exceeded(text),
        _ => Status::failed_precondition(text),
    }
}
