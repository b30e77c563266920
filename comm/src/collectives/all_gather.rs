//! `all_gather`, `all_gatherv`, `all_gather_into`.

use phalanx_codec::{Number, Value};

use super::SHORT_BYTES_MAX;
use crate::stamp::{Operation, Stamp, kind_of};
use crate::{CommError, Communicator};

/// Blocks up to this size go along with their lengths.
const INLINE_BYTES_MAX: u64 = 4 << 10;

/// A rank's block, as far as the first part of the operation brings it.
struct Block {
    len: u64,
    /// Its bytes, if they are few.
    inline: Vec<u8>,
}

impl Communicator {
    /// Every rank's value on every rank, by rank.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let all = run_spmd_all("threads", 2, |comm| comm.all_gather(('a'..).nth(comm.rank()).unwrap()));
    /// assert_eq!(all, Ok(vec![vec!['a', 'b'], vec!['a', 'b']]));
    /// ```
    pub fn all_gather<T: Value>(&self, value: T) -> Result<Vec<T>, CommError> {
        let mut stamp = self.stamp(Operation::AllGather);
        stamp.kind = kind_of::<T>();
        let stamp = self.begin(stamp)?;
        if self.size() == 1 {
            return Ok(vec![value]);
        }
        let mine = self.encode(&stamp, &value)?;
        let blocks = self.lengths(stamp, &mine)?;
        let long: Vec<bool> = blocks.iter().map(|b| b.len > INLINE_BYTES_MAX).collect();
        let mut all = Vec::new();
        for (rank, block) in blocks.into_iter().enumerate() {
            let is_mine = rank == self.rank();
            all.push(if long[rank] && !is_mine { self.room(&stamp, block.len)? } else { block.inline });
        }
        if long[self.rank()] {
            all[self.rank()] = mine.into_owned();
        }
        let mut places: Vec<&mut [u8]> = all.iter_mut().map(Vec::as_mut_slice).collect();
        self.ring(stamp, &mut places, &long)?;
        let mut own = Some(value);
        let values = all.iter().enumerate().map(|(rank, bytes)| match own.take_if(|_| rank == self.rank()) {
            Some(own) => Ok(own),
            None => self.decode(&stamp, bytes),
        });
        values.collect()
    }

    /// Every rank's numbers on every rank, end to end, and how many each rank gave.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let all = run_spmd_all("threads", 3, |comm| comm.all_gatherv(&vec![comm.rank() as i16; 2 - comm.rank()]));
    /// assert_eq!(all, Ok(vec![(vec![0, 0, 1], vec![2, 1, 0]); 3]));
    /// ```
    pub fn all_gatherv<N: Number>(&self, numbers: &[N]) -> Result<(Vec<N>, Vec<usize>), CommError> {
        let mut stamp = self.stamp(Operation::AllGatherv);
        stamp.kind = kind_of::<N>();
        let stamp = self.begin(stamp)?;
        let blocks = self.lengths(stamp, bytemuck::cast_slice(numbers))?;
        let counts: Vec<usize> = blocks.iter().map(|b| b.len as usize / size_of::<N>()).collect();
        let total = counts.iter().try_fold(0_usize, |sum, n| sum.checked_add(*n));
        let all = total.and_then(|n| bytemuck::allocation::try_zeroed_vec::<N>(n).ok());
        let Some(mut all) = all else {
            return Err(self.bad_value(&stamp, &"there is no memory for all these numbers"));
        };
        let (mut rest, mut places) = (&mut all[..], Vec::new());
        for (rank, (count, block)) in counts.iter().zip(&blocks).enumerate() {
            let (place, others) = rest.split_at_mut(*count);
            rest = others;
            if rank == self.rank() {
                place.copy_from_slice(numbers);
            } else if block.len <= INLINE_BYTES_MAX {
                bytemuck::cast_slice_mut(place).copy_from_slice(&block.inline);
            }
            places.push(bytemuck::cast_slice_mut(place));
        }
        let long: Vec<bool> = blocks.iter().map(|b| b.len > INLINE_BYTES_MAX).collect();
        self.ring(stamp, &mut places, &long)?;
        Ok((all, counts))
    }

