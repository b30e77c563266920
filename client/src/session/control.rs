//! What a person wants of engines, on its way and back; and a look at the cluster.

use std::collections::HashMap;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use phalanx_proto::v1::{self, StatusReply, StatusRequest};

use super::outgoing::Outgoing;
use super::{Command, Session, upload};
use crate::error::{Error, Result};

/// Longer than engines are given to end their processes, and a silent node to be given up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What is wanted of some engines, and who waits for it.
pub(crate) struct Wish {
    engines: Vec<u32>,
    what: v1::control::Wish,
    reply: SyncSender<Result<()>>,
}

impl Wish {
    pub(super) fn fail(self, error: Error) {
        // Nobody may wait any more.
        let _ = self.reply.send(Err(error));
    }
}

/// Wishes that the controller has not answered: at most one for each thread of the user's.
#[derive(Default)]
pub(super) struct Wishes {
    waiting: HashMap<u64, SyncSender<Result<()>>>,
    next: u64,
}

impl Wishes {
    pub(super) fn send(&mut self, wish: Wish, outgoing: &Outgoing) {
        self.next += 1;
        self.waiting.insert(self.next, wish.reply);
        let control = v1::Control { number: self.next, engines: wish.engines, wish: Some(wish.what) };
        outgoing.send_ahead(upload::control(control));
    }

    pub(super) fn answer(&mut self, done: v1::Controlled) {
        let Some(reply) = self.waiting.remove(&done.number) else { return };
        let _ = reply.send(if done.error.is_empty() { Ok(()) } else { Err(Error::Control(done.error)) });
    }

    /// The connection is gone.
    pub(super) fn fail(&mut self, error: &Error) {
        for (_, reply) in self.waiting.drain() {
            let _ = reply.send(Err(error.clone()));
        }
    }
}

impl Session {
    /// Wants something of engines, and waits until it is done.
    pub(crate) fn control(&self, engines: Vec<u32>, what: v1::control::Wish) -> Result<()> {
        let (reply, answer) = sync_channel(1);
        self.commands.send(Command::Control(Wish { engines, what, reply })).map_err(|_| Error::Closed)?;
        let _waiting = self.waiting();
        match answer.recv_timeout(ANSWER_TIMEOUT) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Disconnected) => Err(Error::Closed),
            Err(RecvTimeoutError::Timeout) => Err(Error::Control(format!(
                "there was no answer within {} s; it may still come to pass: see `phalanx status`",
                ANSWER_TIMEOUT.as_secs()
            ))),
        }
    }

    /// How the cluster is.
    pub(crate) fn status(&self) -> Result<StatusReply> {
        self.ask(async |mut cluster| Ok(cluster.status(StatusRequest {}).await?.into_inner()))
    }
}
