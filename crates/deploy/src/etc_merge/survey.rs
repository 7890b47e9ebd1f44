//! What a person changed in `/etc`, with what it was and what it is; works without privilege, as far as that reads.
//!
//! A merge must read all of it or fail. A survey leaves out what the one who asks may not read, and says so.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read as _};

use ostler_format::Checksum;
use ostler_fs::copy::ChunkReader;
use ostler_fs::{Dir, FileType, FsError};

use super::EtcMergeError;
use super::conflict::shown;
use super::diff::diff;
use super::snapshot::{Content, Node, Snapshot, is_beneath, is_vanished, read_digest};

/// Directories within each other that are looked at; what is deeper counts as not readable.
const MAX_DEPTH: usize = 128;

/// How a path differs from the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Both have it.
    Modified,
    /// The default has it, the person has not.
    Removed,
    /// The person has it, the default has not.
    Added,
}

/// A path that a person changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path below `/etc`.
    pub path: Vec<u8>,
    /// How it differs.
    pub kind: ChangeKind,
    /// What the default has.
    pub default: Option<Node>,
    /// What the person has.
    pub person: Option<Node>,
}

impl Change {
    /// Returns the path as text, from which nothing is lost.
    #[must_use]
    pub fn shown_path(&self) -> String {
        shown(&self.path)
    }

    /// Says whether it is at `path`, or below it; the empty path is all of `/etc`.
    #[must_use]
    pub fn is_beneath(&self, path: &[u8]) -> bool {
        is_beneath(&self.path, path)
    }
}

/// What a person changed, sorted by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// The changes that could be seen.
    pub changes: Vec<Change>,
    /// Paths that could not be compared for want of privilege, as text.
    pub unreadable: Vec<String>,
}

/// Compares a person's tree with a default. Of files, attributes beyond owner and mode do not count, as in a merge.
///
/// # Errors
/// [`EtcMergeError`] if a tree cannot be read, for another reason than privilege.
pub fn survey(default: &Dir, person: &Dir) -> Result<Survey, EtcMergeError> {
    let mut unreadable = BTreeSet::new();
    let mut before = tree(default, &mut unreadable)?;
    let mut after = tree(person, &mut unreadable)?;
    for path in &unreadable {
        let below = [path.as_slice(), b"/"].concat();
        before.retain(|other, _| !other.starts_with(&below));
        after.retain(|other, _| !other.starts_with(&below));
    }
    compare_contents(
        [default, person],
        [&mut before, &mut after],
        &mut unreadable,
    )?;
    let (before, after) = (Snapshot::of(before), Snapshot::of(after));
    let found = diff(&before, &after);
    let change = |kind, path: &Vec<u8>| Change {
        path: path.clone(),
        kind,
        default: before.get(path).cloned(),
        person: after.get(path).cloned(),
    };
    let modified = found
        .modified
        .iter()
        .map(|path| change(ChangeKind::Modified, path));
    let removed = found
        .removed
        .iter()
        .map(|path| change(ChangeKind::Removed, path));
    let added = found
        .added
        .iter()
        .map(|path| change(ChangeKind::Added, path));
    let mut changes: Vec<Change> = modified.chain(removed).chain(added).collect();
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Survey {
        changes,
        unreadable: unreadable.iter().map(|path| shown(path)).collect(),
    })
}

/// Reads a file below a tree as text; `None` if it is no regular file, longer than `cap_bytes`, or no text.
///
/// # Errors
/// [`FsError`] if it is there and cannot be read.
pub fn read_text(root: &Dir, path: &[u8], cap_bytes: u64) -> Result<Option<String>, FsError> {
    let file = match root.open_file_beneath(path) {
        Err(error) if is_vanished(&error) => return Ok(None),
        file => file?,
    };
    if !ostler_fs::file::metadata(&file)?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(cap_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| FsError::new("read", shown(path), error))?;
    if bytes.len() as u64 > cap_bytes || bytes.contains(&0) {
        return Ok(None);
    }
    Ok(String::from_utf8(bytes).ok())
}

type Nodes = BTreeMap<Vec<u8>, Node>;

fn tree(root: &Dir, unreadable: &mut BTreeSet<Vec<u8>>) -> Result<Nodes, FsError> {
    let mut nodes = Nodes::new();
    let mut waiting = vec![(root.try_clone()?, Vec::new(), 0)];
    while let Some((dir, prefix, depth)) = waiting.pop() {
        for entry in dir.entries()?.iter() {
            let mut path: Vec<u8> = prefix.clone();
            path.extend_from_slice(entry.name());
            let Some(metadata) = dir.metadata_optional(entry.c_name())? else {
                continue;
            };
            let content = match metadata.file_type {
                FileType::Regular => Content::File {
                    size: metadata.size,
                    digest: None,
                },
                FileType::Symlink => match dir.read_link_optional(entry.c_name())? {
                    Some(target) => Content::Symlink { target },
                    None => continue,
                },
                FileType::Directory => {
                    let opened = dir.open_dir_optional(entry.c_name());
                    match opened.and_then(|dir| {
                        // Whether its names may be read shows only when they are.
                        dir.map(|dir| dir.entries().map(|_| dir)).transpose()
                    }) {
                        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                            unreadable.insert(path.clone());
                        }
                        Err(error) if is_vanished(&error) => continue,
                        Ok(Some(inner)) if depth < MAX_DEPTH => {
                            let prefix = [path.as_slice(), b"/"].concat();
                            waiting.push((inner, prefix, depth + 1));
                        }
                        Ok(Some(_)) => {
                            unreadable.insert(path.clone());
                        }
                        Ok(None) => continue,
                        Err(error) => return Err(error),
                    }
                    Content::Directory { xattrs: Vec::new() }
                }
                other => Content::Special(other),
            };
            nodes.insert(path, Node::new(&metadata, content));
        }
    }
    Ok(nodes)
}

/// Reads files of which both trees have one of the same size. Those that may not be read count as the same.
fn compare_contents(
    dirs: [&Dir; 2],
    trees: [&mut Nodes; 2],
    unreadable: &mut BTreeSet<Vec<u8>>,
) -> Result<(), FsError> {
    let [before, after] = trees;
    let size = |node: &Node| match node.content {
        Content::File { size, .. } => Some(size),
        _ => None,
    };
    let mut chunks = ChunkReader::new();
    for (path, old) in before.iter_mut() {
        let Some((new, bytes)) = after.get_mut(path).and_then(|new| {
            let bytes = size(old)?;
            (size(new) == Some(bytes)).then_some((new, bytes))
        }) else {
            continue;
        };
        let mut contents = Vec::new();
        for dir in dirs {
            match read_digest(dir, path, bytes, &mut chunks) {
                Ok(found) => contents.extend(found),
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    unreadable.insert(path.clone());
                }
                Err(error) if is_vanished(&error) => (),
                Err(error) => return Err(error),
            }
        }
        if unreadable.contains(path) {
            let digest = Some(Checksum::of(b""));
            contents = vec![
                Content::File {
                    size: bytes,
                    digest
                };
                2
            ];
        }
        if let [a, b] = contents.as_slice() {
            (old.content, new.content) = (a.clone(), b.clone());
        }
    }
    Ok(())
}
