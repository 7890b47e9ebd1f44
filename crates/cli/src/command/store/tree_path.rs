//! A path in a commit's tree.

use ostler_format::{CommitId, DirMetaId, DirTreeId, DirTreeRef, FileId, ObjectKind, ObjectName};
use ostler_store::{Repo, StoreError};

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A directory.
    Dir { tree: DirTreeId, meta: DirMetaId },
    /// A regular file or symlink.
    File { id: FileId },
}

/// Finds `path` in the tree of `commit`; it may begin with `/`, and `.` and `..` are resolved by name.
///
/// # Errors
/// No such path, or an object that can't be read.
pub(super) fn find(repo: &Repo, commit: CommitId, path: &str) -> anyhow::Result<Found> {
    let root = repo.read_commit(commit)?;
    let parts = normalize(path);
    let (mut tree, mut meta) = (root.tree, root.meta);
    for (at, part) in parts.iter().enumerate() {
        let name = ObjectName::new(tree.checksum(), ObjectKind::DirTree);
        let bytes = repo.read_metadata(&name)?;
        let listing =
            DirTreeRef::parse(&bytes).map_err(|source| StoreError::Malformed { name, source })?;
        if let Some(dir) = listing.dir(part) {
            (tree, meta) = (dir.tree, dir.meta);
            continue;
        }
        match listing.file(part) {
            Some(id) if at + 1 == parts.len() => return Ok(Found::File { id }),
            Some(_) => anyhow::bail!("Not a directory: /{}", parts[..=at].join("/")),
            None => anyhow::bail!("No such file or directory: /{}", parts.join("/")),
        }
    }
    Ok(Found::Dir { tree, meta })
}

/// Returns the parts of a path without `.`, `..` and empty ones.
pub(super) fn normalize(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leads_above_the_root() {
        assert_eq!(normalize("/a/./b//c"), ["a", "b", "c"]);
        assert_eq!(normalize("../../a/../b/"), ["b"]);
        assert!(normalize("/").is_empty());
    }
}
