//! What a person changed against a default.

use std::collections::BTreeSet;
use std::fmt;

use super::conflict::shown;
use super::snapshot::{Snapshot, parents};

/// Changed paths, each list sorted by bytes.
///
/// A removed directory stands for all that was in it, an added one does not. Below a path that changed its kind nothing is listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Paths with other content, owner, mode or kind.
    pub modified: Vec<Vec<u8>>,
    /// Paths that are gone.
    pub removed: Vec<Vec<u8>>,
    /// New paths.
    pub added: Vec<Vec<u8>>,
}

/// Compares a person's tree with a default.
pub fn diff(default: &Snapshot, person: &Snapshot) -> Changes {
    let mut changes = Changes::default();
    // Paths below which nothing is listed.
    let mut closed: BTreeSet<&[u8]> = BTreeSet::new();
    for (path, node) in default.iter() {
        if parents(path).any(|parent| closed.contains(parent)) {
            continue;
        }
        match person.get(path) {
            None => {
                closed.insert(path);
                changes.removed.push(path.to_vec());
            }
            Some(theirs) if !node.same_kind(theirs) => {
                closed.insert(path);
                changes.modified.push(path.to_vec());
            }
            Some(theirs) if !node.same(theirs) => changes.modified.push(path.to_vec()),
            Some(_) => (),
        }
    }
    for (path, _) in person.iter() {
        if default.get(path).is_none() && !parents(path).any(|parent| closed.contains(parent)) {
            changes.added.push(path.to_vec());
        }
    }
    changes
}

/// One line a path, as `ostree admin config-diff` prints: `M`, `D` or `A`, four blanks, the path.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = [
            ('M', &self.modified),
            ('D', &self.removed),
            ('A', &self.added),
        ];
        for (letter, paths) in lists {
            for path in paths {
                writeln!(f, "{letter}    {}", shown(path))?;
            }
        }
        Ok(())
    }
}
