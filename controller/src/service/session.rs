//! Reading one peer's messages until its session ends.

use std::future::Future;
use std::time::Duration;

use phalanx_proto::stream::Incoming;
use phalanx_proto::v1::Refusal;
use prost::Message;
use tonic::{Code, Status};

use crate::inbox::{Closed, Event, Inbox};
use crate::parse::Refused;

/// A peer that connects and says nothing for this long is gone.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);

/// How a session's inbound side ended.
#[derive(Debug)]
pub(super) enum End {
    /// The peer closed it, or the connection broke: with what is known.
    Gone(String),
    /// It is ended from here.
    Refused(Refused),
}

impl From<Refused> for End {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Closed> for End {
    fn from(_: Closed) -> Self {
        Self::Refused(Refused::new(Refusal::Shutdown, "the controller is shutting down"))
    }
}

/// The first message of a session.
pub(super) async fn greeting<M: Message + Default>(inbound: &mut Incoming<M>) -> Result<M, End> {
    match tokio::time::timeout(GREETING_TIMEOUT, inbound.message()).await {
        Ok(message) => next(message),
        Err(_) => {
            Err(Refused::malformed(format_args!("no greeting within {} s", GREETING_TIMEOUT.as_secs()))
                .into())
        }
    }
}

/// Parses and queues messages until the session ends; says how it did.
pub(super) async fn read<M, S, F>(
    inbound: &mut Incoming<M>,
    inbox: &Inbox,
    parse: fn(M) -> Result<S, Refused>,
    event: F,
) -> End
where
    M: Message + Default,
    F: Fn(S) -> Event,
{
    let mut step = async || -> Result<(), End> {
        let message = next(inbound.message().await)?;
        inbox.send(event(parse(message)?)).await?;
        Ok(())
    };
    loop {
        if let Err(end) = step().await {
            return end;
        }
    }
}

fn next<M>(message: Result<Option<M>, Status>) -> Result<M, End> {
    match message {
        Ok(Some(message)) => Ok(message),
        Ok(None) => Err(End::Gone("it closed its session".to_owned())),
        // The words for a message that is too large, and for one that cannot be decoded.
        Err(status) if matches!(status.code(), Code::OutOfRange | Code::Internal) && is_decoding(&status) => {
            Err(Refused::malformed(status.message()).into())
        }
        Err(status) => Err(End::Gone(phalanx_proto::lost::reason(&status))),
    }
}

fn is_decoding(status: &Status) -> bool {
    status.code() == Code::OutOfRange || status.message().contains("decode")
}

/// Runs a session's reader.
pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> tokio::task::AbortHandle {
    tokio::spawn(task).abort_handle()
}
