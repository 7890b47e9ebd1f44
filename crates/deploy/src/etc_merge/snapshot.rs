//! What is known of a tree below `/etc` when it is compared with another.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use ostler_format::{Checksum, Hasher};
use ostler_fs::copy::ChunkReader;
use ostler_fs::xattr::Xattr;
use ostler_fs::{Dir, FileType, FsError, Metadata, Next, Step, Visited, walk, xattr};

use super::Sides;

/// Names and values of a directory's attributes, in bytes.
const XATTRS_MAX_BYTES: usize = 1 << 20;

/// One path of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Kind and content.
    pub content: Content,
    /// Permission, set-id and sticky bits; 0 for a symlink.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Kind and content of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
        /// The SHA-256, if another tree has a file of this size there; two files without are different.
        digest: Option<Checksum>,
    },
    /// A symlink.
    Symlink {
        /// Its target.
        target: Vec<u8>,
    },
    /// A directory.
    Directory {
        /// Its attributes but those that the system keeps for itself, sorted by name.
        xattrs: Vec<Xattr>,
    },
    /// A fifo, socket or device node.
    Special(FileType),
}

impl Node {
    /// Makes a node of what the file system says; the mode of a symlink says nothing, and is 0.
    pub(super) fn new(metadata: &Metadata, content: Content) -> Self {
        Self {
            mode: match metadata.is_symlink() {
                true => 0,
                false => metadata.permissions(),
            },
            content,
            uid: metadata.uid,
            gid: metadata.gid,
        }
    }

    /// Says whether it is a directory.
    pub fn is_dir(&self) -> bool {
        matches!(self.content, Content::Directory { .. })
    }

    /// Says whether both are of the same kind; all that is no file, symlink or directory is one kind.
    pub fn same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(&self.content) == std::mem::discriminant(&other.content)
    }

    /// Says whether kind, owner, mode and content are the same; of a directory, attributes don't count.
    pub fn same(&self, other: &Self) -> bool {
        let content = match (&self.content, &other.content) {
            (Content::Directory { .. }, Content::Directory { .. }) => true,
            (Content::File { digest: None, .. }, Content::File { digest: None, .. }) => false,
            (a, b) => a == b,
        };
        content && (self.mode, self.uid, self.gid) == (other.mode, other.uid, other.gid)
    }
}

/// A tree: every path below its root, without a leading `/`, sorted by bytes, so that a directory comes before what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    nodes: BTreeMap<Vec<u8>, Node>,
}

impl Snapshot {
    /// Reads a tree without the content of its files; paths that vanish meanwhile are left out.
    fn read(root: &Dir) -> Result<Self, FsError> {
        let mut nodes = BTreeMap::new();
        walk(root, |step| {
            if let Step::Entry(visited) | Step::Enter(visited) = step
                && let Some(node) = node(&visited)?
            {
                nodes.insert(visited.path_bytes().to_vec(), node);
            }
            Ok::<_, FsError>(Next::Continue)
        })?;
        Ok(Self { nodes })
    }

    /// Makes a tree of paths that were read elsewhere.
    pub(super) fn of(nodes: BTreeMap<Vec<u8>, Node>) -> Self {
        Self { nodes }
    }

    /// The paths in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.nodes
            .iter()
            .map(|(path, node)| (path.as_slice(), node))
    }

    /// What is at a path.
    pub fn get(&self, path: &[u8]) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// What is below a path, in order, with whole paths.
    pub fn below<'a>(&'a self, path: &[u8]) -> impl Iterator<Item = (&'a [u8], &'a Node)> {
        let prefix = [path, b"/"].concat();
        let from = (Bound::Included(prefix.clone()), Bound::Unbounded);
        self.nodes
            .range::<Vec<u8>, _>(from)
            .take_while(move |(path, _)| path.starts_with(&prefix))
            .map(|(path, node)| (path.as_slice(), node))
    }

    /// Says whether two trees are the same at and below a path.
    pub fn same_at(&self, other: &Self, path: &[u8]) -> bool {
        let same = match (self.get(path), other.get(path)) {
            (Some(a), Some(b)) => a.same(b),
            (None, None) => true,
            _ => false,
        };
        same && self.below(path).count() == other.below(path).count()
            && self
                .below(path)
                .zip(other.below(path))
                .all(|(a, b)| a.0 == b.0 && a.1.same(b.1))
    }
}

impl FromIterator<(Vec<u8>, Node)> for Snapshot {
    fn from_iter<I: IntoIterator<Item = (Vec<u8>, Node)>>(nodes: I) -> Self {
        Self {
            nodes: nodes.into_iter().collect(),
        }
    }
}

/// Splits a path into that of its directory, `.` for the top one, and its name.
#[must_use]
pub fn split_path(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b".", path),
    }
}

/// Says whether `path` is `top`, or below it; the empty path is above all.
#[must_use]
pub fn is_beneath(path: &[u8], top: &[u8]) -> bool {
    top.is_empty()
        || path
            .strip_prefix(top)
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// The parents of a path, the topmost first.
pub(crate) fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'/')
        .map(|(at, _)| &path[..at])
}

