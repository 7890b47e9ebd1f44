//! Patches by a suffix array, in the form that `apply::patch` reads.
//!
//! After Colin Percival's "Naive differences of executable code": the new file is scanned for long matches in the old; around
//! each of them as much is taken along as agrees in more than half of its bytes, so that what differs there are small numbers
//! in machine code, which come out as mostly zeros and compress well.

use divsufsort::sort;
use ostler_format::delta::Region;

/// How much better a match elsewhere must be than going on where one is.
const GAIN: usize = 8;

/// A match below this length may be chance.
const LIKE: usize = 12;
/// After so many positions without a match one more is passed over each time: what is compressed or encrypted is like nothing.
const PATIENCE: usize = 1024;

/// Bytes by which suffixes are told apart: in long runs of one byte more would take for ever.
const COMPARED: usize = 4096;

/// Makes a patch from `old` to `new`.
///
/// Memory is five times the old file's length and the patch's.
pub(super) fn diff(old: &[u8], new: &[u8]) -> Vec<u8> {
    let steps = regions(old, new);
    let mut patch = Patch {
        old,
        new,
        out: Vec::with_capacity(new.len() + 1024),
        scanned: 0,
        at: 0,
    };
    patch.write(&steps);
    patch.out
}

/// Finds where `new` is like `old`; in the order of `new`, where regions do not overlap.
///
/// Memory is five times the old file's length.
pub(in crate::delta) fn regions(old: &[u8], new: &[u8]) -> Vec<Region> {
    // What both begin and end with needs no search, and is most of many files.
    let prefix = common_prefix(old, new);
    let suffix = common_suffix(&old[prefix..], &new[prefix..]);
    let middle_old = &old[prefix..old.len() - suffix];
    let middle_new = &new[prefix..new.len() - suffix];
    let mut steps = Vec::new();
    if prefix > 0 {
        steps.push(Region {
            old: 0,
            new: 0,
            length: prefix,
        });
    }
    if !middle_old.is_empty() && !middle_new.is_empty() {
        let shift = |found: Region| Region {
            old: found.old + prefix,
            new: found.new + prefix,
            length: found.length,
        };
        steps.extend(matches(middle_old, middle_new).into_iter().map(shift));
    }
    if suffix > 0 {
        steps.push(Region {
            old: old.len() - suffix,
            new: new.len() - suffix,
            length: suffix,
        });
    }
    steps
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let pairs = a.iter().rev().zip(b.iter().rev());
    pairs.take_while(|(a, b)| a == b).count()
}

/// Finds where the new file is like the old one; regions are in the order of the new file and do not overlap there.
fn matches(old: &[u8], new: &[u8]) -> Vec<Region> {
    let suffixes = sort(old).into_parts().1;
    let mut found = Vec::new();
    let (mut scan, mut length, mut position) = (0, 0, 0);
    // The region that is being grown: where it begins in both files.
    let (mut last_scan, mut last_position) = (0_usize, 0_usize);
    // Where the old file's bytes lie for those of the new one, if the last match goes on.
    let mut offset = 0_i64;
    // Positions since the last match that was worth anything.
    let mut misses = 0_usize;
    while scan < new.len() {
        scan += length;
        // How many bytes from `scan` to `counted` the old file has if the last match goes on.
        let mut score = 0;
        let mut counted = scan;
        while scan < new.len() {
            (position, length) = longest(&suffixes, old, &new[scan..]);
            while counted < scan + length {
                score += usize::from(goes_on(old, new, counted, offset));
                counted += 1;
            }
            if (length == score && length != 0) || length > score + GAIN {
                break;
            }
            misses = if length < LIKE { misses + 1 } else { 0 };
            let next = (scan + 1 + misses / PATIENCE).min(new.len());
            for passed in scan..next.min(counted) {
                score -= usize::from(goes_on(old, new, passed, offset));
            }
            scan = next;
            counted = counted.max(scan);
        }
        if length == score && scan < new.len() {
            // The same match goes on.
            continue;
        }
        let forward = grow_forward(old, new, last_position, last_scan, scan);
        let backward = match scan < new.len() {
            true => grow_backward(old, new, position, scan, last_scan),
            false => 0,
        };
        let overlap = (last_scan + forward).saturating_sub(scan - backward);
        let (forward, backward) = match overlap {
            0 => (forward, backward),
            _ => {
                let kept = split(
                    old,
                    new,
                    (last_position + forward, last_scan + forward),
                    (position - backward, scan - backward),
                    overlap,
                );
                (forward - overlap + kept, backward - kept)
            }
        };
        if forward > 0 {
            found.push(Region {
                old: last_position,
                new: last_scan,
                length: forward,
            });
        }
        last_scan = scan - backward;
        last_position = position.saturating_sub(backward);
        offset = position as i64 - scan as i64;
    }
    found
}

