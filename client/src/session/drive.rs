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
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use phalanx_idle::Watch;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;
use tokio::task::{JoinError, yield_now};

/// How long after a user's thread the connection is left alone, because the next call may follow at once; unless somebody else
/// waits for news.
const HANDED_BACK_AFTER: Duration = Duration::from_micros(500);

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
    /// When the last one left it, if it may come back.
    left: Option<Instant>,
    /// Threads that wait for news without running the connection.
    waiting: usize,
    /// The connection's own thread sleeps until it is told that it has been left.
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
        // Here, for a runtime must not be dropped inside another, where the last user of a connection may be.
        drop(self.seat.lock().take());
        ended
    }

    /// Until no user's thread has come for a while.
    fn wait_for_turn(&self) {
        let mut turn = self.turn.lock();
        loop {
            if turn.taken {
                turn.asleep = true;
                self.changed.wait(&mut turn);
                turn.asleep = false;
                continue;
            }
            let rest =
                turn.left.map_or(Duration::ZERO, |left| HANDED_BACK_AFTER.saturating_sub(left.elapsed()));
            if rest.is_zero() {
                return;
            }
            // Whether it was woken or it is time: see above.
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
        let seat = Seat::take(self)?;
        let runtime = seat.as_ref()?;
        let _here = self.watch.here();
        Some(runtime.block_on(async {
            match timeout {
                None => {
                    news.await;
                    true
                }
                Some(timeout) => tokio::time::timeout(timeout, news).await.is_ok(),
            }
        }))
    }

    /// Calls `sleep`, which waits for news that others must bring.
    pub(super) fn beside<T>(&self, sleep: impl FnOnce() -> T) -> T {
        self.turn.lock().waiting += 1;
        self.hand_back();
        let news = sleep();
        self.turn.lock().waiting -= 1;
        news
    }

    /// The connection's own thread takes the seat at once if it is free.
    pub(super) fn hand_back(&self) {
        let mut turn = self.turn.lock();
        if !turn.taken {
            turn.left = None;
            self.changed.notify_one();
        }
    }
}