    /// Every rank's numbers on every rank, straight to their place. All give equally many; the room has that length times the size.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let all = run_spmd_all("threads", 2, |comm| {
    ///     let mut all = [0; 4];
    ///     comm.all_gather_into(&[comm.rank(), 10], &mut all).map(|()| all.to_vec())
    /// });
    /// assert_eq!(all, Ok(vec![vec![0, 10, 1, 10]; 2]));
    /// ```
    pub fn all_gather_into<N: Number>(&self, mine: &[N], all: &mut [N]) -> Result<(), CommError> {
        let mut stamp = self.stamp(Operation::AllGatherInto);
        (stamp.kind, stamp.count) = (kind_of::<N>(), mine.len() as u64);
        let stamp = self.begin(stamp)?;
        if mine.len().checked_mul(self.size()) != Some(all.len()) {
            let (has, size) = (all.len(), self.size());
            let message = format!("room for {has} numbers, where {size} ranks give {} each", mine.len());
            return Err(self.invalid(stamp.call(), message));
        }
        if mine.is_empty() {
            return self.ring(stamp, &mut [], &[]);
        }
        if size_of_val(mine) <= INLINE_BYTES_MAX as usize && size_of_val(all) <= SHORT_BYTES_MAX {
            let blocks = self.lengths(stamp, bytemuck::cast_slice(mine))?;
            let places = all.chunks_exact_mut(mine.len()).zip(blocks);
            places.for_each(|(place, block)| {
                bytemuck::cast_slice_mut(place).copy_from_slice(&block.inline);
            });
            return Ok(());
        }
        all[self.rank() * mine.len()..][..mine.len()].copy_from_slice(mine);
        let mut places: Vec<&mut [u8]> =
            all.chunks_exact_mut(mine.len()).map(bytemuck::cast_slice_mut).collect();
        let long = vec![true; places.len()];
        self.ring(stamp, &mut places, &long)
    }

    /// The lengths of all ranks' blocks, and the short blocks themselves: in round k every rank hands what it has to the one 2ᵏ before
    /// (Bruck's algorithm), so that it takes log₂(size) rounds.
    fn lengths(&self, stamp: Stamp, mine: &[u8]) -> Result<Vec<Block>, CommError> {
        let (rank, size) = (self.rank(), self.size());
        let mut known = Vec::new();
        put(&mut known, mine);
        // Where each block that is known ends, from the own one on.
        let mut ends = vec![known.len()];
        while ends.len() < size {
            let have = ends.len();
            let give = have.min(size - have);
            let (to, from) = ((rank + size - have) % size, (rank + have) % size);
            let mut more = Vec::new();
            self.exchange(
                &mut [self.to(to, stamp, &known[..ends[give - 1]])],
                &mut [self.bytes_from(from, stamp, &mut more)],
            )?;
            known.append(&mut more);
            for _ in 0..give {
                let start = ends[ends.len() - 1];
                let end = known.get(start..).and_then(block_bytes).map(|n| start + n);
                let Some(end) = end else {
                    return Err(self.bad_value(&stamp, &"a block's length is missing"));
                };
                ends.push(end);
            }
        }
        let mut blocks: Vec<Block> = Vec::with_capacity(size);
        let mut start = 0;
        for end in ends {
            let (len, inline) = known[start..end].split_at(8);
            let len = u64::from_le_bytes(len.try_into().expect("eight bytes"));
            blocks.push(Block { len, inline: inline.to_vec() });
            start = end;
        }
        blocks.rotate_right(rank);
        Ok(blocks)
    }

    /// Hands the long blocks round: in every step each rank sends the one that it received before.
    fn ring(&self, stamp: Stamp, blocks: &mut [&mut [u8]], long: &[bool]) -> Result<(), CommError> {
        let (rank, size) = (self.rank(), self.size());
        if !long.contains(&true) {
            return Ok(());
        }
        for step in 0..size - 1 {
            let (out, into) = ((rank + size - step) % size, (rank + size - step - 1) % size);
            let [sent, place] = blocks.get_disjoint_mut([out, into]).expect("neighbours are not the same");
            let mut sends = [self.to((rank + 1) % size, stamp, sent)];
            let mut receives = [self.slice_from((rank + size - 1) % size, stamp, place)];
            match (long[out], long[into]) {
                (true, true) => self.exchange(&mut sends, &mut receives)?,
                (true, false) => self.exchange(&mut sends, &mut [])?,
                (false, true) => self.exchange(&mut [], &mut receives)?,
                (false, false) => {}
            }
        }
        Ok(())
    }
}

/// A block's length, then its bytes if they are few.
fn put(out: &mut Vec<u8>, block: &[u8]) {
    out.extend_from_slice(&(block.len() as u64).to_le_bytes());
    if block.len() as u64 <= INLINE_BYTES_MAX {
        out.extend_from_slice(block);
    }
}

/// How many bytes the first block takes.
fn block_bytes(bytes: &[u8]) -> Option<usize> {
    let len = u64::from_le_bytes(*bytes.first_chunk()?);
    let inline = if len <= INLINE_BYTES_MAX { len as usize } else { 0 };
    (bytes.len() >= 8 + inline).then_some(8 + inline)
}
