//! `phalanx jobs`, `phalanx abort` and `phalanx purge`: what a controller knows and keeps, ending what runs, and dropping what is kept.

use phalanx_proto::ids::JobId;
use phalanx_proto::v1::{JobEntry, JobPhase, PurgeRequest};
use serde::Serialize;

use crate::arguments::PurgeOptions;
use crate::ask::{AskError, Controller};

/// Fewer characters of an id are more likely a slip.
const ID_CHARS_MIN: usize = 4;
/// Jobs that are named where a part of an id fits several.
const NAMED_MAX: usize = 5;

/// All jobs that a controller knows, the oldest first.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Jobs {
    pub(crate) profile: String,
    pub(crate) jobs: Vec<KnownJob>,
}

/// One that is under way, or whose results are kept.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct KnownJob {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) state: &'static str,
    pub(crate) kept: bool,
    pub(crate) client_left: bool,
    pub(crate) elements: u64,
    pub(crate) elements_done: u64,
    pub(crate) elements_failed: u64,
    pub(crate) age_ms: u64,
    /// Time since its end, if it has ended.
    pub(crate) ended_ms: Option<u64>,
    pub(crate) kept_bytes: u64,
    /// Of its values; unknown where nothing is kept.
    pub(crate) result_type: String,
}

/// What was ended.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Aborted {
    pub(crate) profile: String,
    pub(crate) jobs: Vec<AbortedJob>,
}

/// A job that was under way.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AbortedJob {
    pub(crate) id: String,
    pub(crate) label: String,
}

/// What was dropped.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Purged {
    pub(crate) profile: String,
    pub(crate) jobs: u64,
    pub(crate) bytes: u64,
}

impl KnownJob {
    fn new(entry: JobEntry) -> Self {
        let phase = entry.phase();
        let state = match phase {
            JobPhase::Running => "running",
            JobPhase::Completed if entry.elements_failed > 0 => "failed",
            JobPhase::Completed => "completed",
            JobPhase::Cancelled => "aborted",
            JobPhase::Expired => "expired",
            JobPhase::Impossible => "impossible",
            // A newer controller's.
            JobPhase::Unspecified => "unknown",
        };
        Self {
            id: JobId::from_bytes(&entry.id).map(|id| id.to_string()).unwrap_or_default(),
            label: entry.label,
            state,
            kept: entry.kept,
            client_left: entry.client_left,
            elements: entry.elements,
            elements_done: entry.elements_done,
            elements_failed: entry.elements_failed,
            age_ms: entry.age_ms,
            ended_ms: (phase != JobPhase::Running).then_some(entry.ended_ms),
            kept_bytes: entry.kept_bytes,
            result_type: entry.result_type,
        }
    }
}

/// `phalanx jobs`
pub(crate) async fn jobs(profile: &str) -> Result<Jobs, AskError> {
    let mut controller = Controller::of(profile).await?;
    let jobs = controller.jobs().await?.into_iter().map(KnownJob::new).collect();
    Ok(Jobs { profile: profile.to_owned(), jobs })
}

/// `phalanx abort`
pub(crate) async fn abort(profile: &str, named: &[String]) -> Result<Aborted, AskError> {
    let jobs = Controller::of(profile).await?.abort(named.to_vec()).await?;
    let jobs = jobs.into_iter().map(|job| AbortedJob { id: job.id, label: job.label }).collect();
    Ok(Aborted { profile: profile.to_owned(), jobs })
}

/// `phalanx purge`
pub(crate) async fn purge(options: &PurgeOptions) -> Result<Purged, AskError> {
    let PurgeOptions { jobs, all, profile, .. } = options;
    let mut controller = Controller::of(profile).await?;
    let known = if *all { Vec::new() } else { controller.jobs().await? };
    let ids: Result<Vec<JobId>, AskError> = jobs.iter().map(|text| find(&known, text)).collect();
    let ids = ids?.into_iter().map(|id| id.to_bytes().to_vec().into()).collect();
    let dropped = controller.purge(PurgeRequest { ids, all: *all }).await?;
    Ok(Purged { profile: profile.clone(), jobs: dropped.jobs, bytes: dropped.bytes })
}

