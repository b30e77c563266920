//! An L×L periodic lattice of ±1 spins, one bit per spin, updated 64 spins at a time.
//!
//! The sites are coloured like a checkerboard: all four neighbours of a black site are white, so the spins of
//! one colour do not act on each other and may be updated together. A sweep updates all black sites, then all
//! white ones. Each half leaves the Boltzmann distribution invariant (it is a product of Metropolis steps that
//! commute), and so does the sweep; the sweep as a whole does not obey detailed balance, and need not.
//!
//! Layout: a colour's L/2 sites of row 0, then those of row 1, and so on, are consecutive bits; since L is a
//! power of two, whole rows fill a word. Site `i` of row `y` lies at column `x = 2i + ((y + colour) mod 2)`. So
//! the neighbours above and below are L/2 bits away in the other colour, one neighbour in the row has the same bit
//! position, and the last is one bit to the left (rows where x is even) or to the right (rows where it is odd).

use crate::acceptance::Acceptance;
use rand_xoshiro::rand_core::RngCore;

/// The sizes a lattice can have: L/2 bits must divide a word.
pub const SIZES: [u32; 5] = [4, 8, 16, 32, 64];

/// A configuration of L×L spins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lattice {
    size: u32,
    /// Bits per row of one colour: L/2.
    half: u32,
    /// Bits used in each word: 64, or all L²/2 when a colour fits in one word.
    width: u32,
    /// The used bits of a word; of those, the first and the last of each row, and the even rows.
    used: u64,
    first: u64,
    last: u64,
    even_rows: u64,
    /// Black, then white; a set bit is a spin that points up.
    spins: [Vec<u64>; 2],
}

/// How many of the four neighbours of each spin differ from it, as a binary number spread over three words.
#[derive(Clone, Copy)]
struct Differing {
    ones: u64,
    twos: u64,
    fours: u64,
}

impl Lattice {
    /// A lattice with all spins up; `None` if `size` is not one of [`SIZES`].
    pub fn ordered(size: u32) -> Option<Self> {
        if !SIZES.contains(&size) {
            return None;
        }
        let half = size / 2;
        let colour_sites = size * half;
        let width = colour_sites.min(64);
        let used = u64::MAX >> (64 - width);
        let row = u64::MAX >> (64 - half);
        let every = |stride: u32, pattern: u64| {
            (0..width).step_by(stride as usize).fold(0, |mask, at| mask | pattern << at)
        };
        Some(Self {
            size,
            half,
            width,
            used,
            first: every(half, 1),
            last: every(half, 1 << (half - 1)),
            even_rows: every(size, row),
            spins: std::array::from_fn(|_| vec![used; (colour_sites / width) as usize]),
        })
    }

    /// The number of spins, L².
    pub fn sites(&self) -> u32 {
        self.size * self.size
    }

    /// The energy −Σ s·s' over the 2L² bonds.
    pub fn energy(&self) -> i64 {
        // Every bond joins a black site to a white one, so the black sites see each of them once.
        let differing: u32 = (0..self.spins[0].len())
            .map(|word| {
                let d = self.differing(0, word);
                let [ones, twos, fours] = [d.ones, d.twos, d.fours].map(|b| (b & self.used).count_ones());
                ones + 2 * twos + 4 * fours
            })
            .sum();
        2 * i64::from(differing) - 2 * i64::from(self.sites())
    }

    /// The sum of all spins.
    pub fn magnetisation(&self) -> i64 {
        let up: u32 = self.spins.iter().flatten().map(|word| word.count_ones()).sum();
        2 * i64::from(up) - i64::from(self.sites())
    }

    /// One Metropolis step for every spin: all black ones, then all white ones. Returns how many flipped.
    pub fn sweep(&mut self, acceptance: &Acceptance, rng: &mut impl RngCore) -> u32 {
        let mut flipped = 0;
        for colour in 0..2 {
            for word in 0..self.spins[colour].len() {
                let d = self.differing(colour, word);
                let none = !(d.ones | d.twos | d.fours) & self.used;
                let one = d.ones & !d.twos & self.used;
                let free = (d.twos | d.fours) & self.used;
                let flips = free | acceptance.decide(one, none, rng);
                self.spins[colour][word] ^= flips;
                flipped += flips.count_ones();
            }
        }
        flipped
    }

    /// Compares the spins of one word with their neighbours. Bits beyond `used` are meaningless.
    #[inline]
    fn differing(&self, colour: usize, word: usize) -> Differing {
        let other = &self.spins[1 - colour];
        let spins = self.spins[colour][word];
        let (half, width) = (self.half, self.width);
        let here = other[word];
        let before = if word == 0 { other[other.len() - 1] } else { other[word - 1] };
        let after = if word + 1 == other.len() { other[0] } else { other[word + 1] };
        let above = here << half | before >> (width - half);
        let below = here >> half | after << (width - half);
        let left = (here << 1 & !self.first) | (here >> (half - 1) & self.first);
        let right = (here >> 1 & !self.last) | (here << (half - 1) & self.last);
        // Black sites of even rows, and white sites of odd rows, have even columns.
        let even_columns = if colour == 0 { self.even_rows } else { !self.even_rows };
        let beside = (left & even_columns) | (right & !even_columns);

        let [a, b, c, d] = [above ^ spins, below ^ spins, here ^ spins, beside ^ spins];
        let (ab, cd) = (a ^ b, c ^ d);
        let (ab_carry, cd_carry) = (a & b, c & d);
        Differing { ones: ab ^ cd, twos: ab_carry ^ cd_carry ^ (ab & cd), fours: ab_carry & cd_carry }
    }
}

#[cfg(test)]
#[path = "lattice_tests.rs"]
mod tests;
