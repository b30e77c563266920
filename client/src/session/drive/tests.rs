//! Who runs the connection, and when.

use std::sync::mpsc;
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
    let waiting = Drive::waiting(&connection.drive);
    assert!(connection.drive.turn.lock().left.is_none(), "it is not, while somebody waits");
    let user = Sitting::start(&connection.drive);
    assert_eq!(user.leave(), Some(true));
    assert!(connection.drive.turn.lock().left.is_none());
    let end = Instant::now() + DEADLINE;
    while connection.ask().blocking_recv().unwrap() != own {
        assert!(Instant::now() < end);
    }
    drop(waiting);
    assert_eq!(connection.drive.turn.lock().waiting, 0);
    connection.end();
}

/// To wake a thread costs more than a hop of a call.
#[test]
fn a_call_shorter_than_a_nap_wakes_nobody_when_it_ends() {
    let connection = Connection::start();
    let mut short = 0;
    let end = Instant::now() + DEADLINE;
    while short < 50 && Instant::now() < end {
        let (started, mut asleep) = (Instant::now(), false);
        let call = async {
            while started.elapsed() < 2 * HANDED_BACK_AFTER {
                yield_now().await;
            }
            asleep = connection.drive.turn.lock().asleep;
        };
        assert_eq!(connection.drive.run_until(call, Some(DEADLINE)), Some(true));
        if started.elapsed() < NAP {
            assert!(!asleep);
            short += 1;
        }
    }
    assert!(short > 0);
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