/// The job with this id, or the only kept one whose id begins or ends like this.
fn find(known: &[JobEntry], text: &str) -> Result<JobId, AskError> {
    // What has become of one that is not there the controller knows best.
    if let Ok(whole) = text.parse() {
        return Ok(whole);
    }
    let part = text.trim().to_ascii_lowercase();
    if part.len() < ID_CHARS_MIN {
        let text = format!("`{part}` is too little of an id: give {ID_CHARS_MIN} characters or more");
        return Err(AskError::UnknownJob(text));
    }
    let ids = known.iter().filter(|entry| entry.kept).filter_map(|entry| JobId::from_bytes(&entry.id));
    let fits: Vec<JobId> = ids
        .filter(|id| {
            let id = id.to_string();
            id.starts_with(&part) || id.ends_with(&part)
        })
        .collect();
    match fits[..] {
        [] => Err(AskError::UnknownJob(format!(
            "nothing is kept of a job whose id begins or ends with `{part}`; phalanx jobs shows what is"
        ))),
        [one] => Ok(one),
        ref many => {
            let mut named: Vec<String> = many.iter().take(NAMED_MAX).map(JobId::to_string).collect();
            if many.len() > NAMED_MAX {
                named.push(format!("and {} more", many.len() - NAMED_MAX));
            }
            let text =
                format!("{} jobs have ids that begin or end with `{part}`: {}", many.len(), named.join(", "));
            Err(AskError::UnknownJob(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u128, kept: bool) -> JobEntry {
        JobEntry { id: JobId(id).to_bytes().to_vec().into(), kept, ..JobEntry::default() }
    }

    #[test]
    fn a_kept_job_is_found_by_either_end_of_its_id_and_only_if_it_is_the_only_one() {
        let (a, b, c) =
            (0x01890a5d_ac96_774b_bcce_b302099a8057, 0x01890a5d_ac96_774b_bcce_b302099a8fff, 0x77);
        let known = [entry(a, true), entry(b, true), entry(c, false)];
        let found = |text: &str| find(&known, text).map_err(|e| e.to_string());
        assert_eq!(found("9a8057"), Ok(JobId(a)));
        assert_eq!(found(" 9A8FFF "), Ok(JobId(b)));
        assert_eq!(found("01890a5d-ac96-774b-bcce-b302099a8057"), Ok(JobId(a)));
        assert_eq!(
            found("01890a5d-ac96-774b-bcce-000000000000"),
            Ok(JobId(a & !0xffff_ffff_ffff)),
            "as it was given"
        );
        let several = found("01890a5d").unwrap_err();
        assert!(several.starts_with("2 jobs have ids") && several.contains("b302099a8fff"), "{several}");
        for (text, says) in [
            ("057", "too little"),
            ("", "too little"),
            ("000000000077", "nothing is kept"),
            ("nonsense", "nothing is kept"),
        ] {
            let error = found(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn states_have_the_names_that_the_history_gives_them() {
        let states = [
            (JobPhase::Running, 1, "running"),
            (JobPhase::Completed, 0, "completed"),
            (JobPhase::Completed, 1, "failed"),
            (JobPhase::Cancelled, 1, "aborted"),
            (JobPhase::Expired, 0, "expired"),
            (JobPhase::Impossible, 0, "impossible"),
        ];
        for (phase, elements_failed, state) in states {
            let job = KnownJob::new(JobEntry {
                phase: phase.into(),
                elements_failed,
                ended_ms: 5,
                ..entry(1, true)
            });
            assert_eq!(job.state, state);
            assert!(state.parse::<phalanx_history::JobState>().is_ok(), "{state}");
            assert_eq!(job.ended_ms.is_some(), state != "running");
        }
    }
}
