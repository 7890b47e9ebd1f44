//! Images of trees for composefs: a commit's metadata as an EROFS file system whose files are this repository's objects.
//!
//! An image is the same for every mode: files are named as a `bare` repository has them. What an operating system needs as
//! mount points (`/boot`, `/etc`, `/sysroot`, `/usr`, `/var`) is there even where the commit has no such directory.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use ostler_format::composefs::{
    Attributes, Backing, Directory, ImageError, Node, VerityHasher, to_image,
};
use ostler_format::{
    Checksum, CommitId, DirMeta, DirMetaId, DirTree, DirTreeId, FileHeader, FileId, ObjectName,
    StorageForm, Value,
};
use ostler_fs::MAX_DEPTH;

use crate::error::StoreError;
use crate::object::FileObject;
use crate::parallel::for_all;
use crate::progress::{Event, Phase, Sink};
use crate::repo::Repo;
use crate::transaction::Transaction;

pub use ostler_format::composefs::DIGEST_KEY;

/// The directories that every image has, with mode 0755.
const MOUNT_POINTS: [&str; 5] = ["boot", "etc", "sysroot", "usr", "var"];
const BUFFER: usize = 128 * 1024;

/// Whether an image says by which fs-verity digests its files are to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verity {
    /// It does; each file is read to know its digest.
    Digests,
    /// It does not: the image can be used over objects without fs-verity, and nothing checks them.
    Unchecked,
}

/// An image that was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposefsError {
    /// An object cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tree has something that no image can hold.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The image is not the one that the commit speaks of.
    #[error(
        "the composefs image has digest {actual}, which doesn't match expected digest {expected} of the commit"
    )]
    Mismatch {
        /// The image's.
        actual: Checksum,
        /// The commit's, as hexadecimal digits.
        expected: String,
    },
    /// The tree is too deep to be anybody's.
    #[error("`{path}` is more than {MAX_DEPTH} levels deep")]
    TooDeep {
        /// Where.
        path: String,
    },
}

/// Makes the image of a commit, and checks it where the commit says which digest it has.
///
/// # Errors
/// [`ComposefsError`], [`ComposefsError::Mismatch`] among them with [`Verity::Digests`].
pub fn of_commit(
    repo: &Repo,
    commit: CommitId,
    verity: Verity,
    sink: &dyn Sink,
) -> Result<Vec<u8>, ComposefsError> {
    let parsed = repo.read_commit(commit)?;
    let image = image(repo, (parsed.tree, parsed.meta), verity, sink)?;
    let recorded = parsed.metadata.get(DIGEST_KEY).and_then(Value::as_bytes);
    let Some(expected) = recorded.filter(|_| verity == Verity::Digests) else {
        return Ok(image);
    };
    let actual = digest(&image);
    if actual.as_bytes()[..] != *expected {
        let expected = expected.iter().map(|byte| format!("{byte:02x}")).collect();
        return Err(ComposefsError::Mismatch { actual, expected });
    }
    Ok(image)
}

/// What objects are read from.
pub trait Objects: Sync {
    /// Reads a listing.
    ///
    /// # Errors
    /// [`StoreError`] if it is missing or malformed.
    fn dirtree(&self, id: DirTreeId) -> Result<DirTree, StoreError>;

    /// Reads the metadata of a directory.
    ///
    /// # Errors
    /// [`StoreError`] if it is missing or malformed.
    fn dirmeta(&self, id: DirMetaId) -> Result<DirMeta, StoreError>;

    /// Opens a file.
    ///
    /// # Errors
    /// [`StoreError`] if it is missing or malformed.
    fn file(&self, id: FileId) -> Result<FileObject, StoreError>;
}

impl Objects for Repo {
    fn dirtree(&self, id: DirTreeId) -> Result<DirTree, StoreError> {
        self.read_dirtree(id)
    }

    fn dirmeta(&self, id: DirMetaId) -> Result<DirMeta, StoreError> {
        self.read_dirmeta(id)
    }

    fn file(&self, id: FileId) -> Result<FileObject, StoreError> {
        self.open_file_object(id)
    }
}

impl Objects for Transaction<'_> {
    fn dirtree(&self, id: DirTreeId) -> Result<DirTree, StoreError> {
        self.read_dirtree(id)
    }

    fn dirmeta(&self, id: DirMetaId) -> Result<DirMeta, StoreError> {
        self.read_dirmeta(id)
    }

    fn file(&self, id: FileId) -> Result<FileObject, StoreError> {
        self.open_file_object(id)
    }
}