/// Whether the byte of the new file at `at` is the old file's if the last match goes on.
fn goes_on(old: &[u8], new: &[u8], at: usize, offset: i64) -> bool {
    let there = usize::try_from(at as i64 + offset).ok();
    there.and_then(|there| old.get(there)) == new.get(at)
}

/// How far a match reaches beyond its end, while more than half of the bytes agree.
fn grow_forward(old: &[u8], new: &[u8], position: usize, begin: usize, end: usize) -> usize {
    let (mut agreed, mut best, mut length) = (0_i64, 0_i64, 0);
    let pairs = new[begin..end].iter().zip(&old[position..]);
    for (index, (a, b)) in pairs.enumerate() {
        agreed += i64::from(a == b);
        let done = index as i64 + 1;
        if agreed * 2 - done > best {
            best = agreed * 2 - done;
            length = index + 1;
        }
    }
    length
}

/// How far a match reaches before its beginning.
fn grow_backward(old: &[u8], new: &[u8], position: usize, end: usize, begin: usize) -> usize {
    let (mut agreed, mut best, mut length) = (0_i64, 0_i64, 0);
    let pairs = new[begin..end]
        .iter()
        .rev()
        .zip(old[..position].iter().rev());
    for (index, (a, b)) in pairs.enumerate() {
        agreed += i64::from(a == b);
        let done = index as i64 + 1;
        if agreed * 2 - done > best {
            best = agreed * 2 - done;
            length = index + 1;
        }
    }
    length
}

/// Where two matches overlap, how much of that the first one keeps. `first` is where it ends in both files, `second` where that
/// begins.
fn split(
    old: &[u8],
    new: &[u8],
    first: (usize, usize),
    second: (usize, usize),
    overlap: usize,
) -> usize {
    let (mut score, mut best, mut kept) = (0_i64, 0_i64, 0);
    for index in 0..overlap {
        let byte = new[first.1 - overlap + index];
        score += i64::from(byte == old[first.0 - overlap + index]);
        score -= i64::from(new[second.1 + index] == old[second.0 + index]);
        if score > best {
            best = score;
            kept = index + 1;
        }
    }
    kept
}

/// The longest beginning of `new` that is somewhere in `old`: where, and how long.
fn longest(suffixes: &[i32], old: &[u8], new: &[u8]) -> (usize, usize) {
    let (mut low, mut high) = (0, suffixes.len() - 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let suffix = &old[suffixes[middle] as usize..];
        let suffix = &suffix[..suffix.len().min(COMPARED)];
        if suffix < &new[..new.len().min(COMPARED)] {
            low = middle;
        } else {
            high = middle;
        }
    }
    let [low, high] = [low, high].map(|index| {
        let position = suffixes[index] as usize;
        (position, common_prefix(&old[position..], new))
    });
    if low.1 > high.1 { low } else { high }
}

struct Patch<'p> {
    old: &'p [u8],
    new: &'p [u8],
    out: Vec<u8>,
    /// Bytes of the new file that are written.
    scanned: usize,
    /// Where in the old file a reader is.
    at: i64,
}

