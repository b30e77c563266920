//! For tokio runtimes of one thread.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::yield_now;

use crate::Window;

/// How long a runtime rests.
const REST: Duration = Duration::from_millis(20);

/// What the watching task is told.
#[derive(Debug)]
struct News {
    count: AtomicU64,
    asleep: AtomicBool,
    wake: Notify,
    since: Instant,
    /// In nanoseconds from then on.
    rests_until_ns: AtomicU64,
}

impl News {
    fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
            asleep: AtomicBool::new(false),
            wake: Notify::new(),
            since: Instant::now(),
            rests_until_ns: AtomicU64::new(0),
        }
    }

    fn ns(&self, time: Instant) -> u64 {
        u64::try_from(time.saturating_duration_since(self.since).as_nanos()).unwrap_or(u64::MAX)
    }

    fn rest(&self, now: Instant) {
        self.rests_until_ns.store(self.ns(now + REST), Ordering::Relaxed);
    }

    fn is_resting(&self, now: Instant) -> bool {
        self.ns(now) < self.rests_until_ns.load(Ordering::Relaxed)
    }

    fn noted(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if self.asleep.swap(false, Ordering::Relaxed) {
            self.wake.notify_one();
        }
    }
}

/// A runtime that polls, for threads that are about to send it something.
#[derive(Debug, Clone)]
pub struct Watch(Arc<News>);

impl Watch {
    /// As [`watch`](watch()), for a runtime that several threads run in turn; each says that it does ([`here`](Self::here)).
    #[must_use]
    pub fn of(runtime: &tokio::runtime::Handle) -> Self {
        let news = Arc::new(News::new());
        runtime.spawn(keep_watch(Arc::clone(&news)));
        Self(news)
    }

    /// This thread runs the runtime, for as long as the guard is kept: what is [`noted`](noted()) here concerns it.
    #[must_use = "it ends with the guard"]
    pub fn here(&self) -> Here {
        // At the end of a thread there is nothing to note any more.
        let before = NEWS.try_with(|news| news.replace(Some(Arc::clone(&self.0))));
        Here { before: before.unwrap_or_default() }
    }

    /// As [`noted`](noted()), from any thread.
    pub fn noted(&self) {
        self.0.noted();
    }
}

/// See [`Watch::here`].
#[derive(Debug)]
pub struct Here {
    before: Option<Arc<News>>,
}

impl Drop for Here {
    fn drop(&mut self) {
        let before = self.before.take();
        let _ = NEWS.try_with(|news| news.replace(before));
    }
}

thread_local! {
    static NEWS: RefCell<Option<Arc<News>>> = const { RefCell::new(None) };
}

/// From now on this thread's runtime polls for a moment, whenever something was [`noted`], before it sleeps. To be called in a
/// runtime of one thread.
pub fn watch() -> Watch {
    let watch = Watch::of(&tokio::runtime::Handle::current());
    NEWS.set(Some(Arc::clone(&watch.0)));
    watch
}

/// Something came that may be followed by more: a message of a peer, a wish of the user.
pub fn noted() {
    NEWS.with_borrow(|news| {
        if let Some(news) = news {
            news.noted();
        }
    });
}

/// For the next 20 ms this thread's runtime does not poll, whatever is [`noted`]: work waits for its turn, so cores are wanted. The operating system would move
/// nobody who waits for one to a core on which another thread polls.
pub fn rest() {
    NEWS.with_borrow(|news| {
        if let Some(news) = news {
            news.rest(Instant::now());
        }
    });
}

/// Whether this thread's runtime [rests](rest()).
#[must_use]
pub fn is_resting() -> bool {
    NEWS.with_borrow(|news| news.as_ref().is_some_and(|news| news.is_resting(Instant::now())))
}

async fn keep_watch(news: Arc<News>) {
    let mut window = Window::default();
    let mut last = Instant::now();
    loop {
        news.asleep.store(true, Ordering::Relaxed);
        news.wake.notified().await;
        loop {
            let now = Instant::now();
            window.came_after(now - last, now);
            last = now;
            if !poll(&mut window, &news).await {
                break;
            }
        }
    }
}

