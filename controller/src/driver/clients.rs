//! What clients' events mean.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use phalanx_proto::ids::{ClientId, JobId, JobKey};
use phalanx_proto::v1::client_event::Kind;
use phalanx_proto::v1::{ClientEvent, ClientWelcome, JobAccepted, JobRefused, Refusal};
use phalanx_scheduler::{Chunking, Dependency, Impossible, Input, Plan, Reject};

use super::Driver;
use super::actions::told;
use super::job::{Job, Origin};
use super::roster::{Client, Engine};
use crate::outbox::{Load, Outbox, PeerId};
use crate::parse::{After, ClientSaid, Hello, Refused, Submission, own_peer};

/// The most elements of differing lengths in one chunk: their lengths travel in one message.
const VARYING_CHUNK_ELEMENTS_MAX: u64 = 1 << 20;

/// Tags that are named when a job needs another.
const SHOWN_TAGS_MAX: usize = 20;

impl Driver {
    pub(super) fn on_client_joined(&mut self, id: ClientId, hello: Hello, outbox: Outbox<ClientEvent>) {
        if self.clients.len() >= self.limits.sessions_max {
            let text = format!(
                "the controller serves at most {} clients at a time; close some, or start it with a higher --sessions-limit",
                self.limits.sessions_max
            );
            return outbox.end(Some(goodbye(Refused::new(Refusal::Limit, text))));
        }
        tracing::info!(client = %id, host = %hello.peer.host, pid = hello.peer.pid, "a client has joined");
        let key = self.program_keys.enter(hello.program.hash);
        self.library.announce(id, &hello, outbox.clone());
        let origin = Origin {
            program: hello.program.to_wire(),
            hash: hello.program.hash,
            host: hello.peer.host.into(),
            host_id: hello.peer.host_id.into(),
            pid: hello.peer.pid,
        };
        let client = Client::new(origin, key, outbox);
        let engines = self.engines.iter().map(|(id, engine)| engine.info(*id)).collect();
        client.send(Kind::Welcome(ClientWelcome { peer: Some(own_peer()), client: id.0, engines }), 0);
        self.clients.insert(id, client);
        self.expect(Input::ClientJoined { client: id });
        self.settle();
    }

    /// The session is over, one way or the other.
    pub(super) fn on_client_left(&mut self, id: ClientId) {
        let Some(client) = self.clients.remove(&id) else { return };
        tracing::info!(client = %id, jobs = client.jobs.len(), "a client has left");
        client.outbox().end(None);
        self.library.withdraw(id);
        self.program_keys.leave(&client.origin.hash);
        self.leave_kept(id, &client);
        self.expect(Input::ClientLost { client: id });
        self.settle();
    }

    /// Ends the session of a client that broke the rules.
    pub(super) fn end_client(&mut self, id: ClientId, refused: Refused) {
        tracing::warn!(client = %id, reason = %refused.message, "a client's session is ended");
        if let Some(client) = self.clients.get(&id) {
            client.outbox().end(Some(goodbye(refused)));
        }
        self.on_client_left(id);
    }

    pub(super) fn on_client(&mut self, id: ClientId, said: ClientSaid) {
        match said {
            ClientSaid::Submit(wanted) => self.on_submit(id, *wanted),
            ClientSaid::Context { job, data } => self.on_data(id, job, |job| job.push_context(data)),
            ClientSaid::Segment { job, lens, data } => self.on_segment(id, job, &lens, data),
            ClientSaid::Cancel { job } => self.on_cancel(id, job),
            ClientSaid::Attach { job, id: wanted, result_type } => {
                self.on_attach(id, job, wanted, &result_type)
            }
            ClientSaid::Control(wanted) => self.on_control(id, wanted),
        }
    }

    fn on_submit(&mut self, id: ClientId, wanted: Submission) {
        let Some(client) = self.clients.get(&id) else { return };
        let (number, job_id) = (wanted.job, wanted.id);
        if client.ids.contains_key(&job_id) {
            return self.send_client(id, Kind::Accepted(JobAccepted { job: number }), 0);
        }
        if let Some(outcome) = client.ended(job_id) {
            self.send_client(id, Kind::Accepted(JobAccepted { job: number }), 0);
            return self.send_client(id, Kind::Finished(told(number, outcome)), 0);
        }
        if client.jobs.contains_key(&number) || client.watching.contains_key(&number) {
            return self.end_client(id, Refused::malformed("two jobs with one number"));
        }
        if wanted.kept && self.is_kept_already(id, number, job_id) {
            return;
        }
        let Some(client) = self.clients.get(&id) else { return };
        let origin = Arc::clone(&client.origin);
        // To the scheduler processes of its own are a program of its own: an engine goes over to it when it holds nothing
        // else, and never runs it beside another.
        let program = if wanted.own_worker { self.program_keys.fresh() } else { client.program_key };
        let needs: Vec<String> = wanted.place.needs.iter().map(ToString::to_string).collect();
        if let Err(refused) = self.check(&wanted) {
            return self.refuse_submission(id, (number, job_id), refused);
        }
        let after = match self.dependencies(id, &wanted) {
            Ok(after) => after,
            Err(refused) => return self.refuse_submission(id, (number, job_id), refused),
        };
        self.jobs_made += 1;
        let key = JobKey(self.jobs_made);
        let kept = wanted.kept.then(|| wanted.clone());
        let (now, hash) = (Instant::now(), origin.hash);
        let (job, spec) = Job::new(id, origin, program, wanted, after, now);
        if let Err(reject) = self.tell(Input::Submit { client: id, job: key, spec }) {
            return self.refuse_submission(id, (number, job_id), self.refusal(&reject, &needs));
        }
        self.jobs.insert(key, job);
        self.note_submitted(id, key);
        let mut load = Load::Same;
        if let Some(client) = self.clients.get_mut(&id) {
            client.jobs.insert(number, key);
            client.ids.insert(job_id, key);
            // It must come before the job's other events, but nobody waits for it.
            load = client.send_lazily(Kind::Accepted(JobAccepted { job: number }));
            self.linger(PeerId::Client(id));
        }
        if let Some(wanted) = kept {
            self.open_entry(id, key, &wanted, hash, now);
        }
        self.advance(key);
        self.on_client_load(id, load);
        self.settle();
    }

