//! Files of `/etc` that the initramfs needs, too: a small archive that is loaded after the initramfs and made anew for each deployment.
//!
//! Which files is in the origin, under rpm-ostree's key, so that both programs go on with the same list:
//!
//! ```text
//! [rpmostree]
//! initramfs-etc=/etc/crypttab;/etc/cmdline.d/;
//! ```
//! The archive has no compression, which every kernel reads, and no times: the same files make the same archive.

use std::collections::BTreeSet;
use std::io::Read as _;

use ostler_format::archive::{CpioHeader, cpio_end, cpio_padding, write_cpio_header};
use ostler_format::origin::OriginError;
use ostler_format::{Checksum, Origin};
use ostler_fs::{Dir, FileType, FsError, Metadata, Next, Step, walk};

use crate::deployment::Deployment;
use crate::etc_merge::{parents, shown, split_path};
use crate::etc_restore::path_in_etc;
use crate::lock::SysrootLock;
use crate::overlay::{self, OverlayError};

/// The most that an archive takes; it stays in memory of the first root.
const MAX_BYTES: usize = 64 << 20;

/// Files of `/etc` that cannot go along with the initramfs.
#[derive(Debug, thiserror::Error)]
pub enum InitramfsEtcError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The list.
    #[error("{0}")]
    Origin(#[from] OriginError),
    /// The archive.
    #[error("{0}")]
    Overlay(#[from] OverlayError),
    /// It names nothing below `/etc`.
    #[error("`{path}` is no path below /etc")]
    OutsideEtc {
        /// As it was given.
        path: String,
    },
    /// A file of the list is gone.
    #[error("`{path}` should be in the initramfs, and is not there")]
    Missing {
        /// Its absolute path.
        path: String,
    },
    /// A file that is not on the list.
    #[error("`{path}` is not tracked")]
    NotTracked {
        /// Its absolute path.
        path: String,
    },
    /// They are too large.
    #[error("tracked files of /etc take more than {limit} bytes of the initramfs, at `{path}`")]
    TooLarge {
        /// The file that was one too many.
        path: String,
        /// The most that there may be.
        limit: usize,
    },
}

/// A change of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Absolute paths that come.
    pub track: Vec<String>,
    /// Absolute paths that go.
    pub untrack: Vec<String>,
    /// Whether all that are there go first.
    pub untrack_all: bool,
}

/// Changes the list of an origin and returns whether it was another one.
///
/// # Errors
/// [`InitramfsEtcError`] if a path is not below `/etc`, or one goes that is not there.
pub fn change(origin: &mut Origin, change: &Change) -> Result<bool, InitramfsEtcError> {
    let before = origin.initramfs_etc()?;
    let mut list: BTreeSet<String> = match change.untrack_all {
        true => BTreeSet::new(),
        false => before.iter().cloned().collect(),
    };
    for path in &change.untrack {
        if !list.remove(path) {
            return Err(InitramfsEtcError::NotTracked { path: path.clone() });
        }
    }
    for path in &change.track {
        below_etc(path)?;
        list.insert(path.clone());
    }
    let list: Vec<String> = list.into_iter().collect();
    let same = list.iter().eq(before.iter().collect::<BTreeSet<_>>());
    origin.set_initramfs_etc(&list)?;
    Ok(!same)
}

/// Makes the archive for a deployment of this origin that continues `source`, and returns its checksum; `None` if the list is empty.
pub(crate) fn stage(
    lock: &SysrootLock,
    source: &Deployment,
    origin: &Origin,
) -> Result<Option<Checksum>, InitramfsEtcError> {
    let list = origin.initramfs_etc()?;
    if list.is_empty() {
        return Ok(None);
    }
    let etc = lock.open_deployment(&source.id)?.open_dir("etc")?;
    let archive = archive(&etc, &list)?;
    Ok(Some(overlay::stage_bytes(lock, &archive)?))
}

