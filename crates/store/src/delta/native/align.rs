//! Where a new version is like an old one, found in two steps if most of it has stayed as it was.
//!
//! ```text
//! anchors   long pieces that are the same, by a rolling checksum of the old version's blocks; most bytes are in one
//! gaps      what is between two of them, by a suffix array of only what lies between them in the old version
//! ```
//! Sorting all suffixes takes most of the time that a difference takes. Where little has changed most of that is for nothing; where much has,
//! such as in code that was built anew, anchors mislead: a real upgrade's libjvm.so came out half as large again.

use ostler_format::delta::Region;

use crate::delta::generate::bsdiff::regions;

/// Bytes of the old version that one checksum is of.
const BLOCK: usize = 32;
/// What an anchor has at least where the one before does not go on: less may be chance.
const LONG: usize = 96;
/// Gaps below this length are not searched.
const SHORT: usize = 24;
/// If more than one of so many bytes is in no anchor, all suffixes are sorted.
const ONE_CHANGED_OF: usize = 10;
/// What is searched of the old version beside what lies between anchors.
const MARGIN: usize = 2048;

/// Finds where `new` is like `old`; in the order of `new`, where regions do not overlap.
///
/// Memory is five times the old version's length if they have nothing in common, else less.
pub(super) fn align(old: &[u8], new: &[u8]) -> Vec<Region> {
    let anchors = anchors(old, new);
    let covered: usize = anchors.iter().map(|anchor| anchor.length).sum();
    if (new.len() - covered) * ONE_CHANGED_OF > new.len() {
        return regions(old, new);
    }
    let mut found = Found::default();
    let mut at = Region {
        old: 0,
        new: 0,
        length: 0,
    };
    for anchor in anchors {
        fill(old, new, (at, anchor), &mut found);
        found.push(anchor);
        at = anchor;
    }
    let end = Region {
        old: old.len(),
        new: new.len(),
        length: 0,
    };
    fill(old, new, (at, end), &mut found);
    found.regions
}

/// Regions, of which those that go on are one.
#[derive(Default)]
struct Found {
    regions: Vec<Region>,
}

impl Found {
    fn push(&mut self, next: Region) {
        match self.regions.last_mut() {
            Some(last)
                if last.new + last.length == next.new && last.old + last.length == next.old =>
            {
                last.length += next.length;
            }
            _ if next.length > 0 => self.regions.push(next),
            _ => {}
        }
    }
}

/// Finds regions between two anchors.
fn fill(old: &[u8], new: &[u8], (before, after): (Region, Region), found: &mut Found) {
    let (begins, ends) = (before.new + before.length, after.new);
    let (low, high) = (before.old + before.length, after.old);
    let gap = &new[begins..ends];
    let goes_on = low + gap.len() == high;
    if gap.is_empty() {
        return;
    }
    if goes_on && is_like(gap, &old[low..high]) {
        found.push(Region {
            old: low,
            new: begins,
            length: gap.len(),
        });
        return;
    }
    if gap.len() < SHORT {
        return;
    }
    // Where the anchors are out of order, what follows the first of them.
    let reach = 4 * gap.len() + (64 << 10);
    let high = match low <= high && high - low <= reach {
        true => high,
        false => low + gap.len(),
    };
    let from = low.saturating_sub(MARGIN);
    let to = (high + MARGIN).min(old.len());
    if from >= to {
        return;
    }
    for region in regions(&old[from..to], gap) {
        found.push(Region {
            old: region.old + from,
            new: region.new + begins,
            length: region.length,
        });
    }
}

/// Whether more than half of the bytes agree.
fn is_like(one: &[u8], other: &[u8]) -> bool {
    let agreeing = one.iter().zip(other).filter(|(a, b)| a == b).count();
    agreeing * 2 > one.len()
}

/// Finds long pieces that both have, in the order of `new`.
fn anchors(old: &[u8], new: &[u8]) -> Vec<Region> {
    let mut found: Vec<Region> = Vec::new();
    if new.len() < BLOCK || old.len() < BLOCK {
        return found;
    }
    let blocks = Blocks::of(old);
    let mut at = 0;
    let mut sum = sum(&new[..BLOCK]);
    while at + BLOCK <= new.len() {
        let last = found.last().copied().unwrap_or(Region {
            old: 0,
            new: 0,
            length: 0,
        });
        match anchor(old, new, at, (last, blocks.find(sum))) {
            Some(anchor) => {
                at = anchor.new + anchor.length;
                found.push(anchor);
                if let Some(window) = new.get(at..at + BLOCK) {
                    sum = self::sum(window);
                }
            }
            None => {
                if let Some(next) = new.get(at + BLOCK) {
                    sum = roll(sum, new[at], *next);
                }
                at += 1;
            }
        }
    }
    found
}

