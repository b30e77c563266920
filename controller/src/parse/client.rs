//! What clients say.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use phalanx_proto::ids::{EngineId, JobId};
use phalanx_proto::limits::{JOB_ELEMENTS_MAX, TAG_NAME_BYTES_MAX, TAG_VALUE_BYTES_MAX, TAGS_MAX, clip};
use phalanx_proto::v1::client_message::Kind;
use phalanx_proto::v1::{self, submit};
use phalanx_proto::v1::{BalancedPlan, ClientMessage, DirectPlan, PurgeRequest, Segment, Submit};
use phalanx_scheduler::place::{Need, Place};
use phalanx_scheduler::{Chunking, Plan};

use super::control::{Control, ENGINES_MAX, parse_control};
use super::{PeerInfo, ProgramInfo, Refused, demand};

/// Longest name of a function: `type_name` of a closure deep in generics is long.
const LABEL_BYTES_MAX: usize = 4 << 10;

/// Longest name of a type.
const TYPE_BYTES_MAX: usize = 4 << 10;

/// Priorities beyond this count as this: each that is in use costs the scheduler a list.
const PRIORITY_MAX: i32 = 100;

/// A client's greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) peer: PeerInfo,
    pub(crate) program: ProgramInfo,
}

/// A message of a client after its greeting. `job` is the client's own number.
#[derive(Debug)]
pub(crate) enum ClientSaid {
    Submit(Box<Submission>),
    Context { job: u64, data: Bytes },
    Segment { job: u64, lens: Bytes, data: Bytes },
    Cancel { job: u64 },
    Attach { job: u64, id: JobId, result_type: String },
    Control(Control),
}

/// Whose results are to be dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PurgeWanted {
    /// All that have ended.
    All,
    These(Vec<JobId>),
}

/// A call of a view.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    pub(crate) job: u64,
    pub(crate) id: JobId,
    pub(crate) entry: i64,
    pub(crate) label: String,
    pub(crate) elements: u64,
    pub(crate) stride: u32,
    pub(crate) varying: bool,
    pub(crate) retries: u32,
    pub(crate) priority: i32,
    /// How long one of its elements may run.
    pub(crate) run_limit: Option<Duration>,
    /// How long it may wait until something of it is assigned.
    pub(crate) queue_limit: Option<Duration>,
    pub(crate) context_bytes: u64,
    /// It has processes of its own.
    pub(crate) own_worker: bool,
    /// What must be over before.
    pub(crate) after: Vec<After>,
    pub(crate) place: Place,
    /// The offset of a function that says whether it may run on an engine.
    pub(crate) condition: Option<i64>,
    /// It outlives its client.
    pub(crate) kept: bool,
    /// What its values are made of, as its client names it.
    pub(crate) result_type: String,
    pub(crate) plan: Plan,
}

/// Jobs to be waited for, by their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct After {
    pub(crate) jobs: Vec<JobId>,
    pub(crate) any: bool,
    pub(crate) success: bool,
    pub(crate) failure: bool,
    pub(crate) follow: bool,
}

pub(crate) fn parse_hello(message: ClientMessage) -> Result<Hello, Refused> {
    let Some(Kind::Hello(hello)) = message.kind else {
        return Err(Refused::malformed("a client's first message is not its greeting"));
    };
    // The version first: another version's other fields may mean something else.
    let peer = PeerInfo::parse(hello.peer, "client")?;
    Ok(Hello { peer, program: ProgramInfo::parse(hello.program)? })
}

pub(crate) fn parse_client(message: ClientMessage) -> Result<ClientSaid, Refused> {
    match message.kind {
        Some(Kind::Submit(submit)) => Ok(ClientSaid::Submit(Box::new(parse_submit(submit)?))),
        Some(Kind::Context(part)) => Ok(ClientSaid::Context { job: part.job, data: part.data }),
        Some(Kind::Segment(segment)) => parse_segment(segment),
        Some(Kind::Cancel(cancel)) => Ok(ClientSaid::Cancel { job: cancel.job }),
        Some(Kind::Attach(attach)) => Ok(ClientSaid::Attach {
            job: attach.job,
            id: job_id(&attach.id)?,
            result_type: clip(&attach.result_type, TYPE_BYTES_MAX),
        }),
        Some(Kind::Control(control)) => Ok(ClientSaid::Control(parse_control(control)?)),
        Some(Kind::Hello(_)) => Err(Refused::malformed("a second greeting")),
        None => Err(Refused::malformed("an empty message of a client")),
    }
}

fn parse_segment(segment: Segment) -> Result<ClientSaid, Refused> {
    demand(segment.lens.len().is_multiple_of(4), "a segment whose lengths are not 32 bits each")?;
    Ok(ClientSaid::Segment { job: segment.job, lens: segment.lens, data: segment.data })
}

