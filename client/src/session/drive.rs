//! Who runs the connection: a thread of its own, or, while it waits for a result, the user's.
//!
//! A call that is waited for would wake the connection's thread to be sent, and be woken by it when its value is there.
//! Both are spared when the waiting thread looks at the sockets itself. So there is one seat, in which the runtime is run:
//!
//! ```text
//! own thread ──── runs ───┐ leaves when asked   ┌── sleeps ──┐ takes the seat back when nobody
//! user's thread           └─▶ runs until its ───┘            └─▶ came for HANDED_BACK_AFTER
//!                             result is there
//! ```

use std::future::Future;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use phalanx_idle::Watch;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;
use tokio::task::{JoinError, yield_now};

/// How long after a user's thread the connection is left alone, because the next call may follow at once; unless somebody else
/// waits for news. Up to a [`NAP`] later it is run again.
const HANDED_BACK_AFTER: Duration = Duration::from_micros(500);
/// While calls follow each other the connection's own thread looks so often whether they still do: to wake it after each of them would hold up the next.
const NAP: Duration = Duration::from_millis(2);

/// The runtime of a connection, and the seat of whoever runs it.
pub(super) struct Drive {
    /// `None` when the connection has ended.
    seat: Mutex<Option<Runtime>>,
    /// Asks the connection's own thread to leave it.
    wanted: Notify,
    turn: Mutex<Turn>,
    changed: Condvar,
    watch: Watch,
}

/// Whose turn it is.
#[derive(Default)]
struct Turn {
    /// A user's thread sits in the seat, or is about to.
    taken: bool,
    /// How often one has sat down in it.
    seatings: u64,
    /// When the last one left it, if it may come back.
    left: Option<Instant>,
    /// Threads that wait for news without running the connection.
    waiting: usize,
    /// The connection's own thread sleeps until it is told that the seat has been left.
    asleep: bool,
}

impl Drive {
    pub(super) fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let watch = Watch::of(runtime.handle());
        Ok(Self {
            seat: Mutex::new(Some(runtime)),
            wanted: Notify::new(),
            turn: Mutex::default(),
            changed: Condvar::new(),
            watch,
        })
    }

    /// Runs `connection` to its end, on this thread or on those that wait; then the runtime is gone.
    pub(super) fn run(&self, connection: impl Future<Output = ()> + Send + 'static) -> Result<(), JoinError> {
        let _here = self.watch.here();
        // A task of its own: the runtime polls its first future only after a look at every socket.
        let mut connection = match self.seat.lock().as_ref() {
            Some(runtime) => runtime.spawn(connection),
            None => return Ok(()),
        };
        let ended = loop {
            let seat = self.seat.lock();
            let Some(runtime) = seat.as_ref() else { return Ok(()) };
            let ended = runtime.block_on(async {
                tokio::select! {
                    ended = &mut connection => Some(ended),
                    () = self.wanted.notified() => None,
                }
            });
            drop(seat);
            match ended {
                Some(ended) => break ended,
                None => self.wait_for_turn(),
            }
        };
        let runtime = self.seat.lock().take();
        if let Some(runtime) = runtime {
            // It does not wait for file systems that hang.
            runtime.shutdown_background();
        }
        ended
    }

    /// Until no user's thread has come for a while.
    fn wait_for_turn(&self) {
        let mut turn = self.turn.lock();
        let mut seen = None;
        loop {
            if turn.taken {
                if seen.replace(turn.seatings) == Some(turn.seatings) {
                    // It is the same one for a whole nap.
                    turn.asleep = true;
                    self.changed.wait(&mut turn);
                    turn.asleep = false;
                } else {
                    // Whether it was woken or it is time: it looks again.
                    let _ = self.changed.wait_for(&mut turn, NAP);
                }
                continue;
            }
            let rest =
                turn.left.map_or(Duration::ZERO, |left| HANDED_BACK_AFTER.saturating_sub(left.elapsed()));
            if rest.is_zero() {
                return;
            }
            // As above.
            let _ = self.changed.wait_for(&mut turn, rest);
        }
    }

    /// Calls `give`, which gives the connection something to do. If nobody runs it at this moment, this thread does, until
    /// what is small has been sent.
    pub(super) fn hand<T>(&self, give: impl FnOnce() -> T) -> T {
        let seat = if is_in_a_runtime() { None } else { self.seat.try_lock() };
        let _here = seat.is_some().then(|| self.watch.here());
        self.watch.noted();
        match seat.as_deref() {
            Some(Some(runtime)) => runtime.block_on(async {
                let given = give();
                // All tasks run before this goes on.
                yield_now().await;
                given
            }),
            _ => give(),
        }
    }

    /// Runs the connection until `news` are here or the time is up, and says which. `None` when this thread cannot: another one
    /// does, or it is itself part of a runtime, or the connection has ended.
    pub(super) fn run_until(
        &self,
        news: impl Future<Output = ()>,
        timeout: Option<Duration>,
    ) -> Option<bool> {
        let deadline = timeout.and_then(|timeout| tokio::time::Instant::now().checked_add(timeout));
        let seat = Seat::take(self)?;
        let runtime = seat.as_ref()?;
        let _here = self.watch.here();
        Some(runtime.block_on(async {
            match deadline {
                None => {
                    news.await;
                    true
                }
                Some(deadline) => tokio::time::timeout_at(deadline, news).await.is_ok(),
            }
        }))
    }

    /// Somebody waits, as long as this is kept, for news that others must bring: the seat is not kept for the next call.
    pub(super) fn waiting(drive: &Arc<Self>) -> Waiting {
        let mut turn = drive.turn.lock();
        turn.waiting += 1;
        if !turn.taken {
            turn.left = None;
            drive.changed.notify_one();
        }
        Waiting(Arc::clone(drive))
    }
}

/// See [`Drive::waiting`].
pub(crate) struct Waiting(Arc<Drive>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.turn.lock().waiting -= 1;
    }
}

/// Or at the end of its thread, where there is no saying.
fn is_in_a_runtime() -> bool {
    !Handle::try_current().is_err_and(|e| e.is_missing_context())
}

/// A user's thread in the seat. It leaves when this is dropped.
struct Seat<'a> {
    drive: &'a Drive,
    /// `Some` until it leaves.
    runtime: Option<MutexGuard<'a, Option<Runtime>>>,
}

impl<'a> Seat<'a> {
    fn take(drive: &'a Drive) -> Option<Self> {
        if is_in_a_runtime() {
            return None;
        }
        let mut turn = drive.turn.lock();
        if turn.taken {
            return None;
        }
        turn.taken = true;
        turn.seatings += 1;
        drop(turn);
        // From here on, leaving is what undoes it.
        let mut seat = Self { drive, runtime: None };
        seat.runtime = Some(drive.seat.try_lock().unwrap_or_else(|| {
            drive.wanted.notify_one();
            drive.seat.lock()
        }));
        Some(seat)
    }
}

impl Deref for Seat<'_> {
    type Target = Option<Runtime>;

    fn deref(&self) -> &Option<Runtime> {
        self.runtime.as_deref().unwrap_or(&None)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        drop(self.runtime.take());
        let mut turn = self.drive.turn.lock();
        turn.taken = false;
        turn.left = (turn.waiting == 0).then(Instant::now);
        if turn.asleep || turn.waiting > 0 {
            self.drive.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