/// Makes the image of the tree of a commit.
///
/// The memory is that of the image, some hundred bytes a file, about three times.
///
/// # Errors
/// [`ComposefsError`].
pub fn image(
    objects: &impl Objects,
    (tree, meta): (DirTreeId, DirMetaId),
    verity: Verity,
    sink: &dyn Sink,
) -> Result<Vec<u8>, ComposefsError> {
    let mut tree = read_tree(objects, (tree, meta), "", 0)?;
    for name in MOUNT_POINTS {
        tree.dirs.entry(name.to_owned()).or_insert_with(mount_point);
    }
    tree.dirs.retain(|name, _| !tree.files.contains_key(name));
    let mut ids = Vec::new();
    tree.collect_files(&mut ids);
    ids.sort_unstable();
    ids.dedup();
    let phase = Phase::Image;
    sink.event(Event::Begin {
        phase,
        objects: Some(ids.len() as u64),
        bytes: None,
    });
    let found = for_all(ids.len(), |number| {
        read_file(objects, ids[number], verity, sink)
    })?;
    sink.event(Event::End { phase });
    let files: HashMap<FileId, FoundFile> = ids.into_iter().zip(found).collect();
    Ok(to_image(&tree.into_directory(&files))?)
}

/// The fs-verity digest of an image, as commits record it.
#[must_use]
pub fn digest(image: &[u8]) -> Checksum {
    let mut hasher = VerityHasher::new();
    hasher.update(image);
    hasher.finish()
}

/// A directory whose files are not looked at yet.
struct Tree {
    attributes: Attributes,
    dirs: BTreeMap<String, Tree>,
    files: BTreeMap<String, FileId>,
}

fn mount_point() -> Tree {
    Tree {
        attributes: Attributes {
            mode: 0o755,
            ..Attributes::default()
        },
        dirs: BTreeMap::new(),
        files: BTreeMap::new(),
    }
}

fn read_tree(
    objects: &impl Objects,
    (tree, meta): (DirTreeId, DirMetaId),
    path: &str,
    depth: usize,
) -> Result<Tree, ComposefsError> {
    if depth > MAX_DEPTH {
        return Err(ComposefsError::TooDeep { path: path.into() });
    }
    let meta = objects.dirmeta(meta)?;
    let listing = objects.dirtree(tree)?;
    let mut dirs = BTreeMap::new();
    for dir in listing.dirs {
        let below = format!("{path}/{}", dir.name);
        let tree = read_tree(objects, (dir.tree, dir.meta), &below, depth + 1)?;
        dirs.insert(dir.name, tree);
    }
    Ok(Tree {
        attributes: Attributes {
            uid: meta.uid,
            gid: meta.gid,
            mode: meta.mode,
            xattrs: meta.xattrs,
        },
        dirs,
        files: listing.files.into_iter().collect(),
    })
}

impl Tree {
    fn collect_files(&self, ids: &mut Vec<FileId>) {
        ids.extend(self.files.values());
        for dir in self.dirs.values() {
            dir.collect_files(ids);
        }
    }

    fn into_directory(self, files: &HashMap<FileId, FoundFile>) -> Directory {
        let dirs = self.dirs.into_iter();
        let dirs = dirs.map(|(name, dir)| (name, Node::Directory(dir.into_directory(files))));
        let here = self.files.into_iter();
        let here = here.map(|(name, id)| (name, files[&id].node(id)));
        Directory {
            attributes: self.attributes,
            entries: dirs.chain(here).collect(),
        }
    }
}

/// What an image says of a file.
struct FoundFile {
    header: FileHeader,
    size: u64,
    digest: Option<Checksum>,
}

impl FoundFile {
    fn node(&self, id: FileId) -> Node {
        let attributes = Attributes {
            uid: self.header.uid,
            gid: self.header.gid,
            mode: self.header.mode,
            xattrs: self.header.xattrs.clone(),
        };
        if self.header.is_symlink() {
            return Node::Symlink {
                attributes,
                target: self.header.symlink_target.clone(),
            };
        }
        Node::File {
            attributes,
            size: self.size,
            backing: Some(Backing {
                path: ObjectName::from(id).loose_path(StorageForm::Bare),
                digest: self.digest,
            }),
        }
    }
}

fn read_file(
    objects: &impl Objects,
    id: FileId,
    verity: Verity,
    sink: &dyn Sink,
) -> Result<FoundFile, StoreError> {
    let mut object = objects.file(id)?;
    let has_content = !object.is_symlink() && object.size > 0;
    let digest = match verity {
        Verity::Digests if has_content => Some(digest_of(&mut object)?),
        Verity::Digests | Verity::Unchecked => None,
    };
    sink.event(Event::Advance {
        phase: Phase::Image,
        objects: 1,
        bytes: if digest.is_some() { object.size } else { 0 },
    });
    Ok(FoundFile {
        header: object.header,
        size: object.size,
        digest,
    })
}

fn digest_of(object: &mut FileObject) -> Result<Checksum, StoreError> {
    let mut hasher = VerityHasher::new();
    let length = usize::try_from(object.size).unwrap_or(BUFFER);
    let mut buffer = vec![0; length.clamp(1, BUFFER)];
    loop {
        let got = object.read(&mut buffer);
        match got.map_err(|error| StoreError::io("reading content", error))? {
            0 => return Ok(hasher.finish()),
            got => hasher.update(&buffer[..got]),
        }
    }
}