fn parse_submit(submit: Submit) -> Result<Submission, Refused> {
    let id = job_id(&submit.id)?;
    demand(submit.elements <= JOB_ELEMENTS_MAX, "a job of more elements than any job may have")?;
    demand(!submit.varying || submit.stride == 0, "a job whose elements both vary in length and do not")?;
    let (plan, balanced) = match submit.plan {
        Some(submit::Plan::Balanced(plan)) => (parse_balanced(&plan, submit.elements)?, plan),
        Some(submit::Plan::Direct(plan)) => (parse_direct(&plan), BalancedPlan::default()),
        None => return Err(Refused::malformed("a job without a plan")),
    };
    Ok(Submission {
        job: submit.job,
        id,
        entry: submit.entry,
        label: clip(&submit.label, LABEL_BYTES_MAX),
        elements: submit.elements,
        stride: submit.stride,
        varying: submit.varying,
        retries: submit.retries,
        priority: submit.priority.clamp(-PRIORITY_MAX, PRIORITY_MAX),
        run_limit: limit(submit.run_limit_ns),
        queue_limit: limit(submit.queue_limit_ns),
        context_bytes: submit.context_len,
        own_worker: submit.own_worker,
        after: balanced.after.iter().map(parse_after).collect::<Result<_, _>>()?,
        place: parse_place(&balanced)?,
        condition: balanced.conditional.then_some(balanced.condition),
        kept: submit.kept,
        result_type: clip(&submit.result_type, TYPE_BYTES_MAX),
        plan,
    })
}

fn job_id(bytes: &[u8]) -> Result<JobId, Refused> {
    JobId::from_bytes(bytes).ok_or_else(|| Refused::malformed("a job whose id is not 16 bytes"))
}

pub(crate) fn parse_purge(purge: PurgeRequest) -> Result<PurgeWanted, Refused> {
    if purge.all {
        demand(purge.ids.is_empty(), "a purge of all jobs and of some")?;
        return Ok(PurgeWanted::All);
    }
    let ids: Result<Vec<JobId>, Refused> = purge.ids.iter().map(|id| job_id(id)).collect();
    Ok(PurgeWanted::These(ids?))
}

fn limit(ns: u64) -> Option<Duration> {
    (ns > 0).then(|| Duration::from_nanos(ns))
}

fn parse_balanced(plan: &BalancedPlan, elements: u64) -> Result<Plan, Refused> {
    let mut remaining: Vec<Range<u64>> = Vec::with_capacity(plan.remaining.len());
    let mut from = 0;
    for span in &plan.remaining {
        let end = span.first.checked_add(span.count).filter(|end| *end <= elements);
        let Some(end) = end.filter(|_| span.first >= from) else {
            return Err(Refused::malformed(
                "a job whose remaining elements are out of order or out of range",
            ));
        };
        if span.count > 0 {
            remaining.push(span.first..end);
        }
        from = end;
    }
    // Empty means all: a list that names nothing is not that.
    demand(plan.remaining.is_empty() || !remaining.is_empty(), "a job of which nothing remains")?;
    let chunking = if plan.chunksize == 0 { Chunking::Auto } else { Chunking::Fixed(plan.chunksize) };
    Ok(Plan::Balanced { chunking, remaining })
}

fn parse_after(after: &v1::After) -> Result<After, Refused> {
    let id = |bytes: &Bytes| JobId::from_bytes(bytes);
    let jobs: Option<Vec<JobId>> = after.jobs.iter().map(id).collect();
    let jobs = jobs.ok_or_else(|| Refused::malformed("a job to be waited for whose id is not 16 bytes"))?;
    let v1::After { any, success, failure, follow, .. } = *after;
    Ok(After { jobs, any, success, failure, follow })
}

fn parse_place(plan: &BalancedPlan) -> Result<Place, Refused> {
    demand(plan.needs.len() <= TAGS_MAX, "a job that needs too many tags")?;
    let need = |text: &String| {
        let short = text.len() <= TAG_NAME_BYTES_MAX + TAG_VALUE_BYTES_MAX;
        Need::parse(text).filter(|_| short).ok_or_else(|| {
            Refused::malformed(format_args!(
                "{:?}, which an engine cannot have",
                clip(text, TAG_NAME_BYTES_MAX)
            ))
        })
    };
    let mut needs = plan.needs.iter().map(need).collect::<Result<Vec<Need>, _>>()?;
    needs.sort_unstable();
    needs.dedup();
    demand(plan.targets.len() <= ENGINES_MAX, "a job bound to more engines than there can be")?;
    let mut targets: Vec<EngineId> = plan.targets.iter().map(|id| EngineId(*id)).collect();
    targets.sort_unstable();
    targets.dedup();
    let targets = plan.bound.then_some(targets);
    Ok(Place {
        targets,
        needs,
        conditional: plan.conditional,
        patient: plan.patient,
        returning: plan.returning,
    })
}

fn parse_direct(plan: &DirectPlan) -> Plan {
    Plan::Direct { targets: plan.targets.iter().map(|id| EngineId(*id)).collect() }
}
