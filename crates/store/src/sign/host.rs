//! Where a host keeps the keys that it trusts for all remotes.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use ostler_fs::{Dir, FileType};

use super::SignError;

/// Keys of OpenPGP for remotes that have none of their own; `OSTREE_GPG_HOME` names another directory.
const GLOBAL_KEYRINGS: &str = "/usr/share/ostree/trusted.gpg.d";
/// Where bare keys are, the administrator's first.
const KEY_DIRS: [&str; 2] = ["/etc/ostree", "/usr/share/ostree"];
/// The largest file of keys that is read.
pub(super) const MAX_KEY_FILE: u64 = 32 << 20;
/// The most files that are read in a directory of keys.
const MAX_FILES: usize = 4096;

/// Where a host keeps keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRoots {
    /// A directory of OpenPGP keyrings, `*.gpg`.
    pub keyrings: PathBuf,
    /// Directories with `trusted.TYPE`, `trusted.TYPE.d`, `revoked.TYPE` and `revoked.TYPE.d`.
    pub key_dirs: Vec<PathBuf>,
}

impl TrustRoots {
    /// The places of the running host; the environment variable `OSTREE_GPG_HOME` moves that of the keyrings.
    #[must_use]
    pub fn of_host() -> Self {
        let keyrings = std::env::var_os("OSTREE_GPG_HOME").filter(|path| !path.is_empty());
        Self {
            keyrings: keyrings.map_or_else(|| GLOBAL_KEYRINGS.into(), PathBuf::from),
            key_dirs: KEY_DIRS.iter().map(PathBuf::from).collect(),
        }
    }
}

/// Reads a file that a person named, following links; it must be there and regular.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, SignError> {
    let unreadable = |reason: &str| SignError::KeyFileUnreadable {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let absolute =
        std::path::absolute(path).map_err(|_| unreadable("No such file or directory"))?;
    let root = Dir::open_ambient("/")?;
    let Some(file) = root.open_in_root_optional(&absolute)? else {
        return Err(unreadable("No such file or directory"));
    };
    let metadata = ostler_fs::file::metadata(&file)?;
    if !metadata.is_file() {
        return Err(unreadable("it is not a regular file"));
    }
    if metadata.size > MAX_KEY_FILE {
        return Err(unreadable("it is larger than 32 MiB"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_KEY_FILE)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(&error.to_string()))?;
    Ok(bytes)
}

/// Lists the regular files in a directory, by name; `None` if there is no such directory.
pub(super) fn list_files(path: &Path) -> Result<Option<Vec<PathBuf>>, SignError> {
    let Some(dir) = Dir::open_ambient_optional(path)? else {
        return Ok(None);
    };
    let entries = dir.entries()?;
    let mut files: Vec<_> = entries
        .iter()
        .filter(|entry| matches!(entry.file_type, FileType::Regular | FileType::Symlink))
        .map(|entry| path.join(entry.os_name()))
        .collect();
    if files.len() > MAX_FILES {
        // One that is left out could be a revocation.
        return Err(SignError::KeyFileUnreadable {
            path: path.to_owned(),
            reason: format!("it has more than {MAX_FILES} files"),
        });
    }
    files.sort();
    Ok(Some(files))
}

/// Whether a path names a directory.
pub(super) fn is_directory(path: &Path) -> bool {
    matches!(Dir::open_ambient_optional(path), Ok(Some(_)))
}
