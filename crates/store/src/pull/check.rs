//! What is checked of a commit before it is taken. Pure.

use ostler_format::{Commit, CommitId, RefName, SIZES_KEY, SizeEntry, parse_sizes};
use ostler_fs::Space;

/// The metadata key with the names of the refs that a commit was made for.
const REF_BINDING: &str = "ostree.ref-binding";
/// The metadata key with the id of the collection that a commit was made for.
const COLLECTION_BINDING: &str = "ostree.collection-binding";

/// A commit that is not for the ref by which it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingFault {
    /// It does not say for which refs it was made.
    #[error("Expected commit metadata to have ref binding information, found none")]
    NoRefs,
    /// It was made for other refs.
    #[error("Commit has no requested ref `{wanted}` in ref binding metadata ({})", bound.join(", "))]
    OtherRefs {
        /// The ref.
        wanted: String,
        /// The refs that it was made for.
        bound: Vec<String>,
    },
    /// It does not say for which collection it was made.
    #[error("Expected commit metadata to have collection ID binding information, found none")]
    NoCollection,
    /// It was made for another collection.
    #[error(
        "Commit has collection ID `{bound}` in collection binding metadata, while the remote it came from has collection ID `{wanted}`"
    )]
    OtherCollection {
        /// The remote's collection.
        wanted: String,
        /// The commit's collection.
        bound: String,
    },
}

/// Checks that `commit` was made for the ref `name`, and for the collection that the remote is known by.
pub(crate) fn bindings(
    commit: &Commit,
    name: &RefName,
    collection: Option<&str>,
) -> Result<(), BindingFault> {
    let refs = commit
        .metadata
        .get(REF_BINDING)
        .and_then(|value| value.as_strings());
    match refs {
        None if collection.is_some() => return Err(BindingFault::NoRefs),
        None => {}
        Some(bound) if !bound.contains(&name.as_str()) => {
            return Err(BindingFault::OtherRefs {
                wanted: name.to_string(),
                bound: bound.into_iter().map(str::to_owned).collect(),
            });
        }
        Some(_) => {}
    }
    let Some(wanted) = collection else {
        return Ok(());
    };
    match commit.metadata.get_str(COLLECTION_BINDING) {
        None => Err(BindingFault::NoCollection),
        Some(bound) if bound != wanted => Err(BindingFault::OtherCollection {
            wanted: wanted.to_owned(),
            bound: bound.to_owned(),
        }),
        Some(_) => Ok(()),
    }
}

/// A commit that is older than the one it would follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Upgrade target revision '{target}' with timestamp '{target_time}' is chronologically older than current revision '{current}' with timestamp '{current_time}'"
)]
pub struct OlderCommit {
    /// The commit that was asked for.
    pub target: CommitId,
    /// Seconds since 1970-01-01 UTC.
    pub target_time: u64,
    /// The commit that it would follow.
    pub current: CommitId,
    /// Seconds since 1970-01-01 UTC.
    pub current_time: u64,
}

/// Checks that `target` is not older than `current`.
pub(crate) fn timestamps(
    target: (CommitId, u64),
    current: (CommitId, u64),
) -> Result<(), OlderCommit> {
    if target.1 >= current.1 {
        return Ok(());
    }
    Err(OlderCommit {
        target: target.0,
        target_time: target.1,
        current: current.0,
        current_time: current.1,
    })
}

/// The sizes that a commit gives of its objects; none if it gives none, or nonsense.
pub(crate) fn sizes(commit: &Commit) -> Vec<SizeEntry> {
    let value = commit.metadata.get(SIZES_KEY);
    value.map_or_else(Vec::new, |value| parse_sizes(value).unwrap_or_default())
}

/// The free inodes, if they are fewer than the `needed` files, of a file system that counts them.
pub(crate) fn inodes(needed: u64, space: &Space) -> Option<u64> {
    let short = space.total_inodes > 0 && space.free_inodes < needed;
    short.then_some(space.free_inodes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_format::{Checksum, Metadata, Value};

    fn commit(refs: Option<&[&str]>, collection: Option<&str>) -> Commit {
        let mut metadata = Metadata::new();
        if let Some(refs) = refs {
            metadata.insert(REF_BINDING, Value::strings(refs.iter().copied()));
        }
        if let Some(collection) = collection {
            metadata.insert(COLLECTION_BINDING, Value::from(collection));
        }
        let none = Checksum::new([0; 32]);
        Commit {
            metadata,
            parent: None,
            related: Vec::new(),
            subject: String::new(),
            body: String::new(),
            timestamp: 0,
            tree: none.into(),
            meta: none.into(),
        }
    }

    #[test]
    fn a_binding_is_needed_only_where_the_remote_has_a_collection() {
        let main = RefName::new("main").unwrap();
        for (refs, own, wanted, ok) in [
            (None, None, None, true),
            (Some(&["main", "x"][..]), None, None, true),
            (Some(&["x"]), None, None, false),
            (Some(&[]), None, None, false),
            (None, Some("org.a"), Some("org.a"), false),
            (Some(&["main"]), None, Some("org.a"), false),
            (Some(&["main"]), Some("org.b"), Some("org.a"), false),
            (Some(&["main"]), Some(""), Some("org.a"), false),
            (Some(&["main"]), Some("org.a"), Some("org.a"), true),
            (Some(&["main"]), Some("org.b"), None, true),
        ] {
            let result = bindings(&commit(refs, own), &main, wanted);
            assert_eq!(result.is_ok(), ok, "{refs:?} {own:?} {wanted:?}");
        }
    }

    #[test]
    fn files_need_inodes_where_inodes_are_counted() {
        let space = |total_inodes, free_inodes| Space {
            total_bytes: 1 << 30,
            free_bytes: 1 << 29,
            available_bytes: 1 << 29,
            block_bytes: 4096,
            total_inodes,
            free_inodes,
        };
        assert_eq!(inodes(11, &space(100, 10)), Some(10));
        assert_eq!(inodes(10, &space(100, 10)), None);
        assert_eq!(inodes(u64::MAX, &space(0, 0)), None);
    }

    #[test]
    fn a_commit_of_the_same_second_is_not_older() {
        let (a, b) = (
            CommitId::new(Checksum::new([1; 32])),
            CommitId::new(Checksum::new([2; 32])),
        );
        assert!(timestamps((a, 5), (b, 5)).is_ok());
        assert!(timestamps((a, 4), (b, 5)).is_err());
    }
}
