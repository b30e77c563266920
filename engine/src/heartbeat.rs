//! Signs of life, from a thread and over a connection of their own: neither users' code nor bulk data delays them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use phalanx_profile::ConnectionFile;
use phalanx_proto::v1::{Beat, nodes_client::NodesClient};
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;

/// Beats for one session until it is dropped.
pub(crate) struct Heartbeat {
    stop: Arc<Stop>,
}

#[derive(Default)]
struct Stop {
    stopped: AtomicBool,
    wake: Notify,
    /// Raised when the controller has not answered for too long, or does not know the node any more.
    lost: Notify,
}

/// Unanswered beats after which the controller counts as lost.
const UNANSWERED_MAX: u32 = 8;

impl Heartbeat {
    pub(crate) fn start(
        file: ConnectionFile,
        host_id: String,
        node: u64,
        every: Duration,
    ) -> io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let theirs = Arc::clone(&stop);
        std::thread::Builder::new().name("phalanx-heartbeat".into()).stack_size(512 << 10).spawn(
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                match runtime {
                    Ok(runtime) => runtime.block_on(beat(&file, &host_id, node, every, &theirs)),
                    Err(e) => {
                        tracing::error!("no heartbeats can be sent: {e}");
                        theirs.lost.notify_one();
                    }
                }
            },
        )?;
        Ok(Self { stop })
    }

    /// Waits until the controller is known to be lost.
    pub(crate) async fn lost(&self) {
        self.stop.lost.notified().await;
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.stop.stopped.store(true, Ordering::Release);
        self.stop.wake.notify_one();
    }
}

async fn beat(file: &ConnectionFile, host_id: &str, node: u64, every: Duration, stop: &Stop) {
    let mut unanswered = 0;
    while !stop.stopped.load(Ordering::Acquire) {
        let ended = tokio::select! {
            ended = stream_beats(file, host_id, node, every) => ended,
            () = stop.wake.notified() => return,
        };
        match ended {
            Ended::Unknown => break,
            Ended::Broken { answered: true } => unanswered = 0,
            Ended::Broken { answered: false } => unanswered += 1,
        }
        if unanswered >= UNANSWERED_MAX {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(every / 2) => {}
            () = stop.wake.notified() => return,
        }
    }
    stop.lost.notify_one();
}

enum Ended {
    /// The controller does not know this node: it has given it up, or has been restarted.
    Unknown,
    /// The connection broke.
    Broken { answered: bool },
}

async fn stream_beats(file: &ConnectionFile, host_id: &str, node: u64, every: Duration) -> Ended {
    let mut answered = false;
    let Ok(connected) = phalanx_link::connect(file, host_id).await else { return Ended::Broken { answered } };
    let mut client = NodesClient::new(connected.channel);
    let (tx, rx) = mpsc::channel(4);
    let mut sequence = 0;
    // The first beat goes out before the answer stream is awaited.
    if tx.send(Beat { node, sequence }).await.is_err() {
        return Ended::Broken { answered };
    }
    // A network that is silent already tells nobody so: the answer's beginning is waited for no longer than a beat's.
    let patience = every * UNANSWERED_MAX;
    let call = tokio::time::timeout(patience, client.heartbeat(ReceiverStream::new(rx)));
    let Ok(Ok(reply)) = call.await else {
        return Ended::Broken { answered };
    };
    let mut acks = reply.into_inner();
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let waiting = tokio::time::timeout(patience, acks.message());
        match waiting.await {
            Ok(Ok(Some(ack))) if !ack.known => return Ended::Unknown,
            Ok(Ok(Some(_))) => answered = true,
            _ => return Ended::Broken { answered },
        }
        ticks.tick().await;
        sequence += 1;
        if tx.send(Beat { node, sequence }).await.is_err() {
            return Ended::Broken { answered };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use phalanx_profile::{Authority, Endpoints, LocalSocket, Lock, Profile, Role};

    use super::*;

    /// Connections are made, by the kernel, and nobody ever answers.
    #[tokio::test]
    async fn a_controller_that_never_answers_is_not_waited_for_without_end() {
        let dir = tempfile::tempdir().unwrap();
        let profile = Profile::at(dir.path().join("profile")).unwrap();
        let path = profile.path().join("silent.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        let authority = Authority::open(&Lock::acquire(&profile).unwrap()).unwrap();
        let host_id = phalanx_proto::host::id();
        let socket = Some(LocalSocket { path, host_id: host_id.clone() });
        authority.write_connection_files(&Endpoints { socket, tcp: Vec::new() }).unwrap();
        let file = ConnectionFile::load(profile.engine_file(), Role::Engine).unwrap();

        phalanx_link::connect(&file, &host_id).await.expect("there is somebody to connect to");
        let heartbeat = Heartbeat::start(file, host_id, 1, Duration::from_millis(10)).unwrap();
        let lost = tokio::time::timeout(Duration::from_secs(60), heartbeat.lost()).await;
        assert!(lost.is_ok(), "the daemon would wait for ever");
    }
}