/// Polls; whether something was noted.
async fn poll(window: &mut Window, news: &News) -> bool {
    let seen = news.count.load(Ordering::Relaxed);
    let started = Instant::now();
    if news.is_resting(started) {
        return false;
    }
    let mut now = started;
    while now - started < window.len() {
        // The runtime looks at its sockets and runs the other tasks; then the other threads have their turn.
        yield_now().await;
        if news.count.load(Ordering::Relaxed) != seen {
            return true;
        }
        let before = Instant::now();
        thread::yield_now();
        now = Instant::now();
        if now - before > Window::TURN_MAX {
            window.crowded(now);
        }
    }
    false
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;

    pub(crate) fn on_a_runtime<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(30), test).await.expect("in time") })
    }

    async fn until(condition: impl Fn() -> bool) {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[test]
    fn without_news_it_sleeps() {
        on_a_runtime(async {
            let Watch(news) = watch();
            until(|| news.asleep.load(Ordering::Relaxed)).await;
            noted();
            assert!(!news.asleep.load(Ordering::Relaxed));
            until(|| news.asleep.load(Ordering::Relaxed)).await;
        });
    }

    #[test]
    fn while_it_polls_the_other_tasks_run() {
        on_a_runtime(async {
            let Watch(news) = watch();
            let mut window = Window::default();
            window.came_after(Duration::ZERO, Instant::now());
            let other = tokio::spawn({
                let news = Arc::clone(&news);
                async move { news.noted() }
            });
            assert!(poll(&mut window, &news).await, "it was noted before the window was over");
            other.await.unwrap();
        });
    }

    #[test]
    fn while_it_rests_it_does_not_poll() {
        let looked = on_a_runtime(async {
            let Watch(news) = watch();
            let mut window = Window::default();
            window.came_after(Duration::ZERO, Instant::now());
            rest();
            assert!(is_resting());
            let other = tokio::spawn({
                let news = Arc::clone(&news);
                async move { news.noted() }
            });
            let looked = poll(&mut window, &news).await;
            other.await.unwrap();
            looked
        });
        assert!(!looked);
    }

    #[test]
    fn its_rest_ends() {
        let (news, now) = (News::new(), Instant::now());
        assert!(!news.is_resting(now));
        news.rest(now);
        assert!(news.is_resting(now + REST / 2));
        news.rest(now + REST / 2);
        assert!(news.is_resting(now + REST), "it was told again");
        assert!(!news.is_resting(now + REST * 2));
    }

    #[test]
    fn another_thread_can_wake_it() {
        on_a_runtime(async {
            let watch = watch();
            until(|| watch.0.asleep.load(Ordering::Relaxed)).await;
            let before = watch.0.count.load(Ordering::Relaxed);
            let theirs = watch.clone();
            std::thread::spawn(move || theirs.noted()).join().unwrap();
            assert_eq!(watch.0.count.load(Ordering::Relaxed), before + 1);
            until(|| watch.0.asleep.load(Ordering::Relaxed)).await;
        });
    }

    #[test]
    fn threads_that_run_it_in_turn_note_for_it_and_for_no_longer() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (watch, outer) = (Watch::of(runtime.handle()), Watch::of(other.handle()));
        let noted_by = |watch: &Watch| watch.0.count.load(Ordering::Relaxed);
        let _outer = outer.here();
        let here = watch.here();
        noted();
        assert_eq!((noted_by(&watch), noted_by(&outer)), (1, 0));
        drop(here);
        noted();
        assert_eq!((noted_by(&watch), noted_by(&outer)), (1, 1), "as it was before");
    }

    #[test]
    fn a_runtime_that_does_not_watch_notes_nothing() {
        on_a_runtime(async {
            noted();
            rest();
            assert!(!is_resting());
        });
    }
}
