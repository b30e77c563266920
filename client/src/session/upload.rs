//! Jobs and programs on their way to the controller, in parts, with back-pressure.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use phalanx_proto::ids::JobId;
use phalanx_proto::limits::PART_BYTES;
use phalanx_proto::v1::{self, ClientMessage, client_message::Kind, cluster_client::ClusterClient};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use super::outgoing::Outgoing;
use crate::job::{Job, JobPlace, JobPlan, Waits};
use crate::program::{IMAGE, this_program};

fn message(kind: Kind) -> ClientMessage {
    ClientMessage { kind: Some(kind) }
}

pub(super) fn hello(hello: v1::ClientHello) -> ClientMessage {
    message(Kind::Hello(hello))
}

pub(super) fn control(control: v1::Control) -> ClientMessage {
    message(Kind::Control(control))
}

/// The job, under the number that this session has for it.
pub(super) fn attach(job: u64, id: JobId, result_type: &str) -> ClientMessage {
    let id = Bytes::copy_from_slice(&id.to_bytes());
    message(Kind::Attach(v1::Attach { job, id, result_type: result_type.to_owned() }))
}

/// All the data of a small job; larger ones are sent by [`data`].
pub(super) fn small(job: &Job) -> Option<Vec<ClientMessage>> {
    let elements = &job.spec.elements;
    if job.spec.context.len() + elements.data.len() > PART_BYTES
        || elements.lens.each().len() > PART_BYTES / 4
    {
        return None;
    }
    let mut messages = Vec::with_capacity(2);
    if !job.spec.context.is_empty() {
        messages
            .push(message(Kind::Context(v1::ContextPart { job: job.key, data: job.spec.context.clone() })));
    }
    if !elements.data.is_empty() || elements.lens.varying() {
        messages.push(segment(job, elements.lens.packed(), elements.data.clone()));
    }
    Some(messages)
}

/// Sends the data of a job of any size. It ends early when the connection does, or the job: then the rest is not wanted.
pub(super) async fn data(job: Arc<Job>, outgoing: Outgoing) {
    let send = async |message| outgoing.send_if(message, || !job.is_over()).await == Ok(true);
    for data in parts(&job.spec.context) {
        if !send(message(Kind::Context(v1::ContextPart { job: job.key, data }))).await {
            return;
        }
    }
    let elements = &job.spec.elements;
    let mut lens = parts(&elements.lens.packed()).collect::<Vec<_>>().into_iter();
    let mut data = parts(&elements.data).collect::<Vec<_>>().into_iter();
    loop {
        let (lens, data) = (lens.next(), data.next());
        if lens.is_none() && data.is_none() {
            return;
        }
        if !send(segment(&job, lens.unwrap_or_default(), data.unwrap_or_default())).await {
            return;
        }
    }
}

fn parts(whole: &Bytes) -> impl Iterator<Item = Bytes> + '_ {
    (0..whole.len()).step_by(PART_BYTES).map(|at| whole.slice(at..(at + PART_BYTES).min(whole.len())))
}

fn segment(job: &Job, lens: Bytes, data: Bytes) -> ClientMessage {
    message(Kind::Segment(v1::Segment { job: job.key, lens, data }))
}

/// That there is a job; `again`: one that a controller knew before. `waits` is what it waits for, and is not over.
pub(super) fn submission(job: &Job, again: bool, waits: Waits) -> ClientMessage {
    let (spec, options) = (&job.spec, &job.spec.options);
    let plan = match &spec.plan {
        JobPlan::Balanced { chunksize } => {
            let remaining = if again { job.remaining() } else { Vec::new() };
            v1::submit::Plan::Balanced(balanced(*chunksize, remaining, &options.place, waits, again))
        }
        JobPlan::Direct { targets } => v1::submit::Plan::Direct(v1::DirectPlan { targets: targets.clone() }),
    };
    message(Kind::Submit(v1::Submit {
        job: job.key,
        id: Bytes::copy_from_slice(&job.id.to_bytes()),
        entry: spec.function.entry,
        label: job.label().to_owned(),
        elements: job.elements(),
        stride: spec.elements.lens.stride(),
        varying: spec.elements.lens.varying(),
        retries: options.retries,
        priority: options.priority,
        run_limit_ns: nanoseconds(options.run_limit),
        // What has begun once waits for as long as it takes.
        queue_limit_ns: if again && job.has_begun() { 0 } else { nanoseconds(options.queue_limit) },
        context_len: spec.context.len() as u64,
        own_worker: spec.function.own_worker,
        kept: options.kept,
        result_type: if options.kept { spec.result_type.to_owned() } else { String::new() },
        plan: Some(plan),
    }))
}

fn balanced(
    chunksize: u64,
    remaining: Vec<v1::Span>,
    place: &JobPlace,
    waits: Waits,
    again: bool,
) -> v1::BalancedPlan {
    let targets = waits.targets.or_else(|| place.targets.clone()?.ok());
    let condition = place.condition.as_ref().and_then(|condition| condition.as_ref().ok());
    v1::BalancedPlan {
        chunksize,
        remaining,
        after: waits.after,
        bound: targets.is_some(),
        returning: again && targets.is_some(),
        targets: targets.unwrap_or_default(),
        needs: place.needs.iter().map(ToString::to_string).collect(),
        // Engines may still be on their way back, as the client was.
        patient: place.patient || again,
        conditional: condition.is_some(),
        condition: condition.copied().unwrap_or_default(),
    }
}

/// A limit on the wire: 0 is none, so that a limit of nothing is the shortest there is.
fn nanoseconds(limit: Option<Duration>) -> u64 {
    limit.map_or(0, |limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1))
}

/// Sends this executable.
pub(super) async fn program(channel: Channel) {
    if let Err(e) = try_program(channel).await {
        tracing::error!("this program could not be sent to the controller: {e}");
    }
}

async fn try_program(channel: Channel) -> Result<(), String> {
    let program = this_program()?;
    let mut file = tokio::fs::File::open(IMAGE).await.map_err(|e| e.to_string())?;
    let (tx, rx) = mpsc::channel(4);
    let sending = tokio::spawn(async move {
        let mut first = Some(program);
        loop {
            let mut data = Vec::with_capacity(PART_BYTES);
            match (&mut file).take(PART_BYTES as u64).read_to_end(&mut data).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(e) => return Err(e.to_string()),
            }
            if tx.send(v1::ProgramPiece { program: first.take(), data: data.into() }).await.is_err() {
                return Ok(());
            }
        }
    });
    let mut client = ClusterClient::new(channel);
    client.upload_program(ReceiverStream::new(rx)).await.map_err(|e| e.message().to_owned())?;
    sending.await.map_err(|e| e.to_string())?
}