impl Patch<'_> {
    fn write(&mut self, matches: &[Region]) {
        let first = matches.first().copied().unwrap_or(Region {
            old: 0,
            new: self.new.len(),
            length: 0,
        });
        if first.new > 0 || matches.is_empty() {
            self.step(0, first.new, first.old as i64);
        } else if first.old > 0 {
            self.step(0, 0, first.old as i64);
        }
        for (index, found) in matches.iter().enumerate() {
            let next = matches.get(index + 1);
            let new_end = next.map_or(self.new.len(), |next| next.new);
            let new = new_end - (found.new + found.length);
            let after = (found.old + found.length) as i64;
            let seek = next.map_or(0, |next| next.old as i64 - after);
            self.step(found.length, new, seek);
        }
    }

    fn step(&mut self, add: usize, new: usize, seek: i64) {
        if add == 0 && new == 0 && seek == 0 {
            return;
        }
        for number in [add as i64, new as i64, seek] {
            let sign = if number < 0 { 1 << 63 } else { 0 };
            self.out
                .extend_from_slice(&(number.unsigned_abs() | sign).to_le_bytes());
        }
        let old = &self.old[self.at as usize..][..add];
        let added = &self.new[self.scanned..][..add];
        self.out.extend(
            added
                .iter()
                .zip(old)
                .map(|(new, old)| new.wrapping_sub(*old)),
        );
        let end = self.scanned + add + new;
        self.out
            .extend_from_slice(&self.new[self.scanned + add..end]);
        self.scanned = end;
        self.at += add as i64 + seek;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::apply::patched;
    use crate::noise::noise;

    #[track_caller]
    fn round_trip(old: &[u8], new: &[u8]) -> usize {
        let patch = diff(old, new);
        let made = patched(old, &patch, new.len() as u64).unwrap();
        assert!(made == new, "{} bytes from {}", new.len(), old.len());
        patch.len()
    }

    #[test]
    fn a_patch_makes_the_new_file_of_the_old_one() {
        let text = noise(50_000, 1);
        round_trip(b"", b"");
        round_trip(b"", b"new");
        round_trip(b"old", b"");
        round_trip(b"a", b"b");
        round_trip(&text, &text);
        round_trip(&text, &text[10..]);
        round_trip(&text, &[&b"head"[..], &text, b"tail"].concat());
        round_trip(&text, &[&text[30_000..], &text[..30_000]].concat());
        round_trip(&text, &noise(50_000, 2));
        round_trip(
            &[0; 100_000],
            &[&[0; 50_000][..], b"x", &[0; 70_000]].concat(),
        );
        let mut scattered = text.clone();
        for index in (0..scattered.len()).step_by(97) {
            scattered[index] = scattered[index].wrapping_add(3);
        }
        round_trip(&text, &scattered);
    }

    #[test]
    fn moved_and_changed_pieces_are_found() {
        let old = noise(200_000, 7);
        let new = [
            &old[100_000..150_000],
            b"between",
            &old[..90_000],
            &noise(100, 3),
        ]
        .concat();
        let patch = diff(&old, &new);
        assert!(patched(&old, &patch, new.len() as u64).unwrap() == new);
        let changed = patch.iter().filter(|byte| **byte != 0).count();
        assert!(changed < 400, "{changed} bytes are not zero");
    }

    #[test]
    fn small_files_of_few_bytes_come_out_right_whatever_they_are() {
        let mut seed = 99_u64;
        for round in 0..400 {
            let mut next = || {
                seed = u64::wrapping_mul(seed, 6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) as usize
            };
            let letters = 1 + round % 4;
            let (old_len, new_len) = (next() % 60, next() % 60);
            let old: Vec<u8> = (0..old_len).map(|_| (next() % letters) as u8).collect();
            let new: Vec<u8> = (0..new_len).map(|_| (next() % letters) as u8).collect();
            round_trip(&old, &new);
        }
    }
}