/// Says which attributes belong to the system and not to a person: labels and measurements, which are set anew.
pub(super) fn is_systems_own(attribute: &[u8]) -> bool {
    matches!(
        attribute,
        b"security.selinux" | b"security.ima" | b"security.evm"
    )
}

fn node(visited: &Visited<'_>) -> Result<Option<Node>, FsError> {
    let metadata = visited.metadata;
    let content = match metadata.file_type {
        FileType::Regular => Content::File {
            size: metadata.size,
            digest: None,
        },
        FileType::Directory => {
            let dir = visited.dir().expect("the walk opens every directory");
            let mut xattrs = xattr::all(dir, XATTRS_MAX_BYTES)?;
            xattrs.retain(|(name, _)| !is_systems_own(name));
            Content::Directory { xattrs }
        }
        FileType::Symlink => match visited.parent().read_link_optional(visited.c_name())? {
            Some(target) => Content::Symlink { target },
            None => return Ok(None),
        },
        other => Content::Special(other),
    };
    Ok(Some(Node::new(metadata, content)))
}

/// The three trees of a merge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshots {
    /// `usr/etc` of the old deployment.
    pub old_default: Snapshot,
    /// `etc` of the old deployment.
    pub person: Snapshot,
    /// `usr/etc` of the new deployment.
    pub new_default: Snapshot,
    /// Files of the person's that vanished while they were read; `person` has what they were.
    pub vanished: BTreeSet<Vec<u8>>,
}

impl Snapshots {
    /// Reads three trees, and content of files where two trees have one of the same size.
    ///
    /// # Errors
    /// [`FsError`] if a directory or a file can't be read.
    pub fn read(sides: Sides<'_>) -> Result<Self, FsError> {
        let mut trees = [
            Snapshot::read(sides.old_default)?,
            Snapshot::read(sides.person)?,
            Snapshot::read(sides.new_default)?,
        ];
        let dirs = [sides.old_default, sides.person, sides.new_default];
        let vanished = fill_digests(&mut trees, &dirs)?;
        let [old_default, person, new_default] = trees;
        Ok(Self {
            old_default,
            person,
            new_default,
            vanished,
        })
    }

    /// Reads a default and the person's tree.
    pub(crate) fn read_two(default: &Dir, person: &Dir) -> Result<(Snapshot, Snapshot), FsError> {
        let mut trees = [Snapshot::read(default)?, Snapshot::read(person)?];
        let vanished = fill_digests(&mut trees, &[default, person])?;
        let [default, mut person] = trees;
        person.nodes.retain(|path, _| !vanished.contains(path));
        Ok((default, person))
    }
}

/// The place of the person's tree, the only one in which files may vanish.
const PERSON: usize = 1;

fn fill_digests<const N: usize>(
    trees: &mut [Snapshot; N],
    dirs: &[&Dir; N],
) -> Result<BTreeSet<Vec<u8>>, FsError> {
    let mut vanished = BTreeSet::new();
    let mut chunks = ChunkReader::new();
    for side in 0..N {
        let wanted: Vec<(Vec<u8>, u64)> = trees[side]
            .nodes
            .iter()
            .filter(|(path, node)| {
                let size = file_size(node);
                size.is_some()
                    && (0..N).any(|other| {
                        other != side && trees[other].get(path).and_then(file_size) == size
                    })
            })
            .filter_map(|(path, node)| Some((path.clone(), file_size(node)?)))
            .collect();
        for (path, size) in wanted {
            match read_digest(dirs[side], &path, size, &mut chunks) {
                Ok(Some(content)) => {
                    if let Some(node) = trees[side].nodes.get_mut(&path) {
                        node.content = content;
                    }
                }
                Ok(None) if side == PERSON => {
                    vanished.insert(path);
                }
                // A default is not written to; then it is different from everything.
                Ok(None) => (),
                Err(error) if side == PERSON && is_vanished(&error) => {
                    vanished.insert(path);
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(vanished)
}

fn file_size(node: &Node) -> Option<u64> {
    match node.content {
        Content::File { size, .. } => Some(size),
        _ => None,
    }
}

/// Reads one byte more than `listed_size` at most, which is enough to see that a file has grown; `None` if it is no regular file by now.
pub(super) fn read_digest(
    root: &Dir,
    path: &[u8],
    listed_size: u64,
    chunks: &mut ChunkReader,
) -> Result<Option<Content>, FsError> {
    let file = root.open_file_beneath(path)?;
    if !ostler_fs::file::metadata(&file)?.is_file() {
        return Ok(None);
    }
    let limit = listed_size.saturating_add(1);
    let mut hasher = Hasher::new();
    let mut size = 0;
    while size < limit {
        let chunk = chunks.next(&file, limit - size)?;
        if chunk.is_empty() {
            break;
        }
        size += chunk.len() as u64;
        hasher.update(chunk);
    }
    let digest = Some(hasher.finish());
    Ok(Some(Content::File { size, digest }))
}

/// Says whether an error means that the path is gone or is something else by now.
pub(super) fn is_vanished(error: &FsError) -> bool {
    use std::io::ErrorKind;
    // A symlink, and a socket or a fifo that nobody reads; the standard library has no kind for them.
    const ELOOP: i32 = 40;
    const ENXIO: i32 = 6;
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory
    ) || matches!(error.raw_os_error(), Some(ELOOP | ENXIO))
}
