//! The operations of all ranks together, one file each.
//!
//! Short messages go along trees, in log₂(size) steps; long ones along chains and rings, or in halves, so that every rank sends
//! and receives about as much as the others, in segments that follow each other. Only what one rank really hands to all
//! others, or takes from them (scatter, gather), goes directly.
//!
//! **The order of reductions** is the same whatever the way of running, the length, and the operation (`reduce`, `all_reduce`), so the results are the
//! same bits on every rank and every transport at the same size. Let p be the largest power of two that is not larger than the size, and
//! e = size − p. First the pairs (0, 1), (2, 3), … of the first 2e ranks are combined; the p values that are left,
//! in order, are then combined as neighbours, again and again: ((0 1) (2 3)) ((4 5) (6 7)).

mod all_gather;
mod barrier;
mod broadcast;
mod exscan;
mod gather;
mod reduce;
mod reduce_with;
mod scatter;
mod tree;

pub use gather::Join;

/// Up to here a message goes along a tree, whole; beyond, in segments along a chain, or in halves.
pub(crate) const SHORT_BYTES_MAX: usize = 32 << 10;
/// Long messages are passed on in pieces of this size.
pub(crate) const SEGMENT_BYTES: usize = 256 << 10;
