//! For tokio runtimes of one thread.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use tokio::sync::Notify;
use tokio::task::yield_now;

use crate::Window;

/// What the watching task is told.
#[derive(Debug, Default)]
struct News {
    count: AtomicU64,
    asleep: AtomicBool,
    wake: Notify,
}

impl News {
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
        let news = Arc::new(News::default());
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
mod tests {
    use std::time::Duration;

    use super::*;

    fn on_a_runtime<T>(test: impl Future<Output = T>) -> T {
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
        on_a_runtime(async { noted() });
    }
}
