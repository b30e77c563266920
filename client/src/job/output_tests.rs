use bytes::Bytes;

use super::*;

fn said(chunk: u64, data: impl Into<Bytes>) -> v1::Output {
    let data = data.into();
    v1::Output {
        first_chunk: chunk,
        chunk_count: 1,
        attempt: 1,
        element_first: 2 * chunk,
        chunk_len: 2,
        data,
        ..v1::Output::default()
    }
}

fn all(output: &JobOutput) -> Vec<ChunkOutput> {
    output.kept(|_| true)
}

#[test]
fn words_are_told_apart_by_chunk_attempt_and_stream() {
    let output = JobOutput::default();
    output.add(said(1, "one "), 10);
    output.add(said(0, "zero"), 10);
    output.add(v1::Output { is_stderr: true, ..said(1, "error") }, 10);
    output.add(v1::Output { attempt: 2, ..said(1, "again") }, 10);
    output.add(said(1, b"more\xff\n".as_slice()), 10);
    let kept = all(&output);
    let texts: Vec<_> = kept.iter().map(|o| (o.chunk, o.attempt, o.stream, o.text.as_str())).collect();
    assert_eq!(
        texts,
        [
            (1, 1, StdStream::Stdout, "one more\u{fffd}\n"),
            (0, 1, StdStream::Stdout, "zero"),
            (1, 1, StdStream::Stderr, "error"),
            (1, 2, StdStream::Stdout, "again"),
        ]
    );
    assert_eq!(kept[0].elements, 2..4);
    assert_eq!(kept[0].to_string(), "[engine 0] one more\u{fffd}");
}

#[test]
fn of_too_much_the_beginning_and_the_end_are_kept_and_the_rest_is_counted() {
    let output = JobOutput::default();
    let text: String = (0..20_000).map(|i| format!("{i}\n")).collect();
    for piece in text.as_bytes().chunks(5_000) {
        output.add(said(0, piece.to_vec()), 2);
    }
    let kept = &all(&output)[0];
    assert_eq!(kept.dropped as usize, text.len() - 2 * CHUNK_HALF_BYTES);
    let (head, tail) = kept.text.split_once(&gap(kept.dropped)).expect("the gap is marked");
    assert!(text.starts_with(head.trim_end_matches('\n')) && text.ends_with(tail), "{}", kept.text);
    assert_eq!(output.dropped(), kept.dropped);
}

#[test]
fn what_was_dropped_on_the_way_is_between_the_beginning_and_the_end() {
    let output = JobOutput::default();
    output.add(said(0, "first"), 2);
    output.add(v1::Output { dropped: 7, ..said(0, "middle") }, 2);
    output.add(v1::Output { dropped: 9, ..said(0, "last") }, 2);
    let kept = &all(&output)[0];
    assert_eq!((kept.dropped, kept.text.as_str()), (22, "first\n[… 22 bytes dropped …]\nlast"));
}

#[test]
fn a_job_that_prints_without_end_takes_a_bounded_amount_of_memory() {
    let output = JobOutput::default();
    let elements = 1 << 40;
    let text = Bytes::from(vec![b'x'; 1000]);
    for chunk in 0..50_000 {
        output.add(said(chunk, text.clone()), elements);
    }
    {
        let log = output.log.lock();
        assert!(log.kept_bytes <= JOB_BYTES_MAX && log.recent_bytes <= RECENT_BYTES_MAX);
        assert_eq!(log.kept.len(), log.index.len());
        let bytes: usize = log.kept.iter().map(|kept| kept.bytes() + CHUNK_COST_BYTES).sum();
        assert_eq!(bytes, log.kept_bytes);
        let recent: usize = log.recent.iter().map(|r| r.output.text.len() + CHUNK_COST_BYTES).sum();
        assert_eq!(recent, log.recent_bytes);
    }
    let kept = all(&output);
    assert_eq!(kept.last().unwrap().chunk, 49_999);
    assert_eq!(output.dropped() as usize + 1000 * kept.len(), 50_000_000);
}

#[test]
fn who_follows_gets_every_piece_once_and_is_told_what_was_missed() {
    let output = JobOutput::default();
    let mut place = Place::default();
    assert_eq!(output.next(&mut place), Ok(None));
    output.add(said(0, "one"), 2);
    output.add(v1::Output { dropped: 5, ..said(0, "two") }, 2);
    let next = |place: &mut Place| output.next(place).unwrap().map(|o| (o.text, o.dropped));
    assert_eq!(next(&mut place), Some(("one".to_owned(), 0)));
    assert_eq!(next(&mut place), Some((gap(5) + "two", 5)));
    assert_eq!(next(&mut place), None);
    let mut late = Place::default();
    let large = Bytes::from(vec![b'x'; RECENT_BYTES_MAX / 4]);
    for _ in 0..4 {
        output.add(said(0, large.clone()), 2);
    }
    let missed = 3 + 5 + 3 + large.len() as u64;
    assert_eq!(next(&mut late).unwrap().1, missed);
    output.end();
    assert!((0..2).all(|_| output.next(&mut late).unwrap().unwrap().dropped == 0));
    assert_eq!(output.next(&mut late), Err(Over));
}