    /// What a job waits for, by the scheduler's names.
    fn dependencies(&self, id: ClientId, wanted: &Submission) -> Result<Vec<Dependency>, Refused> {
        let key = |job: &JobId| {
            let own = self.clients.get(&id).and_then(|client| client.key_of(*job));
            // Somebody else's can be waited for when it is kept.
            let known = own.or_else(|| self.shelf.get(*job).map(|entry| entry.key));
            known.ok_or_else(|| {
                let who = if *job == wanted.id { "itself".to_owned() } else { format!("job {job}") };
                let text = format!(
                    "the job waits for {who}, which is not a job of this session that came before it"
                );
                Refused::new(Refusal::UnknownJob, text)
            })
        };
        let dependency = |after: &After| {
            let After { any, success, failure, follow, .. } = *after;
            let Some(jobs) = self.left_of(id, after)? else { return Ok(None) };
            let jobs = jobs.iter().map(key).collect::<Result<_, _>>()?;
            Ok(Some(Dependency { jobs, all: !any, success, failure, follow }))
        };
        wanted.after.iter().filter_map(|after| dependency(after).transpose()).collect()
    }

    /// The jobs of a dependency but for those that were refused, which count as failed; `None` when it is met with these.
    fn left_of(&self, id: ClientId, after: &After) -> Result<Option<Vec<JobId>>, Refused> {
        let is_refused = |job: &JobId| self.clients.get(&id).is_some_and(|client| client.was_refused(*job));
        let (refused, left): (Vec<JobId>, Vec<JobId>) = after.jobs.iter().copied().partition(is_refused);
        match (refused.first(), after.failure) {
            (None, _) => Ok(Some(left)),
            (Some(_), true) => Ok((!after.any && !left.is_empty()).then_some(left)),
            (Some(_), false) if after.any && !left.is_empty() => Ok(Some(left)),
            (Some(job), false) => {
                let text = format!("a job that it was to run after was refused itself: {job}");
                Err(Refused::new(Refusal::Impossible, text))
            }
        }
    }

    /// What can be said of a job before the scheduler sees it.
    fn check(&self, wanted: &Submission) -> Result<(), Refused> {
        let chunk_elements = match &wanted.plan {
            Plan::Direct { targets } if targets.is_empty() => return Err(self.no_engines()),
            Plan::Direct { targets } => wanted.elements.div_ceil(targets.len() as u64),
            Plan::Balanced { chunking: Chunking::Fixed(chunksize), .. } => (*chunksize).min(wanted.elements),
            Plan::Balanced { chunking: Chunking::Auto, .. } => 0,
        };
        if wanted.varying && chunk_elements > VARYING_CHUNK_ELEMENTS_MAX {
            let text = format!(
                "a chunk would have {chunk_elements} elements of differing lengths; at most {VARYING_CHUNK_ELEMENTS_MAX} fit: use a smaller chunksize, or pack elements together"
            );
            return Err(Refused::new(Refusal::Limit, text));
        }
        let announced =
            u128::from(wanted.elements) * u128::from(wanted.stride) + u128::from(wanted.context_bytes);
        if announced + u128::from(self.payload_bytes) > u128::from(self.limits.payload_bytes_max) {
            return Err(self.too_much_payload(announced));
        }
        Ok(())
    }

    fn no_engines(&self) -> Refused {
        let text = if self.engines.is_empty() {
            "a direct view needs engines and there are none: start some (engine --profile NAME -n 4) and make the view again".to_owned()
        } else {
            format!("the direct view has no engines; {} are there: make the view again", self.engines.len())
        };
        Refused::new(Refusal::NoEngines, text)
    }

    fn too_much_payload(&self, announced: u128) -> Refused {
        let text = format!(
            "the job's arguments have {announced} bytes or more, and jobs that are not finished hold {} of the {} that the controller may hold; wait for some, send less at a time, or start it with a higher --payload-limit",
            self.payload_bytes, self.limits.payload_bytes_max
        );
        Refused::new(Refusal::Limit, text)
    }

