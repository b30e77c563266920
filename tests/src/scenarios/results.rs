//! Results, waited for in every way.

use std::collections::BTreeSet;
use std::future::{Future, IntoFuture};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use phalanx::{Auto, Client, Error};

use super::{Latch, pass};

/// Elements 0 to `n` that wait at the latch when `waits` says so.
fn gated(client: &Client, latch: &Latch, n: u32, waits: u32) -> phalanx::AsyncMapResult<u32> {
    client.load_balanced_view().with((latch.path(), waits)).map_async(
        |(latch, waits): &(PathBuf, u32), i: u32| {
            if i == *waits {
                pass(latch);
            }
            i * i
        },
        0..n,
        1,
    )
}

/// Both iterators yield what is there while the last element still runs.
pub fn in_order_and_as_completed_while_it_runs(client: &Client) {
    let latch = Latch::new();
    let out = gated(client, &latch, 10, 9);
    let mut ordered = out.iter();
    let early: Vec<_> = ordered.by_ref().take(9).map(Result::unwrap).collect();
    assert_eq!(early, [0, 1, 4, 9, 16, 25, 36, 49, 64]);
    let mut completed = out.as_completed();
    let before: BTreeSet<u64> = completed.by_ref().take(9).map(|(i, _)| i).collect();
    assert!(before.into_iter().eq(0..9));
    assert!(!out.ready());
    latch.open();
    assert_eq!(completed.next(), Some((9, Ok(81))));
    assert_eq!(completed.next(), None);
    assert!(completed.error().is_none());
    assert_eq!(ordered.map(Result::unwrap).collect::<Vec<_>>(), [81]);
    // A second round yields the same, and so does the loop over a reference.
    let again: Vec<u32> = (&out).into_iter().map(Result::unwrap).collect();
    assert_eq!(again, out.get().unwrap());
}

/// What was queued behind a long element moves to engines that are free; what came early is yielded in order later.
pub fn a_late_engine_does_not_hold_up_the_others(client: &Client) {
    let latch = Latch::new();
    let out = gated(client, &latch, 500, 0);
    let others: BTreeSet<u64> = out.as_completed().take(499).map(|(i, _)| i).collect();
    assert!(others.into_iter().eq(1..500));
    assert!(!out.ready());
    latch.open();
    assert!(out.iter().map(Result::unwrap).eq((0..500).map(|i| i * i)));
}

/// Even when what waits is so short that moving it would hardly pay, were the element before it as short.
pub fn a_short_queue_behind_a_long_element_moves_on(client: &Client) {
    let latch = Latch::new();
    let out = gated(client, &latch, 10, 6);
    let news = out.as_completed();
    let waited = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Without a recall the others would wait for the latch: it opens in the end, and the order tells.
            wait_for_nine(&out);
            latch.open();
        });
        news.map(|(i, _)| i).collect::<Vec<_>>()
    });
    assert_eq!(waited.last(), Some(&6), "elements waited behind the long one: {waited:?}");
}

/// Until nine elements are done, or long enough.
fn wait_for_nine(out: &phalanx::AsyncMapResult<u32>) {
    let until = std::time::Instant::now() + Duration::from_secs(5);
    while out.progress().elements_done < 9 && std::time::Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// It is an error that says so; the same result can be asked again.
pub fn a_timeout_leaves_the_work_alone(client: &Client) {
    let latch = Latch::new();
    let out = gated(client, &latch, 2, 1);
    let error = out.get_timeout(Duration::from_millis(10)).unwrap_err();
    assert!(matches!(error, Error::Timeout(_)) && error.to_string().contains("the work goes on"), "{error}");
    assert!(!out.wait(Some(Duration::from_millis(1))) && !out.ready());
    let single = client.load_balanced_view().apply(
        |latch: PathBuf| {
            pass(&latch);
            5
        },
        (latch.path(),),
    );
    assert!(matches!(single.get_timeout(Duration::ZERO), Err(Error::Timeout(_))));
    latch.open();
    assert_eq!(out.get_timeout(Duration::from_secs(60)).unwrap(), [0, 1]);
    assert_eq!(single.get_timeout(Duration::from_secs(60)).unwrap(), 5);
    assert!(out.wait(Some(Duration::ZERO)) && out.successful());
}

/// Many at once on one thread of somebody's runtime, while other tasks of it run.
pub fn awaited_under_tokio(client: &Client) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let latch = Latch::new();
    runtime.block_on(async {
        let waiting = gated(client, &latch, 3, 2);
        let squares = (0..20_u64)
            .map(|k| client.load_balanced_view().with(k).map_async(|k: &u64, x: u64| k * x, 0..3, Auto));
        let mut tasks = tokio::task::JoinSet::new();
        squares.enumerate().for_each(|(k, out)| {
            tasks.spawn(async move { (k as u64, out.await) });
        });
        while let Some(done) = tasks.join_next().await {
            let (k, values) = done.unwrap();
            assert_eq!(values.unwrap(), [0, k, 2 * k]);
        }
        assert!(!waiting.ready());
        latch.open();
        let (waited, all, failed) = tokio::join!(
            waiting.into_future(),
            client.direct_view(..).apply(|a: i64, b: i64| a * b, (5, 6)).into_future(),
            client.direct_view(0).apply(|| -> i32 { panic!("no") }, ()).into_future(),
        );
        assert_eq!(waited.unwrap(), [0, 1, 4]);
        assert_eq!(all.unwrap(), [30; 4]);
        assert!(matches!(failed, Err(Error::Remote(_))));
    });
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A future of ours needs no runtime: any waker will do, here that of a parked thread.
pub fn awaited_without_a_runtime(client: &Client) {
    let latch = Latch::new();
    let mut future = pin!(gated(client, &latch, 4, 3).into_future());
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    assert!(future.as_mut().poll(&mut context).is_pending());
    latch.open();
    let values = loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(values) => break values,
            Poll::Pending => std::thread::park(),
        }
    };
    assert_eq!(values.unwrap(), [0, 1, 4, 9]);
}

/// Before, in the middle, at the end.
pub fn progress_is_counted(client: &Client) {
    let latch = Latch::new();
    let out = gated(client, &latch, 5, 4);
    assert_eq!(out.as_completed().take(4).count(), 4);
    let progress = out.progress();
    assert_eq!((progress.elements, progress.elements_done, progress.elements_failed), (5, 4, 0));
    assert_eq!((progress.chunks, progress.chunks_done, progress.attempts_lost), (Some(5), 4, 0));
    assert!(!out.successful() && out.label().contains("gated") && out.id().len() == 36);
    let ids = (out.id(), gated(client, &latch, 1, 9).id());
    assert_ne!(ids.0, ids.1);
    latch.open();
    assert!(out.wait(None));
    assert_eq!(out.progress().elements_done, 5);
    assert!(out.elapsed() >= out.wall_time());
    assert!(format!("{out:?}").contains(&ids.0));
}
