//! Old files that new ones are like by content, where neither path nor name tells.
//!
//! A file's sketch is the smallest of the rolling checksums of all its windows of 64 bytes. Files that share most of their content share most
//! of their sketches, wherever in them it lies. Only old files that the new commit no longer has are looked at: one that stays is no
//! version of another.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Read};

use ostler_format::{CommitId, FileId};

use crate::delta::generate::plan::{NewFile, OldFile};
use crate::error::StoreError;
use crate::pack::Contents;
use crate::parallel::for_all;
use crate::repo::Repo;

/// Checksums of a sketch.
const SKETCH: usize = 32;
/// Of which two files must have so many in common.
const IN_COMMON: usize = 3;
/// Files below this length are not looked at.
const SMALLEST: u64 = 4096;

/// Finds old files for those of `files` that have none.
pub(super) fn fill(
    repo: &Repo,
    from: CommitId,
    to: CommitId,
    files: &mut [NewFile],
) -> Result<(), StoreError> {
    let without = |file: &NewFile| file.old.is_none() && !file.is_symlink && file.size >= SMALLEST;
    let lost: Vec<usize> = (0..files.len()).filter(|n| without(&files[*n])).collect();
    if lost.is_empty() {
        return Ok(());
    }
    let stay: HashSet<FileId> = Contents::of(repo, to)?.files.into_iter().collect();
    let mut gone = Contents::of(repo, from)?.files;
    gone.retain(|id| !stay.contains(id));
    let old = for_all(gone.len(), |number| sketch(repo, gone[number]))?;
    let mut having: HashMap<u64, Vec<usize>> = HashMap::new();
    for (number, (_, sketch)) in old.iter().enumerate() {
        for sum in sketch {
            having.entry(*sum).or_default().push(number);
        }
    }
    if having.is_empty() {
        return Ok(());
    }
    let new = for_all(lost.len(), |number| sketch(repo, files[lost[number]].id))?;
    for (number, (size, sketch)) in lost.into_iter().zip(new) {
        files[number].old = best(size, &sketch, &having, &old).map(|number| OldFile {
            id: gone[number],
            size: old[number].0,
        });
    }
    Ok(())
}

/// The old file that has most in common; of several the one whose size is nearest.
fn best(
    size: u64,
    sketch: &[u64],
    having: &HashMap<u64, Vec<usize>>,
    old: &[(u64, Vec<u64>)],
) -> Option<usize> {
    let mut votes: HashMap<usize, usize> = HashMap::new();
    for number in sketch.iter().filter_map(|sum| having.get(sum)).flatten() {
        *votes.entry(*number).or_default() += 1;
    }
    let candidates = votes.into_iter().filter(|(_, votes)| *votes >= IN_COMMON);
    let rank = |(number, votes): &(usize, usize)| {
        let distance = old[*number].0.abs_diff(size);
        (*votes, std::cmp::Reverse((distance, *number)))
    };
    candidates.max_by_key(rank).map(|(number, _)| number)
}

/// A file's length and its sketch, which is empty of what is small or a symlink.
fn sketch(repo: &Repo, id: FileId) -> Result<(u64, Vec<u64>), StoreError> {
    let mut object = repo.open_file_object(id)?;
    let size = object.size;
    if size < SMALLEST {
        return Ok((size, Vec::new()));
    }
    let sums = sums(&mut object.unnamed());
    let sums = sums.map_err(|error| StoreError::io(id.checksum().to_string(), error))?;
    Ok((size, sums))
}

fn sums(content: &mut dyn Read) -> io::Result<Vec<u64>> {
    let mut smallest = BTreeSet::new();
    let mut limit = u64::MAX;
    let (mut sum, mut had) = (0_u64, 0_usize);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let got = content.read(&mut buffer)?;
        if got == 0 {
            return Ok(smallest.into_iter().collect());
        }
        for byte in &buffer[..got] {
            // A byte is shifted out after 64 others.
            sum = (sum << 1).wrapping_add(VALUES[*byte as usize]);
            had += 1;
            if sum < limit && had >= 64 {
                smallest.insert(sum);
                if smallest.len() > SKETCH {
                    smallest.pop_last();
                    limit = smallest.last().copied().unwrap_or(u64::MAX);
                }
            }
        }
    }
}

/// A number without a pattern for each byte.
const VALUES: [u64; 256] = {
    let mut values = [0; 256];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut byte = 0;
    while byte < 256 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        values[byte] = state.wrapping_mul(0xff51_afd7_ed55_8ccd);
        byte += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::noise;

    fn in_common(one: &[u8], other: &[u8]) -> usize {
        let sketch = |mut bytes: &[u8]| sums(&mut bytes).unwrap();
        let (one, other) = (sketch(one), sketch(other));
        one.iter().filter(|sum| other.contains(sum)).count()
    }

    #[test]
    fn files_that_share_content_share_sums_wherever_it_lies() {
        let old = noise(200_000, 5);
        assert_eq!(in_common(&old, &old), SKETCH);
        let moved = [&noise(30_001, 9), &old[50_000..], &old[..40_000]].concat();
        assert!(in_common(&old, &moved) > SKETCH / 2);
        assert_eq!(in_common(&old, &noise(200_000, 6)), 0);
        assert!(in_common(&[0; 5000], &[0; 9000]) <= 1);
        assert_eq!(in_common(b"short", b"short"), 0);
    }
}