    fn refusal(&self, reject: &Reject, needs: &[String]) -> Refused {
        match reject {
            Reject::Impossible(Impossible::Needs) => {
                let there: BTreeSet<String> = self.engines.values().flat_map(Engine::shown_tags).collect();
                let there: Vec<String> = there.into_iter().take(SHOWN_TAGS_MAX).collect();
                let text = format!(
                    "no engine has what the job needs ({}); those that are there have: {}. Start one that has (engine --tag …), or let the view wait for it with patient()",
                    needs.join(", "),
                    if there.is_empty() { "no tags".to_owned() } else { there.join(", ") },
                );
                Refused::new(Refusal::Impossible, text)
            }
            Reject::Impossible(why) => Refused::new(Refusal::Impossible, why.to_string()),
            Reject::UnknownDependency(_) => Refused::new(Refusal::UnknownJob, reject.to_string()),
            Reject::UnknownEngine(engine) => Refused::new(
                Refusal::UnknownEngine,
                format!(
                    "engine {engine} is not there, or no more; {} engines are: make the view again",
                    self.engines.len()
                ),
            ),
            Reject::Limit { .. } => {
                Refused::new(Refusal::Limit, format!("{reject}; wait for some to finish"))
            }
            other => Refused::malformed(other),
        }
    }

    /// A job was not taken up.
    fn refuse_submission(&mut self, id: ClientId, (number, job): (u64, JobId), refused: Refused) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.note_refused(job);
        }
        self.refuse(id, number, refused);
    }

    fn refuse(&mut self, id: ClientId, number: u64, refused: Refused) {
        let refused = JobRefused { job: number, code: refused.code.into(), message: refused.message };
        let bytes = refused.message.len();
        self.send_client(id, Kind::Refused(refused), bytes);
    }

    fn on_segment(&mut self, id: ClientId, number: u64, lens: &[u8], data: Bytes) {
        self.on_data(id, number, |job| job.payload.push(lens, data));
    }

    fn on_data(&mut self, id: ClientId, number: u64, add: impl FnOnce(&mut Job) -> Result<(), &'static str>) {
        // Data of a job that was refused, cancelled or has failed may still be on its way.
        let Some(key) = self.job_key(id, number) else { return };
        let Some(job) = self.jobs.get_mut(&key) else { return };
        if let Err(what) = add(job) {
            return self.end_client(id, Refused::malformed(what));
        }
        self.advance(key);
        self.settle();
    }

    /// Counts a job's bytes, and tells the scheduler of the elements that have become complete.
    fn advance(&mut self, key: JobKey) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        let held = job.held_bytes();
        self.payload_bytes += held - job.bytes;
        job.bytes = held;
        let (client, number, ready) = (job.client, job.number, job.ready());
        let whole = (job.kept && ready == job.elements).then_some(job.id);
        if self.payload_bytes > self.limits.payload_bytes_max {
            let refused = self.too_much_payload(held.into());
            if let Some(job) = self.jobs.get_mut(&key) {
                job.refused = true;
                job.account.refuse(&refused.message);
            }
            self.refuse(client, number, refused);
            return self.expect(Input::Cancel { client, job: key });
        }
        if ready > job.supplied {
            job.supplied = ready;
            self.expect(Input::Supplied { job: key, elements: ready });
        }
        if let Some(id) = whole {
            self.on_whole(id, key);
        }
    }

    fn on_cancel(&mut self, id: ClientId, number: u64) {
        if let Some(key) = self.job_key(id, number) {
            self.expect(Input::Cancel { client: id, job: key });
        } else if !self.on_cancel_kept(id, number) {
            return;
        }
        self.settle();
    }

    fn job_key(&self, id: ClientId, number: u64) -> Option<JobKey> {
        self.clients.get(&id)?.jobs.get(&number).copied()
    }

    /// Sends to a client and acts on what that leads to. A client that is gone gets nothing.
    pub(super) fn send_client(&mut self, id: ClientId, kind: Kind, data_bytes: usize) {
        let Some(client) = self.clients.get(&id) else { return };
        let load = client.send(kind, data_bytes);
        self.on_client_load(id, load);
    }

    /// Acts on what sending to a client has led to.
    pub(super) fn on_client_load(&mut self, id: ClientId, load: Load) {
        match load {
            Load::Same => {}
            Load::Pressed => self.expect(Input::ClientPressure { client: id, on: true }),
            Load::Overfull => {
                let text = format!(
                    "the client did not read its results: over {} bytes wait for it; read faster, or start the controller with a higher --results-limit",
                    self.limits.results_bytes_max
                );
                tracing::warn!(client = %id, reason = %text, "a client's session is ended");
                let Some(client) = self.clients.get(&id) else { return };
                client.outbox().cut(goodbye(Refused::new(Refusal::Limit, text)));
                self.on_client_left(id);
            }
        }
    }
}

fn goodbye(refused: Refused) -> ClientEvent {
    ClientEvent { kind: Some(Kind::Goodbye(refused.goodbye())), crowded: false }
}
