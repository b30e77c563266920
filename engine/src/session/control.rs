//! What clients want of engines: to be started anew, to leave, to pass a signal on.
//!
//! The controller has counted what the engine held as lost before it asks, so nothing but the answer is said: it comes when
//! the processes are gone.

use std::time::Duration;

use phalanx_proto::v1::{self, node_message::Kind};

use super::{Nonsense, Session, slot};
use crate::outbound::{Outbound, message};
use crate::slot::Ending;

/// How long processes that were killed are waited for. One that hangs in the kernel cannot be ended.
const END_TIMEOUT: Duration = Duration::from_secs(10);

impl Session {
    pub(super) fn control(&mut self, wanted: &v1::EngineControl) -> Result<(), Nonsense> {
        let outbound = self.ctx.outbound.clone();
        let (engine, ticket) = (wanted.engine, wanted.ticket);
        let Some(slot) = slot(&mut self.slots, &self.left, engine)? else {
            answer(outbound, ticket, engine, "it was shut down".to_owned());
            return Ok(());
        };
        if wanted.signal > 0 {
            let error = slot.signal(wanted.signal).err().unwrap_or_default();
            answer(outbound, ticket, engine, error);
            return Ok(());
        }
        tracing::info!(engine, "restarted by a client");
        let ending = slot.restart("a client restarted the engine");
        answer_after(outbound, ticket, engine, ending);
        Ok(())
    }

    pub(super) fn leave(&mut self, wanted: &v1::Leave) -> Result<(), Nonsense> {
        for &engine in &wanted.engines {
            let outbound = self.ctx.outbound.clone();
            let Some(slot) = slot(&mut self.slots, &self.left, engine)? else {
                answer(outbound, wanted.ticket, engine, String::new());
                continue;
            };
            tracing::info!(engine, "shut down by a client");
            let ending = slot.restart("a client shut the engine down");
            self.slots.remove(&engine);
            self.left.insert(engine);
            answer_after(outbound, wanted.ticket, engine, ending);
        }
        Ok(())
    }
}

/// Answers when these processes are gone.
fn answer_after(outbound: Outbound, ticket: u64, engine: u32, ending: Ending) {
    tokio::spawn(async move {
        let error = match tokio::time::timeout(END_TIMEOUT, ending.over()).await {
            Ok(()) => String::new(),
            Err(_) => {
                let seconds = END_TIMEOUT.as_secs();
                format!("its process was killed and has not ended within {seconds} s; see it on its host")
            }
        };
        tell(&outbound, ticket, engine, error).await;
    });
}

/// Answers, waiting for the connection beside everything else.
fn answer(outbound: Outbound, ticket: u64, engine: u32, error: String) {
    tokio::spawn(async move { tell(&outbound, ticket, engine, error).await });
}

async fn tell(outbound: &Outbound, ticket: u64, engine: u32, error: String) {
    // When the controller is gone, so is its interest.
    let _ = outbound.send(message(Kind::Controlled(v1::EngineControlled { ticket, engine, error }))).await;
}
