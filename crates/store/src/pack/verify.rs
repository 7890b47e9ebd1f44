//! Whether packs hold what their indexes say.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use ostler_format::pack::{MAX_PACK_INDEX_SIZE, Pack, PackGroup};
use ostler_format::{CommitId, FileHeader, Hasher, ObjectKind, ObjectName};

use super::catalog;
use super::group::{Group, Piece, Unpacking};
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::repo::Repo;

/// What a pack is read by.
const CHUNK: usize = 256 * 1024;

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// Objects whose checksums are right.
    pub objects: u64,
    /// Packs that were read whole.
    pub packs: u64,
}

/// What is wrong with a pack.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackProblem {
    /// The repository failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A commit has no index.
    #[error("commit {commit} has no pack index")]
    NoIndex {
        /// The commit.
        commit: CommitId,
    },
    /// A pack is absent, or of another length.
    #[error("pack {pack} is not here as its index says")]
    Absent {
        /// Its checksum.
        pack: Pack,
    },
    /// A pack's bytes do not give its name.
    #[error("pack {pack} is damaged: its checksum is wrong")]
    Checksum {
        /// Its checksum.
        pack: Pack,
    },
    /// A group cannot be unpacked.
    #[error("pack {pack}: the group at {offset}: {source}")]
    Group {
        /// Its checksum.
        pack: Pack,
        /// Where the group begins.
        offset: u64,
        /// Why not.
        source: io::Error,
    },
    /// Only archives may have content in packs alone.
    #[error(
        "a repository of mode `{mode}` keeps its content as files; only one of mode `archive` can leave it to packs"
    )]
    NoArchive {
        /// The mode.
        mode: RepoMode,
    },
    /// There is more content in packs alone than an index may name.
    #[error("so many objects cannot be in packs alone: their index would be larger than {} MiB", MAX_PACK_INDEX_SIZE >> 20)]
    TooMuch,
    /// An object's bytes do not give its name.
    #[error("pack {pack}: the bytes of {name} are not its own")]
    Object {
        /// Its checksum.
        pack: Pack,
        /// The object.
        name: ObjectName,
    },
}

/// Reads all packs of a commit, and checks their checksums and those of the commit's objects.
///
/// # Errors
/// The first [`PackProblem`].
pub fn verify(repo: &Repo, commit: CommitId) -> Result<Verified, PackProblem> {
    let index = catalog::read(repo, commit)?.ok_or(PackProblem::NoIndex { commit })?;
    let mut verified = Verified::default();
    let mut groups: BTreeMap<usize, Vec<&PackGroup>> = BTreeMap::new();
    for group in &index.groups {
        groups.entry(group.pack).or_default().push(group);
    }
    for (number, pack) in index.packs.iter().enumerate() {
        let absent = || PackProblem::Absent { pack: *pack };
        let opened = repo.dir().open_file_beneath_optional(&*pack.path());
        let file = opened.map_err(StoreError::from)?.ok_or_else(absent)?;
        if hash(&file, pack)? != *pack {
            return Err(PackProblem::Checksum { pack: *pack });
        }
        verified.packs += 1;
        for group in groups.remove(&number).unwrap_or_default() {
            verified.objects += verify_group(&file, *pack, group)?;
        }
    }
    Ok(verified)
}

/// Checks the groups that have an object which is not known to be whole.
pub(super) fn verify_members(
    repo: &Repo,
    groups: &BTreeMap<(Pack, u64), PackGroup>,
    is_known: impl Fn(&(Pack, u64), &ObjectName) -> bool,
) -> Result<(), PackProblem> {
    for (key, group) in groups {
        let mut names = group.members.iter().filter_map(|member| member.name);
        if names.all(|name| is_known(key, &name)) {
            continue;
        }
        let pack = key.0;
        let opened = repo.dir().open_file_beneath_optional(&*pack.path());
        let file = opened.map_err(StoreError::from)?;
        verify_group(&file.ok_or(PackProblem::Absent { pack })?, pack, group)?;
    }
    Ok(())
}

fn hash(mut file: &File, pack: &Pack) -> Result<Pack, PackProblem> {
    let failed = |error| StoreError::io(format!("pack {pack}"), error);
    let mut buffer = vec![0; CHUNK];
    let (mut hasher, mut size) = (Hasher::new(), 0);
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => break,
            got => {
                hasher.update(&buffer[..got]);
                size += got as u64;
            }
        }
    }
    let checksum = hasher.finish();
    Ok(Pack { checksum, size })
}

fn verify_group(file: &File, pack: Pack, group: &PackGroup) -> Result<u64, PackProblem> {
    let offset = group.offset;
    check_group(file, &group.clone().into()).map_err(|fault| match fault {
        Fault::Unpacking(source) => PackProblem::Group {
            pack,
            offset,
            source,
        },
        Fault::Object(name) => PackProblem::Object { pack, name },
    })
}

/// Unpacks a group of a file, checks the checksums of its objects, and returns how many it has that are named.
pub(crate) fn check_group(file: &File, group: &Group) -> Result<u64, Fault> {
    let mut checking = Checking::default();
    read_group(file, group, |piece| {
        checking.piece(group.members[piece.member].name, &piece)
    })?;
    Ok(checking.objects)
}

/// Unpacks a group of a file, and hands over what it gives.
pub(crate) fn read_group<E: From<io::Error>>(
    file: &File,
    group: &Group,
    mut take: impl FnMut(Piece<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut unpacking = Unpacking::of(group)?;
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    while at < group.packed {
        let length = usize::try_from(group.packed - at).map_or(CHUNK, |left| left.min(CHUNK));
        let chunk = &mut buffer[..length];
        file.read_exact_at(chunk, group.offset + at)?;
        at += length as u64;
        unpacking.put(chunk, &mut take)?;
    }
    Ok(unpacking.finish()?)
}

/// Why a group is not what it should be.
pub(crate) enum Fault {
    /// It cannot be unpacked.
    Unpacking(io::Error),
    /// The bytes of an object do not give its name.
    Object(ObjectName),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Unpacking(error)
    }
}

/// Computes the checksums of one object after the other.
#[derive(Default)]
struct Checking {
    objects: u64,
    /// A file's header as far as it has come.
    header: Vec<u8>,
    hasher: Option<Hasher>,
}

impl Checking {
    fn piece(&mut self, name: Option<ObjectName>, piece: &Piece<'_>) -> Result<(), Fault> {
        let Some(name) = name else {
            return Ok(());
        };
        let bad = || Fault::Object(name);
        match &mut self.hasher {
            Some(hasher) => hasher.update(piece.bytes),
            None if name.kind != ObjectKind::File => {
                let mut hasher = Hasher::new();
                hasher.update(piece.bytes);
                self.hasher = Some(hasher);
            }
            None => {
                self.header.extend_from_slice(piece.bytes);
                let end = FileHeader::archive_prefix_end(&self.header).map_err(|_| bad())?;
                if let Some(end) = end.filter(|end| self.header.len() >= *end) {
                    let (header, _, _) =
                        FileHeader::parse_archive_prefix(&self.header[..end]).map_err(|_| bad())?;
                    let mut hasher = header.hasher().map_err(|_| bad())?;
                    hasher.update(&self.header[end..]);
                    self.header.clear();
                    self.hasher = Some(hasher);
                }
            }
        }
        if piece.ends {
            let hasher = self.hasher.take().ok_or_else(bad)?;
            // Detached metadata carries the name of its commit.
            if name.kind != ObjectKind::CommitMeta && hasher.finish() != name.checksum {
                return Err(bad());
            }
            self.objects += 1;
        }
        Ok(())
    }
}
