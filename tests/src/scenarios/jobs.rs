//! Jobs that are aborted, and jobs in great number.

use std::path::PathBuf;

use phalanx::{Auto, Client, Error, RemoteErrorKind};

use super::{Latch, pass};

/// More than a client may have under way: were ended jobs still counted, the last would be refused.
const JOBS: usize = 110_000;

/// Elements that are done keep their values; the others say that the job was aborted.
pub fn abort_keeps_what_is_done(client: &Client) {
    let latch = Latch::new();
    let out = client.load_balanced_view().with(latch.path()).map_async(
        |latch: &PathBuf, i: u32| {
            if i >= 3 {
                pass(latch);
            }
            i
        },
        0..20,
        1,
    );
    assert_eq!(out.as_completed().take(3).count(), 3);
    assert!(!out.ready());
    out.abort();
    assert!(out.ready() && !out.successful());
    assert!(matches!(out.get(), Err(Error::Aborted)));
    assert!(matches!(out.wait_interactive(), Err(Error::Aborted)));
    let results = out.results();
    assert_eq!(results[..3], [Ok(0), Ok(1), Ok(2)]);
    let lost = results[3..].iter().map(|r| r.as_ref().unwrap_err());
    assert!(lost.clone().all(|e| e.kind == RemoteErrorKind::Cancelled && e.message.contains("aborted")));
    let mut completed = out.as_completed();
    assert_eq!(completed.by_ref().count(), 3);
    assert!(matches!(completed.error(), Some(Error::Aborted)));
    out.abort();
    latch.open();
}

/// Every engine works again; what was aborted never ended.
pub fn an_aborted_job_frees_its_engines(client: &Client) {
    let latch = Latch::new();
    let held = client.direct_view(..).apply(
        |latch: PathBuf| {
            std::fs::write(latch.with_extension(std::process::id().to_string()), "").expect("a mark");
            pass(&latch);
        },
        (latch.path(),),
    );
    held.abort();
    assert!(matches!(held.get(), Err(Error::Aborted)));
    latch.open();
    assert_eq!(client.direct_view(..).execute(|ns| ns.engine()).get().unwrap(), [0, 1, 2, 3]);
    assert_eq!(client.load_balanced_view().map_sync(|x: u32| x, 0..100, 1).unwrap().len(), 100);
}

/// One call after the other, ten thousand under way at a time.
pub fn many_tiny_jobs(client: &Client) {
    let lview = client.load_balanced_view();
    for first in (0..JOBS).step_by(10_000) {
        let jobs: Vec<_> = (first..first + 10_000).map(|i| lview.apply(|i: usize| i + 1, (i,))).collect();
        for (i, job) in jobs.iter().enumerate() {
            assert_eq!(job.get().unwrap(), first + i + 1);
        }
    }
    let dview = client.direct_view(..);
    for i in 0..1_000 {
        assert_eq!(dview.apply_sync(|i: u32| i, (i,)).unwrap(), [i; 4]);
    }
}

/// Maps of three elements, waited for each.
pub fn many_tiny_maps(client: &Client) {
    let lview = client.load_balanced_view();
    for i in 0..5_000_u64 {
        assert_eq!(lview.map_sync(|x: u64| x + 1, [i, i, i], Auto).unwrap(), [i + 1; 3]);
    }
    let jobs: Vec<_> = (0..10_000_u64).map(|i| lview.map_async(|x: u64| x + 1, [i, i], 1)).collect();
    assert!(jobs.iter().enumerate().all(|(i, job)| job.get().unwrap() == [i as u64 + 1; 2]));
}