fn is_in_a_runtime() -> bool {
    Handle::try_current().is_ok()
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
mod tests {
    use std::sync::{Arc, mpsc};
    use std::thread::{self, JoinHandle, ThreadId};

    use tokio::sync::{mpsc as channel, oneshot};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    type Asked = oneshot::Sender<ThreadId>;

    /// A connection that answers who runs it, until nobody asks any more.
    struct Connection {
        drive: Arc<Drive>,
        asks: channel::UnboundedSender<Asked>,
        thread: JoinHandle<()>,
    }

    impl Connection {
        fn start() -> Self {
            let drive = Arc::new(Drive::new().unwrap());
            let (asks, mut asked) = channel::unbounded_channel::<Asked>();
            let own = Arc::clone(&drive);
            let (tell, ready) = mpsc::channel();
            let thread = thread::spawn(move || {
                own.run(async move {
                    tell.send(()).unwrap();
                    while let Some(answer) = asked.recv().await {
                        // Who asked may have gone.
                        let _ = answer.send(thread::current().id());
                    }
                })
                .unwrap();
            });
            ready.recv_timeout(DEADLINE).unwrap();
            Self { drive, asks, thread }
        }

        fn ask(&self) -> oneshot::Receiver<ThreadId> {
            let (answer, answered) = oneshot::channel();
            self.drive.hand(|| self.asks.send(answer)).unwrap();
            answered
        }

        /// Asks and waits for the answer in the seat.
        fn ask_and_run(&self) -> ThreadId {
            let mut answered = self.ask();
            let mut who = None;
            let news = async { who = Some((&mut answered).await.unwrap()) };
            assert_eq!(self.drive.run_until(news, Some(DEADLINE)), Some(true));
            who.unwrap()
        }

        fn end(self) {
            drop(self.asks);
            self.thread.join().unwrap();
        }
    }

    /// A user's thread that sits in the seat.
    struct Sitting {
        thread: JoinHandle<Option<bool>>,
        leave: oneshot::Sender<()>,
    }

    impl Sitting {
        fn start(drive: &Arc<Drive>) -> Self {
            let (enter, entered) = mpsc::channel();
            let (leave, left) = oneshot::channel();
            let drive = Arc::clone(drive);
            let waiting = async move {
                enter.send(()).unwrap();
                left.await.unwrap();
            };
            let thread = thread::spawn(move || drive.run_until(waiting, None));
            entered.recv_timeout(DEADLINE).unwrap();
            Self { thread, leave }
        }

        fn leave(self) -> Option<bool> {
            self.leave.send(()).unwrap();
            self.thread.join().unwrap()
        }
    }

    #[test]
    fn one_call_after_the_other_is_run_by_the_thread_that_waits() {
        let connection = Connection::start();
        let here = thread::current().id();
        // Who runs the first is open, and a thread may be held up between two calls for longer than the seat is kept for it.
        let by_itself = (0..1000).filter(|_| connection.ask_and_run() == here).count();
        assert!(by_itself > 500, "{by_itself} of 1000");
        connection.end();
    }

    #[test]
    fn what_is_handed_in_between_two_waits_is_sent_before_the_caller_goes_on() {
        let connection = Connection::start();
        let at_once = |_: &i32| {
            connection.ask_and_run();
            connection.ask().try_recv().is_ok()
        };
        let at_once = (0..1000).filter(at_once).count();
        assert!(at_once > 500, "{at_once} of 1000");
        connection.end();
    }

    #[test]
    fn what_nobody_waits_for_is_done_all_the_same() {
        let connection = Connection::start();
        connection.ask_and_run();
        let answered = connection.ask();
        let own = connection.thread.thread().id();
        // Sent at once by this thread, or a little later by the other: blocking_recv runs nothing.
        assert!([own, thread::current().id()].contains(&answered.blocking_recv().unwrap()));
        // After a while nobody has come for, its own thread runs it again.
        let end = Instant::now() + DEADLINE;
        while connection.ask().blocking_recv().unwrap() != own {
            assert!(Instant::now() < end);
            thread::park_timeout(2 * HANDED_BACK_AFTER);
        }
        connection.end();
    }

    /// The user's thread takes the seat over and over; in between the other's news are brought by the connection's own thread.
    #[test]
    fn who_waits_beside_is_served_before_the_seat_is_kept_for_the_next_call() {
        let connection = Connection::start();
        let own = connection.thread.thread().id();
        connection.ask_and_run();
        assert!(connection.drive.turn.lock().left.is_some(), "the seat is kept");
        connection.drive.beside(|| {
            assert!(connection.drive.turn.lock().left.is_none(), "it is not, while somebody waits");
            let user = Sitting::start(&connection.drive);
            assert_eq!(user.leave(), Some(true));
            assert!(connection.drive.turn.lock().left.is_none());
            let end = Instant::now() + DEADLINE;
            while connection.ask().blocking_recv().unwrap() != own {
                assert!(Instant::now() < end);
            }
        });
        assert_eq!(connection.drive.turn.lock().waiting, 0);
        connection.end();
    }

    #[test]
    fn a_wait_ends_when_its_time_is_up() {
        let connection = Connection::start();
        let never = std::future::pending();
        assert_eq!(connection.drive.run_until(never, Some(Duration::from_millis(5))), Some(false));
        connection.end();
    }

    #[test]
    fn a_second_thread_does_not_wait_for_the_seat() {
        let connection = Connection::start();
        let user = Sitting::start(&connection.drive);
        assert_eq!(connection.drive.run_until(std::future::pending(), None), None);
        assert_eq!(connection.ask().blocking_recv().unwrap(), user.thread.thread().id(), "it serves all");
        assert_eq!(user.leave(), Some(true));
        connection.end();
    }

    #[test]
    fn inside_another_runtime_the_connection_is_left_to_its_own_thread() {
        let connection = Connection::start();
        Builder::new_current_thread().build().unwrap().block_on(async {
            assert_eq!(connection.drive.run_until(std::future::pending(), None), None);
            assert_eq!(connection.ask().await.unwrap(), connection.thread.thread().id());
        });
        connection.end();
    }

    #[test]
    fn a_connection_that_has_ended_is_not_run() {
        let connection = Connection::start();
        let drive = Arc::clone(&connection.drive);
        connection.end();
        assert_eq!(drive.run_until(std::future::pending(), None), None);
        assert_eq!(drive.hand(|| 7), 7);
    }

    #[test]
    fn a_connection_that_ends_while_a_user_runs_it_ends_its_thread() {
        let Connection { drive, asks, thread } = Connection::start();
        let user = Sitting::start(&drive);
        drop(asks);
        assert_eq!(user.leave(), Some(true), "it waits for its own news");
        thread.join().unwrap();
    }
}
