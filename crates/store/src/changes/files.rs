//! Two trees compared file by file.

use std::collections::BTreeMap;

use ostler_format::{DirMetaId, DirTreeId, FileId};

use super::{Changes, Count, Fetch, LARGEST, SizeChange, size_of};
use crate::error::StoreError;
use crate::repo::Repo;

/// Compares two directories with all that is below them.
pub(super) fn compare(repo: &Repo, from: DirTreeId, to: DirTreeId) -> Result<Changes, StoreError> {
    let mut walk = Walk {
        repo,
        left: vec![(String::new(), Some(from), Some(to))],
        changes: Changes {
            added: Count::default(),
            removed: Count::default(),
            changed: Count::default(),
            directories_added: 0,
            directories_removed: 0,
            growth_bytes: 0,
            largest: Vec::new(),
            fetch: Fetch::default(),
        },
    };
    while let Some((path, before, after)) = walk.left.pop() {
        if before != after {
            walk.directory(&path, before, after)?;
        }
    }
    let mut changes = walk.changes;
    changes.keep_largest();
    Ok(changes)
}

struct Walk<'r> {
    repo: &'r Repo,
    /// Directories that are to be compared, without recursion: how deep a tree is decides whoever made it.
    left: Vec<(String, Option<DirTreeId>, Option<DirTreeId>)>,
    changes: Changes,
}

/// What a directory has.
#[derive(Default)]
struct Listing {
    files: BTreeMap<String, FileId>,
    dirs: BTreeMap<String, (DirTreeId, DirMetaId)>,
}

impl Walk<'_> {
    fn listing(&self, id: Option<DirTreeId>) -> Result<Listing, StoreError> {
        let Some(id) = id else {
            return Ok(Listing::default());
        };
        let tree = self.repo.read_dirtree(id)?;
        let dirs = tree.dirs.into_iter();
        Ok(Listing {
            files: tree.files.into_iter().collect(),
            dirs: dirs.map(|dir| (dir.name, (dir.tree, dir.meta))).collect(),
        })
    }

    fn directory(
        &mut self,
        path: &str,
        before: Option<DirTreeId>,
        after: Option<DirTreeId>,
    ) -> Result<(), StoreError> {
        let (before, after) = (self.listing(before)?, self.listing(after)?);
        for (name, old) in &before.files {
            let new = after.files.get(name);
            if new != Some(old) {
                self.file(format!("{path}/{name}"), Some(*old), new.copied())?;
            }
        }
        for (name, new) in &after.files {
            if !before.files.contains_key(name) {
                self.file(format!("{path}/{name}"), None, Some(*new))?;
            }
        }
        for (name, (old, _)) in &before.dirs {
            let new = after.dirs.get(name).map(|(tree, _)| *tree);
            self.changes.directories_removed += u64::from(new.is_none());
            self.left.push((format!("{path}/{name}"), Some(*old), new));
        }
        for (name, (new, _)) in &after.dirs {
            if !before.dirs.contains_key(name) {
                self.changes.directories_added += 1;
                self.left.push((format!("{path}/{name}"), None, Some(*new)));
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        path: String,
        before: Option<FileId>,
        after: Option<FileId>,
    ) -> Result<(), StoreError> {
        let size = |id: Option<FileId>| id.map_or(Ok(0), |id| size_of(self.repo, id));
        let (before_bytes, after_bytes) = (size(before)?, size(after)?);
        let changes = &mut self.changes;
        let (count, bytes) = match (before, after) {
            (None, _) => (&mut changes.added, after_bytes),
            (_, None) => (&mut changes.removed, before_bytes),
            _ => (&mut changes.changed, after_bytes),
        };
        count.files += 1;
        count.bytes = count.bytes.saturating_add(bytes);
        let change = SizeChange {
            path,
            before_bytes,
            after_bytes,
        };
        changes.growth_bytes = changes.growth_bytes.saturating_add(change.growth());
        if change.growth() != 0 {
            changes.largest.push(change);
        }
        if changes.largest.len() >= 64 * LARGEST {
            changes.keep_largest();
        }
        Ok(())
    }
}

impl Changes {
    fn keep_largest(&mut self) {
        self.largest.sort_by(|a, b| {
            let by_growth = b.growth().unsigned_abs().cmp(&a.growth().unsigned_abs());
            by_growth.then_with(|| a.path.cmp(&b.path))
        });
        self.largest.truncate(LARGEST);
    }
}

impl SizeChange {
    /// By how many bytes the file is larger.
    #[must_use]
    pub fn growth(&self) -> i64 {
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        signed(self.after_bytes) - signed(self.before_bytes)
    }
}
