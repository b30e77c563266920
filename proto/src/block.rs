//! The block split: N items over P parts, contiguous, in order, sizes differing by at most one.

use std::ops::Range;

/// The items of part `index` when `n` items are split over `parts` parts.
///
/// With q, r = divmod(n, parts), part p gets q + 1 items if p < r and q otherwise, starting at
/// p·q + min(p, r). A part may be empty (`n < parts`).
///
/// ```
/// use phalanx_proto::block::block_range;
/// let sizes: Vec<u64> = (0..3).map(|p| { let r = block_range(10, 3, p); r.end - r.start }).collect();
/// assert_eq!(sizes, [4, 3, 3]);
/// ```
///
/// # Panics
/// When `parts` is 0 or `index` is not below `parts`.
#[must_use]
pub fn block_range(n: u64, parts: u64, index: u64) -> Range<u64> {
    assert!(index < parts, "part {index} of {parts}");
    let (q, r) = (n / parts, n % parts);
    let start = index * q + index.min(r);
    start..start + q + u64::from(index < r)
}

/// The part that an item belongs to: the inverse of [`block_range`].
///
/// # Panics
/// When `item` is not below `n`, or `parts` is 0.
#[must_use]
pub fn block_index(n: u64, parts: u64, item: u64) -> u64 {
    assert!(item < n, "item {item} of {n}");
    let (q, r) = (n / parts, n % parts);
    let long = r * (q + 1);
    if item < long { item / (q + 1) } else { r + (item - long) / q }
}

/// How many chunks of at most `chunksize` elements `n` elements make: ceil(n / chunksize).
///
/// # Panics
/// When `chunksize` is 0.
#[must_use]
pub fn chunk_count(n: u64, chunksize: u64) -> u64 {
    assert!(chunksize > 0, "a chunk has at least one element");
    n.div_ceil(chunksize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sizes(n: u64, parts: u64) -> Vec<u64> {
        (0..parts).map(|p| block_range(n, parts, p)).map(|r| r.end - r.start).collect()
    }

    #[test]
    fn the_known_splits() {
        assert_eq!(sizes(1000, 15), [vec![67; 10], vec![66; 5]].concat());
        assert_eq!(sizes(10, 3), [4, 3, 3]);
        assert_eq!(sizes(5, 4), [2, 1, 1, 1]);
        assert_eq!(sizes(3, 5), [1, 1, 1, 0, 0]);
        assert_eq!(sizes(0, 4), [0, 0, 0, 0]);
        assert_eq!(sizes(5000, 4), [1250; 4]);
        assert_eq!(chunk_count(10, 4), 3);
        assert_eq!(sizes(10, chunk_count(10, 4)), [4, 3, 3]);
    }

    proptest! {
        #[test]
        fn parts_are_contiguous_and_complete(n in 0u64..1 << 40, parts in 1u64..200) {
            let mut next = 0;
            for p in 0..parts {
                let r = block_range(n, parts, p);
                prop_assert_eq!(r.start, next);
                prop_assert!(r.end - r.start <= n.div_ceil(parts));
                for item in [r.start, r.end.saturating_sub(1)] {
                    if r.contains(&item) {
                        prop_assert_eq!(block_index(n, parts, item), p);
                    }
                }
                next = r.end;
            }
            prop_assert_eq!(next, n);
        }
    }
}
