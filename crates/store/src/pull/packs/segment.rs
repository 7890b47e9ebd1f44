//! Which parts of packs are asked for.

use std::sync::Arc;

use ostler_format::ObjectName;
use ostler_http::Part;

use crate::pack::{Framing, Group};

/// Bytes between two groups that are fetched along rather than asked around: a request costs more.
const GAP: u64 = 64 << 10;
/// Where a part ends if it can, so that several come at once and one that fails is no great loss.
const PART: u64 = 8 << 20;
/// Bytes from which a group comes in a part of its own, which a pull after a kill goes on with.
const ALONE: u64 = 4 << 20;

/// A file of the remote's that groups are in.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartFile {
    pub(crate) path: String,
    pub(crate) size: u64,
}

/// A group, and which of its objects are wanted.
#[derive(Clone, Debug)]
pub(crate) struct WantedGroup {
    pub(crate) group: Arc<Group>,
    /// For each object of the group its name, if it is wanted.
    pub(crate) wanted: Vec<Option<ObjectName>>,
}

/// A part of a file with the groups in it.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) file: Arc<PartFile>,
    /// In order; the part begins with the first and ends with the last.
    pub(crate) groups: Vec<WantedGroup>,
}

impl Segment {
    /// What is asked for.
    pub(crate) fn part(&self) -> Part {
        let first = self.first();
        let end = self.groups.last().map_or(first, end);
        Part {
            first,
            length: end - first,
            whole: self.file.size,
        }
    }

    /// Whether it is of a native delta, and takes more memory to unpack.
    pub(crate) fn is_of_delta(&self) -> bool {
        let framing = self.groups.first().map(|group| &group.group.framing);
        matches!(framing, Some(Framing::AfterOld(..)))
    }

    /// By which name the beginning is kept, if it is worth it.
    pub(crate) fn kept_as(&self) -> Option<String> {
        let is_large = matches!(&self.groups[..], [only] if only.group.packed >= ALONE);
        let path = self.file.path.replace('/', "-");
        (is_large && !self.is_of_delta()).then(|| format!("part-of-{path}-{}", self.first()))
    }

    /// Where it begins in the file.
    pub(crate) fn first(&self) -> u64 {
        self.groups.first().map_or(0, |group| group.group.offset)
    }

    /// The objects that are wanted of it.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = ObjectName> {
        let names = self.groups.iter().flat_map(|group| &group.wanted);
        names.filter_map(|name| *name)
    }
}

fn end(group: &WantedGroup) -> u64 {
    group.group.ends()
}

/// Lays groups that lie close together into parts.
pub(super) fn segments(mut groups: Vec<(Arc<PartFile>, WantedGroup)>) -> Vec<Segment> {
    groups.sort_by(|(file, group), (other, second)| {
        (file, group.group.offset).cmp(&(other, second.group.offset))
    });
    let mut segments: Vec<Segment> = Vec::new();
    for (file, group) in groups {
        let joined = segments.last_mut().filter(|last| {
            let ends = last.groups.last().map_or(0, end);
            let packed = last.groups.last().map_or(0, |last| last.group.packed);
            last.file == file
                && packed.max(group.group.packed) < ALONE
                // Two indexes may name the same group.
                && group.group.offset >= ends
                && group.group.offset - ends <= GAP
                && end(&group) - last.first() <= PART
        });
        match joined {
            Some(segment) => segment.groups.push(group),
            None => segments.push(Segment {
                file,
                groups: vec![group],
            }),
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(groups: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let file = Arc::new(PartFile {
            path: "pack".to_owned(),
            size: 1 << 40,
        });
        let group = |&(offset, packed): &(u64, u64)| {
            let group = Arc::new(Group {
                offset,
                packed,
                members: Vec::new(),
                framing: Framing::Plain,
            });
            let wanted = Vec::new();
            (Arc::clone(&file), WantedGroup { group, wanted })
        };
        let segments = segments(groups.iter().map(group).collect());
        segments
            .iter()
            .map(|segment| (segment.part().first, segment.part().length))
            .collect()
    }

    #[test]
    fn neighbours_come_together_and_large_parts_are_cut() {
        assert_eq!(parts(&[(100, 10), (0, 10)]), [(0, 110)]);
        let far = 20 + GAP;
        assert_eq!(
            parts(&[(0, 20), (far, 5), (far + GAP + 6, 1)]),
            [(0, far + 5), (far + GAP + 6, 1)]
        );
        assert_eq!(
            parts(&[(0, 5), (5, ALONE), (5 + ALONE, 5), (10 + ALONE, 5)]),
            [(0, 5), (5, ALONE), (5 + ALONE, 10)]
        );
        assert_eq!(
            parts(&[(0, PART), (PART, 1), (PART + 1, 2 * PART)]),
            [(0, PART), (PART, 1), (PART + 1, 2 * PART)]
        );
        assert_eq!(parts(&[(0, 10), (0, 10)]), [(0, 10), (0, 10)]);
    }
}
