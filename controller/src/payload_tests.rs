use std::iter;

use proptest::prelude::*;

use super::*;

fn joined(pieces: &[Bytes]) -> Vec<u8> {
    pieces.concat()
}

fn one(range: Range<u64>) -> iter::Once<Range<u64>> {
    iter::once(range)
}

fn lens_of(lens: &[u32]) -> Vec<u8> {
    lens.iter().flat_map(|l| l.to_le_bytes()).collect()
}

#[test]
fn an_element_is_complete_with_its_last_byte() {
    let mut payload = Payload::new(3, 4, false);
    assert_eq!(payload.complete(), 0);
    payload.push(&[], Bytes::from_static(&[0, 1, 2, 3, 4, 5, 6])).unwrap();
    assert_eq!(payload.complete(), 1);
    payload.push(&[], Bytes::from_static(&[7, 8, 9, 10, 11])).unwrap();
    assert_eq!(payload.complete(), 3);
    let (lens, pieces) = payload.take(one(1..3));
    assert!(lens.is_empty());
    assert_eq!(joined(&pieces), [4, 5, 6, 7, 8, 9, 10, 11]);
    assert!(payload.push(&[], Bytes::from_static(&[12])).is_err());
}

#[test]
fn elements_without_bytes_are_complete_at_once() {
    let payload = Payload::new(7, 0, false);
    assert_eq!(payload.complete(), 7);
    assert_eq!(payload.take(one(2..5)), (Bytes::new(), vec![Bytes::new()]));
}

#[test]
fn lies_about_lengths_are_refused_and_change_nothing() {
    let mut payload = Payload::new(2, 0, true);
    assert!(payload.push(&lens_of(&[1, 2, 3]), Bytes::new()).is_err());
    let mut payload = Payload::new(2, 0, true);
    assert!(payload.push(&lens_of(&[1]), Bytes::from_static(b"xy")).is_err());
    let mut payload = Payload::new(2, 8, false);
    assert!(payload.push(&lens_of(&[8]), Bytes::from_static(b"12345678")).is_err());
    let mut payload = Payload::new(u64::MAX, u32::MAX, false);
    assert!(payload.push(&[], Bytes::from_static(b"no overflow")).is_ok());
}

#[test]
fn long_slices_are_not_copied_and_short_ones_are_joined() {
    let mut rope = Rope::default();
    let long = Bytes::from(vec![7; PART_BYTES + JOIN_BELOW_BYTES]);
    rope.push(long.clone());
    let pieces = rope.pieces(one(0..rope.len()));
    assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [PART_BYTES, JOIN_BELOW_BYTES]);
    assert_eq!(pieces[0].as_ptr(), long.as_ptr());
    let mut rope = Rope::default();
    (0..1000).for_each(|_| rope.push(Bytes::from_static(&[1; 100])));
    assert_eq!(rope.pieces(one(0..rope.len())).len(), 1);
    assert_eq!(rope.pieces([]), [Bytes::new()]);
}

#[test]
fn a_short_segment_does_not_keep_its_neighbours_alive() {
    let received = Bytes::from(vec![1; 8 << 20]);
    let mut rope = Rope::default();
    rope.push(received.slice(10..20));
    assert!(received.is_unique());
}

proptest! {
    /// Whatever the segments, the elements come out as they went in.
    #[test]
    fn what_goes_in_comes_out(
        lens in prop::collection::vec(0u32..9_000, 1..60),
        cuts in prop::collection::vec(1usize..20_000, 1..40),
        picks in prop::collection::vec((0usize..60, 0usize..60), 1..6),
    ) {
        let total: usize = lens.iter().map(|l| *l as usize).sum();
        let bytes: Bytes = (0..total).map(|i| (i * 31 % 251) as u8).collect::<Vec<_>>().into();
        let mut payload = Payload::new(lens.len() as u64, 0, true);
        payload.push(&lens_of(&lens), Bytes::new()).unwrap();
        let mut at = 0;
        for cut in cuts.iter().cycle() {
            let end = (at + cut).min(total);
            payload.push(&[], bytes.slice(at..end)).unwrap();
            at = end;
            let complete = payload.complete() as usize;
            let ends: usize = lens[..complete].iter().map(|l| *l as usize).sum();
            prop_assert!(ends <= at);
            prop_assert!(complete == lens.len() || ends + lens[complete] as usize > at);
            if at == total { break }
        }
        prop_assert_eq!(payload.complete(), lens.len() as u64);
        let ranges: Vec<Range<u64>> = picks.iter()
            .map(|(a, b)| { let (a, b) = (*a.min(b), *a.max(b)); (a.min(lens.len()) as u64)..(b.min(lens.len()) as u64) })
            .collect();
        let (found_lens, pieces) = payload.take(ranges.iter().cloned());
        let picked: Vec<u32> = ranges.iter().flat_map(|r| lens[r.start as usize..r.end as usize].to_vec()).collect();
        prop_assert_eq!(&found_lens[..], &lens_of(&picked)[..]);
        let start = |element: u64| lens[..element as usize].iter().map(|l| *l as usize).sum::<usize>();
        let expected: Vec<u8> = ranges.iter().flat_map(|r| bytes[start(r.start)..start(r.end)].to_vec()).collect();
        prop_assert_eq!(joined(&pieces), expected);
        prop_assert!(pieces.iter().all(|p| p.len() <= PART_BYTES));
    }
}