/// The anchor that has the block of `new` at `at`, if there is one: where the last one goes on, or else where a checksum says.
fn anchor(
    old: &[u8],
    new: &[u8],
    at: usize,
    (last, block): (Region, Option<usize>),
) -> Option<Region> {
    let begins = last.new + last.length;
    let window = &new[at..at + BLOCK];
    let there = last.old + last.length + (at - begins);
    if old.get(there..there + BLOCK) == Some(window) {
        return Some(grow(old, new, (there, at), begins));
    }
    let there = block?;
    if old[there..there + BLOCK] != *window {
        return None;
    }
    let grown = grow(old, new, (there, at), begins);
    (grown.length >= LONG).then_some(grown)
}

/// As much as is the same around a block, in `new` from `begins` on.
fn grow(old: &[u8], new: &[u8], (there, at): (usize, usize), begins: usize) -> Region {
    let back = old[..there].iter().rev().zip(new[begins..at].iter().rev());
    let back = back.take_while(|(a, b)| a == b).count();
    let ahead = old[there..].iter().zip(&new[at..]);
    let ahead = ahead.take_while(|(a, b)| a == b).count();
    Region {
        old: there - back,
        new: at - back,
        length: back + ahead,
    }
}

/// The blocks of the old version by their checksums, of each checksum the first.
struct Blocks {
    /// Numbers of blocks, 0 for none.
    slots: Vec<u32>,
    shift: u32,
}

impl Blocks {
    fn of(old: &[u8]) -> Self {
        let count = old.len() / BLOCK;
        let bits = (2 * count).next_power_of_two().trailing_zeros().max(1);
        let mut blocks = Self {
            slots: vec![0; 1 << bits],
            shift: u64::BITS - bits,
        };
        for (number, block) in old.chunks_exact(BLOCK).enumerate().rev() {
            let slot = blocks.slot(sum(block));
            blocks.slots[slot] = number as u32 + 1;
        }
        blocks
    }

    fn slot(&self, sum: u64) -> usize {
        (sum.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// Where a block may be that has that checksum.
    fn find(&self, sum: u64) -> Option<usize> {
        let number = self.slots[self.slot(sum)].checked_sub(1)?;
        Some(number as usize * BLOCK)
    }
}

const FACTOR: u64 = 0x0100_0000_01b3;
/// What the first byte of a block has been multiplied by.
const LEAVING: u64 = FACTOR.wrapping_pow(BLOCK as u32 - 1);

fn sum(block: &[u8]) -> u64 {
    block.iter().fold(0, |sum, byte| {
        u64::wrapping_mul(sum, FACTOR).wrapping_add(u64::from(*byte) + 1)
    })
}

fn roll(sum: u64, leaving: u8, coming: u8) -> u64 {
    let rest = sum.wrapping_sub((u64::from(leaving) + 1).wrapping_mul(LEAVING));
    rest.wrapping_mul(FACTOR)
        .wrapping_add(u64::from(coming) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::noise;

    #[track_caller]
    fn check(old: &[u8], new: &[u8]) -> usize {
        let regions = align(old, new);
        let mut ended = 0;
        let mut same = 0;
        for region in &regions {
            assert!(region.new >= ended && region.length > 0, "{region:?}");
            ended = region.new + region.length;
            let there = &old[region.old..region.old + region.length];
            let pairs = there.iter().zip(&new[region.new..ended]);
            same += pairs.filter(|(a, b)| a == b).count();
        }
        assert!(ended <= new.len());
        same
    }

    #[test]
    fn checksums_roll() {
        let bytes = noise(200, 3);
        let mut rolled = sum(&bytes[..BLOCK]);
        for at in 0..bytes.len() - BLOCK {
            rolled = roll(rolled, bytes[at], bytes[at + BLOCK]);
            assert_eq!(rolled, sum(&bytes[at + 1..at + 1 + BLOCK]), "{at}");
        }
    }

    #[test]
    fn what_stayed_moved_or_changed_here_and_there_is_found() {
        let old = noise(300_000, 7);
        let moved = [&old[150_001..], b"between", &old[..150_001]].concat();
        assert!(check(&old, &moved) >= old.len());
        let mut scattered = old.clone();
        for at in (0..scattered.len()).step_by(19) {
            scattered[at] ^= 0x40;
        }
        let kept = old.len() - old.len().div_ceil(19);
        assert!(check(&old, &scattered) >= kept);
        let mut little = old.clone();
        for at in (0..290_000).step_by(1999) {
            little.splice(at..at + 9, noise(7, at as u64));
        }
        assert!(check(&old, &little) >= little.len() * 99 / 100);
        assert!(check(&old, &old[20..40]) == 20, "shorter than a block");
    }

    #[test]
    fn regions_are_within_both_whatever_they_are() {
        let zeros = vec![0; 100_000];
        let nothing: &[u8] = &[];
        let words = [b"abcabcabd".repeat(3000), vec![7; 5000]].concat();
        let all = [nothing, b"x", &zeros, &words, &noise(5000, 4)];
        for old in all {
            for new in all {
                let same = check(old, new);
                assert!(old != new || same == new.len());
            }
        }
    }
}