fn below_etc(path: &str) -> Result<Vec<u8>, InitramfsEtcError> {
    let outside = || InitramfsEtcError::OutsideEtc {
        path: path.to_owned(),
    };
    if !path.starts_with('/') {
        return Err(outside());
    }
    match path_in_etc(path) {
        Ok(below) if !below.is_empty() => Ok(below),
        _ => Err(outside()),
    }
}

/// Archives paths of `/etc`, with all below them and the directories above.
fn archive(etc: &Dir, list: &[String]) -> Result<Vec<u8>, InitramfsEtcError> {
    let mut archive = Archive::default();
    archive.directory(b"", &etc.self_metadata()?);
    let below = list.iter().map(|path| below_etc(path));
    let mut below = below.collect::<Result<Vec<_>, _>>()?;
    below.sort();
    for path in &below {
        let missing = || InitramfsEtcError::Missing {
            path: format!("/etc/{}", shown(path)),
        };
        for parent in parents(path) {
            let dir = etc.open_dir_beneath_optional(parent)?.ok_or_else(missing)?;
            archive.directory(parent, &dir.self_metadata()?);
        }
        let (parent, name) = split_path(path);
        let parent = etc.open_dir_beneath_optional(parent)?.ok_or_else(missing)?;
        let metadata = parent.metadata_optional(name)?.ok_or_else(missing)?;
        archive.entry(path, &parent, name, &metadata)?;
        if !metadata.is_dir() {
            continue;
        }
        walk(&parent.open_dir(name)?, |step| {
            if let Step::Entry(visited) | Step::Enter(visited) = step {
                let path = [path, b"/".as_slice(), visited.path_bytes()].concat();
                archive.entry(&path, visited.parent(), visited.name(), visited.metadata)?;
            }
            Ok::<_, InitramfsEtcError>(Next::Continue)
        })?;
    }
    cpio_end(&mut archive.bytes);
    Ok(archive.bytes)
}

#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    /// Paths below `/etc` that are in it.
    there: BTreeSet<Vec<u8>>,
}

impl Archive {
    fn directory(&mut self, path: &[u8], metadata: &Metadata) {
        if self.there.insert(path.to_vec()) {
            self.header(path, metadata, 0);
        }
    }

    /// Adds what is at a path below `/etc`; sockets and the like are left out.
    fn entry(
        &mut self,
        path: &[u8],
        parent: &Dir,
        name: &[u8],
        metadata: &Metadata,
    ) -> Result<(), InitramfsEtcError> {
        let mut content = Vec::new();
        match metadata.file_type {
            FileType::Directory => {
                self.directory(path, metadata);
                return Ok(());
            }
            FileType::Regular => {
                let (file, _) = parent.open_regular(name)?;
                let left = MAX_BYTES.saturating_sub(self.bytes.len());
                file.take(left as u64 + 1)
                    .read_to_end(&mut content)
                    .map_err(|error| FsError::new("read", shown(path), error))?;
            }
            FileType::Symlink => content = parent.read_link(name)?,
            _ => return Ok(()),
        }
        if !self.there.insert(path.to_vec()) {
            return Ok(());
        }
        let too_large = || InitramfsEtcError::TooLarge {
            path: format!("/etc/{}", shown(path)),
            limit: MAX_BYTES,
        };
        if self.bytes.len() + content.len() > MAX_BYTES {
            return Err(too_large());
        }
        let size = u32::try_from(content.len()).map_err(|_| too_large())?;
        self.header(path, metadata, size);
        self.bytes.extend_from_slice(&content);
        cpio_padding(&mut self.bytes);
        Ok(())
    }

    fn header(&mut self, path: &[u8], metadata: &Metadata, size: u32) {
        let full = match path {
            b"" => b"etc".to_vec(),
            path => [b"etc/", path].concat(),
        };
        let header = CpioHeader {
            inode: u32::try_from(self.there.len()).unwrap_or(u32::MAX),
            path: &full,
            mode: metadata.mode,
            uid: metadata.uid,
            gid: metadata.gid,
            size,
        };
        write_cpio_header(&mut self.bytes, &header);
    }
}
