//! A repository over HTTP: which of its files may be sent.
//!
//! Sent are `config`, `summary`, `summary.sig` and what is below `objects/`, `refs/`, `deltas/`, `delta-indexes/`, `packs/`, `native-deltas/` and
//! `extensions/`.
//! Everything else (temporary files, keyrings, cookies, locks) stays private. Symlinks are followed below `refs/` alone, where aliases
//! are symlinks, and never out of the repository.

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ostler_fs::{Dir, FsError, Metadata, Timestamp};
use ostler_http::{Opened, Source};

pub use ostler_http::{Access, ServeError, ServeOptions, ServerHandle, Stopped};

use crate::error::StoreError;
use crate::repo::Repo;

const FILES: &[&str] = &["config", "summary", "summary.sig"];
const DIRECTORIES: &[&str] = &[
    "objects",
    "refs",
    "deltas",
    "delta-indexes",
    "packs",
    "native-deltas",
    "extensions",
];

/// Why a repository cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepoServeError {
    /// The server did not start.
    #[error("{0}")]
    Server(#[from] ServeError),
    /// The repository's directory cannot be used.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Serves `repo` on `listener` until the handle is stopped or dropped.
///
/// # Errors
/// [`RepoServeError`] before the first connection.
pub fn serve(
    repo: &Repo,
    listener: TcpListener,
    options: ServeOptions,
) -> Result<ServerHandle, RepoServeError> {
    let dir = repo.dir().try_clone().map_err(StoreError::from)?;
    Ok(ostler_http::serve(
        listener,
        Arc::new(RepoFiles { dir }),
        options,
    )?)
}

struct RepoFiles {
    dir: Dir,
}

impl Source for RepoFiles {
    fn open(&self, segments: &[&str]) -> io::Result<Option<Opened>> {
        let path = segments.join("/");
        let opened = match segments {
            [file] if FILES.contains(file) => self.dir.open_file_beneath_optional(&path),
            ["refs", _, ..] => self.dir.open_in_root_optional(&path),
            [first, _, ..] if DIRECTORIES.contains(first) => {
                self.dir.open_file_beneath_optional(&path)
            }
            _ => return Ok(None),
        };
        match opened {
            Ok(None) => Ok(None),
            Ok(Some(file)) => describe(file),
            Err(error) if is_no_file(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn describe(file: File) -> io::Result<Option<Opened>> {
    let metadata = ostler_fs::file::metadata(&file)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    Ok(Some(Opened {
        len: metadata.size,
        modified: system_time(metadata.mtime),
        etag: Some(etag(&metadata)),
        file,
    }))
}

/// A tag that changes with the content: files are replaced, never rewritten, so a new one has another inode or time.
fn etag(metadata: &Metadata) -> String {
    let Metadata {
        ino,
        size,
        mtime,
        ctime,
        ..
    } = metadata;
    format!(
        "{ino:x}-{size:x}-{:x}.{:x}-{:x}.{:x}",
        mtime.seconds, mtime.nanoseconds, ctime.seconds, ctime.nanoseconds
    )
}

fn system_time(time: Timestamp) -> Option<SystemTime> {
    let seconds = u64::try_from(time.seconds).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, time.nanoseconds))
}

/// Whether the name can't be that of a file here: it passes a file or a forbidden symlink, is a directory, is too long.
fn is_no_file(error: &FsError) -> bool {
    const ELOOP: i32 = 40;
    const EXDEV: i32 = 18;
    matches!(error.raw_os_error(), Some(ELOOP | EXDEV))
        || matches!(
            error.kind(),
            io::ErrorKind::NotADirectory
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::InvalidFilename
                | io::ErrorKind::InvalidInput
        )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::mode::RepoMode;

    fn files() -> (tempfile::TempDir, RepoFiles) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "s").unwrap();
        let repo = Repo::create(dir.path().join("repo"), RepoMode::Archive, None).unwrap();
        let files = RepoFiles {
            dir: repo.dir().try_clone().unwrap(),
        };
        (dir, files)
    }

    #[test]
    fn only_what_clients_need_is_sent() {
        let (dir, files) = files();
        let repo = dir.path().join("repo");
        std::fs::write(repo.join("tmp/x"), "private").unwrap();
        std::fs::write(repo.join("o.cookies.txt"), "private").unwrap();
        std::fs::write(repo.join("refs/heads/main"), "c\n").unwrap();
        assert!(files.open(&["config"]).unwrap().is_some());
        assert_eq!(
            files.open(&["refs", "heads", "main"]).unwrap().unwrap().len,
            2
        );
        for private in [
            &["tmp", "x"][..],
            &["o.cookies.txt"],
            &[".lock"],
            &["refs"],
            &["refs", "heads"],
            &["objects"],
            &["summary"],
            &["config", "x"],
            &["refs", "heads", "main", "x"],
            &[],
        ] {
            assert!(
                files.open(private).unwrap().is_none(),
                "{private:?} must not be sent"
            );
        }
    }

    #[test]
    fn an_alias_is_followed_but_never_out_of_the_repository() {
        let (dir, files) = files();
        let repo = dir.path().join("repo");
        std::fs::write(repo.join("refs/heads/main"), "c\n").unwrap();
        symlink("main", repo.join("refs/heads/alias")).unwrap();
        symlink("../../../secret", repo.join("refs/heads/out")).unwrap();
        symlink("../../secret", repo.join("objects/out")).unwrap();
        symlink("../config", repo.join("objects/in")).unwrap();
        assert!(files.open(&["refs", "heads", "alias"]).unwrap().is_some());
        assert!(files.open(&["refs", "heads", "out"]).unwrap().is_none());
        assert!(files.open(&["objects", "out"]).unwrap().is_none());
        assert!(files.open(&["objects", "in"]).unwrap().is_none());
    }

    #[test]
    fn a_replaced_file_has_another_tag() {
        let (dir, files) = files();
        let summary = dir.path().join("repo/summary");
        std::fs::write(&summary, "one").unwrap();
        let before = files.open(&["summary"]).unwrap().unwrap().etag;
        std::fs::write(dir.path().join("new"), "two").unwrap();
        std::fs::rename(dir.path().join("new"), &summary).unwrap();
        assert_ne!(files.open(&["summary"]).unwrap().unwrap().etag, before);
    }
}
