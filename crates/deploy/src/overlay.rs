//! Initrds that are added to a deployment's own: kept by their checksum in `/run` until a boot order that needs them is published.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use ostler_format::{Checksum, Hasher};
use ostler_fs::{Dir, Durability, FsError, LinkPolicy, TempFile, Trusted};

use crate::layout;
use crate::lock::SysrootLock;

/// An initrd could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The file that was given.
    #[error("cannot read the initrd `{path}`: {source}")]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Takes over files and returns their checksums, in the same order.
pub(crate) fn stage(lock: &SysrootLock, files: &[PathBuf]) -> Result<Vec<Checksum>, OverlayError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let run = Dir::open_ambient(&lock.host.run)?;
    let directory = run.create_dir_all(Trusted(layout::RUN_STAGED_INITRDS), 0o755)?;
    files
        .iter()
        .map(|path| stage_one(&directory, path))
        .collect()
}

/// Takes over an initrd that was made here, and returns its checksum.
pub(crate) fn stage_bytes(lock: &SysrootLock, bytes: &[u8]) -> Result<Checksum, OverlayError> {
    let run = Dir::open_ambient(&lock.host.run)?;
    let directory = run.create_dir_all(Trusted(layout::RUN_STAGED_INITRDS), 0o755)?;
    let checksum = Checksum::of(bytes);
    let name = checksum.to_hex();
    // It may hold what only root may read.
    directory.write_atomic(name, bytes, 0o600, Durability::Cached)?;
    Ok(checksum)
}

fn stage_one(directory: &Dir, path: &Path) -> Result<Checksum, OverlayError> {
    let new = TempFile::new(directory, 0o644)?;
    let checksum = copy_and_hash(path, new.file()).map_err(|source| OverlayError::Read {
        path: path.to_owned(),
        source,
    })?;
    new.link_into(directory, checksum.to_hex(), LinkPolicy::Replace)?;
    Ok(checksum)
}

fn copy_and_hash(path: &Path, mut to: &File) -> io::Result<Checksum> {
    let mut from = File::open(path)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 17];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            length => {
                hasher.update(&buffer[..length]);
                to.write_all(&buffer[..length])?;
            }
        }
    }
}
