//! Which pieces of a new file are in the old one as they are.
//!
//! A rolling checksum over a block of the new file is looked for among the checksums of the old file's blocks; where one fits, the
//! match is grown to both sides. It takes a pass over each file, whatever their sizes, and finds nothing shorter than a block.

use std::collections::HashMap;

/// Bytes of a block.
const BLOCK: usize = 512;
/// The base of the checksum's powers, odd so that no byte is lost.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// A piece that both files have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where it begins in the old file.
    pub(super) old: usize,
    /// Where it begins in the new file.
    pub(super) new: usize,
    /// How long it is.
    pub(super) length: usize,
}

/// Finds pieces, in the order of the new file, none overlapping another there.
pub(super) fn find(old: &[u8], new: &[u8]) -> Vec<Piece> {
    let blocks = Blocks::of(old);
    let mut pieces: Vec<Piece> = Vec::new();
    let mut at = 0;
    let mut sum = None;
    while at + BLOCK <= new.len() {
        let current = sum.unwrap_or_else(|| checksum(&new[at..at + BLOCK]));
        let written = pieces.last().map_or(0, |piece| piece.new + piece.length);
        if let Some(start) = blocks.find(current, &new[at..at + BLOCK], old) {
            let piece = grow(old, new, (start, at), written);
            at = piece.new + piece.length;
            pieces.push(piece);
            sum = None;
            continue;
        }
        sum = new
            .get(at + BLOCK)
            .map(|next| roll(current, new[at], *next));
        at += 1;
    }
    pieces
}

fn grow(old: &[u8], new: &[u8], (start, at): (usize, usize), written: usize) -> Piece {
    let before = old[..start].iter().rev().zip(new[written..at].iter().rev());
    let back = before.take_while(|(a, b)| a == b).count();
    let after = old[start..].iter().zip(&new[at..]);
    let length = after.take_while(|(a, b)| a == b).count();
    Piece {
        old: start - back,
        new: at - back,
        length: back + length,
    }
}

/// The checksums of a file's blocks.
struct Blocks {
    starts: HashMap<u64, usize>,
    /// A bit for some bits of each checksum: most that are looked for are not there.
    filter: Vec<u64>,
}

impl Blocks {
    fn of(file: &[u8]) -> Self {
        let count = file.len() / BLOCK;
        let mut blocks = Self {
            starts: HashMap::with_capacity(count),
            filter: vec![0; (count / 4).next_power_of_two().max(64)],
        };
        for (number, block) in file.chunks_exact(BLOCK).enumerate() {
            let sum = checksum(block);
            let (word, bit) = blocks.place(sum);
            blocks.filter[word] |= bit;
            blocks.starts.entry(sum).or_insert(number * BLOCK);
        }
        blocks
    }

    fn place(&self, sum: u64) -> (usize, u64) {
        let word = (sum >> 6) as usize & (self.filter.len() - 1);
        (word, 1 << (sum & 63))
    }

    fn find(&self, sum: u64, block: &[u8], file: &[u8]) -> Option<usize> {
        let (word, bit) = self.place(sum);
        if self.filter[word] & bit == 0 {
            return None;
        }
        let start = *self.starts.get(&sum)?;
        (file[start..start + BLOCK] == *block).then_some(start)
    }
}

fn checksum(block: &[u8]) -> u64 {
    block.iter().fold(0, |sum: u64, byte| {
        sum.wrapping_mul(BASE).wrapping_add(value(*byte))
    })
}

/// The checksum of a block that begins one byte later.
fn roll(sum: u64, first: u8, next: u8) -> u64 {
    let gone = value(first).wrapping_mul(POWER);
    sum.wrapping_sub(gone)
        .wrapping_mul(BASE)
        .wrapping_add(value(next))
}

/// Zeros count as well: runs of them have a length.
fn value(byte: u8) -> u64 {
    (u64::from(byte) + 1).wrapping_mul(0xff51_afd7_ed55_8ccd)
}

/// `BASE` to the power of one less than the bytes of a block.
const POWER: u64 = {
    let mut power = 1_u64;
    let mut count = 1;
    while count < BLOCK {
        power = power.wrapping_mul(BASE);
        count += 1;
    }
    power
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::noise;

    #[track_caller]
    fn matched(old: &[u8], new: &[u8]) -> usize {
        let pieces = find(old, new);
        let mut end = 0;
        for piece in &pieces {
            assert!(piece.new >= end && piece.length >= BLOCK);
            end = piece.new + piece.length;
            assert!(old[piece.old..piece.old + piece.length] == new[piece.new..end]);
        }
        pieces.iter().map(|piece| piece.length).sum()
    }

    #[test]
    fn what_moved_is_found_wherever_it_lies() {
        let old = noise(100_000, 5);
        assert_eq!(matched(&old, &old), 100_000);
        let moved = [
            b"abc",
            &old[40_003..90_001],
            b"de",
            &old[7..30_000],
            &noise(999, 8),
        ]
        .concat();
        assert_eq!(matched(&old, &moved), 90_001 - 40_003 + 30_000 - 7);
        assert_eq!(matched(&old, &noise(100_000, 6)), 0);
        assert_eq!(matched(&[0; 5000], &[0; 3000]), 3000);
        assert_eq!(matched(b"", &old), 0);
        assert_eq!(matched(&old, b"short"), 0);
    }

    #[test]
    fn a_rolled_checksum_is_that_of_the_block() {
        let file = noise(BLOCK + 50, 3);
        let mut sum = checksum(&file[..BLOCK]);
        for at in 0..50 {
            sum = roll(sum, file[at], file[at + BLOCK]);
            assert_eq!(sum, checksum(&file[at + 1..at + 1 + BLOCK]));
        }
    }
}
