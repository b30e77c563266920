//! What is told of each chunk, and what follows from it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use phalanx::{Auto, ChunkInfo, Client};

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64
}

/// A function that takes its time.
fn busy(ms: u64) -> u64 {
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(ms) {
        std::hint::spin_loop();
    }
    ms
}

fn check_times(chunks: &[ChunkInfo], before: u64, after: u64) {
    for c in chunks {
        let times = [before, c.started_ns, c.completed_ns, c.received_ns, after];
        assert!(times.is_sorted(), "{c:?} between {before} and {after}");
    }
    // An engine runs one chunk at a time.
    for a in chunks {
        let together = chunks.iter().filter(|b| {
            b.engine == a.engine
                && b.index != a.index
                && b.started_ns < a.completed_ns
                && a.started_ns < b.completed_ns
        });
        assert_eq!(together.count(), 0, "{a:?} overlaps with another");
    }
}

/// ceil(n/k) chunks of the block split's sizes: 10 at 4 are 4, 3, 3.
pub fn chunks_are_described(client: &Client) {
    let before = now_ns();
    let out = client.load_balanced_view().map_async(|ms: u64| busy(ms), vec![2; 10], 4);
    out.get().unwrap();
    let chunks = out.chunks();
    let layout: Vec<_> = chunks.iter().map(|c| (c.index, c.element_first, c.elements, c.failed)).collect();
    assert_eq!(layout, [(0, 0, 4, 0), (1, 4, 3, 0), (2, 7, 3, 0)]);
    let host = client.engines()[0].host.clone();
    assert!(chunks.iter().all(|c| client.ids().contains(&c.engine)
        && c.attempt >= 1
        && c.host.as_deref() == Some(host.as_str())));
    check_times(&chunks, before, now_ns());
    for c in &chunks {
        assert!(c.completed_ns - c.started_ns >= c.elements * 2_000_000, "{c:?}");
    }
    for (n, k, sizes) in
        [(5000_u64, 10, vec![10; 500]), (7, 3, vec![3, 2, 2]), (3, 100, vec![3]), (4, 1, vec![1; 4])]
    {
        let out = client.load_balanced_view().map_async(|x: u64| x, 0..n, k);
        out.get().unwrap();
        assert_eq!(out.chunks().iter().map(|c| c.elements).collect::<Vec<_>>(), sizes, "{n} at {k}");
    }
}

/// Whatever `Auto` chooses: every element once, in order, and on more than one engine when there is work for more.
pub fn chunks_of_automatic_size_cover_all(client: &Client) {
    let before = now_ns();
    let out = client.load_balanced_view().map_async(|ms: u64| busy(ms), vec![1; 200], Auto);
    out.get().unwrap();
    let chunks = out.chunks();
    let mut next = 0;
    for c in &chunks {
        assert!(c.element_first == next && c.attempt >= 1, "{c:?} after {next} elements");
        next += c.elements;
    }
    assert_eq!(next, 200);
    let engines: std::collections::BTreeSet<_> = chunks.iter().map(|c| c.engine).collect();
    assert!(engines.len() > 1, "200 ms of work stayed on {engines:?}");
    check_times(&chunks, before, now_ns());
}

/// The serial time is that of all chunks; engines work side by side, so the wall time is at least a fourth of it.
pub fn wall_and_serial_time(client: &Client) {
    let out = client.load_balanced_view().map_async(|ms: u64| busy(ms), vec![20; 16], 1);
    out.get().unwrap();
    let (wall, serial) = (out.wall_time(), out.serial_time());
    assert!(serial >= Duration::from_millis(320), "{serial:?}");
    let sum: u64 = out.chunks().iter().map(|c| c.completed_ns - c.started_ns).sum();
    assert_eq!(serial, Duration::from_nanos(sum));
    assert!(wall * 4 >= serial, "{wall:?} for {serial:?} on four engines");
    assert!(wall <= out.elapsed());
    let speedup = out.speedup();
    assert!(
        (speedup - serial.as_secs_f64() / wall.as_secs_f64()).abs() < 1e-9 && speedup <= 4.0,
        "{speedup}"
    );
    assert_eq!(out.wall_time(), wall, "a job that has ended gets no longer");
}
