//! The one error of this crate: what was tried, on which path, and why it failed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// The result of every call of this crate.
pub type Result<T, E = FsError> = std::result::Result<T, E>;

/// A failed file-system call.
///
/// Its text holds the operation, the path and the reason, so it has no `source()` that would repeat the reason. One pointer wide: a call
/// that succeeds neither allocates nor moves a large value.
#[derive(thiserror::Error)]
#[error("{0}")]
pub struct FsError(Box<Inner>);

struct Inner {
    op: &'static str,
    path: PathBuf,
    other: Option<PathBuf>,
    cause: io::Error,
    /// Says more than the system's words, and is shown instead of them.
    reason: Option<&'static str>,
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} `{}`", self.op, self.path.display())?;
        if let Some(other) = &self.other {
            write!(f, " to `{}`", other.display())?;
        }
        match self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => write!(f, ": {}", reason(&self.cause)),
        }
    }
}

impl fmt::Debug for FsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FsError")
            .field("op", &self.0.op)
            .field("path", &self.0.path)
            .field("other", &self.0.other)
            .field("cause", &self.0.cause)
            .finish()
    }
}

impl FsError {
    /// Says that `op` (a verb phrase that follows "cannot", as in "open directory") failed on `path`.
    #[cold]
    pub fn new(op: &'static str, path: impl Into<PathBuf>, cause: impl Into<io::Error>) -> Self {
        let (path, cause) = (path.into(), cause.into());
        FsError(Box::new(Inner {
            op,
            path,
            other: None,
            cause,
            reason: None,
        }))
    }

    /// As [`FsError::new`] for a call of two paths: "cannot `op` `path` to `other`".
    #[cold]
    pub fn between(
        op: &'static str,
        path: impl Into<PathBuf>,
        other: impl Into<PathBuf>,
        cause: impl Into<io::Error>,
    ) -> Self {
        let mut error = Self::new(op, path, cause);
        error.0.other = Some(other.into());
        error
    }

    /// Replaces the system's words in the text; kind and number stay.
    #[cold]
    pub(crate) fn because(mut self, reason: &'static str) -> Self {
        self.0.reason = Some(reason);
        self
    }

    /// Returns the verb phrase of what was tried.
    pub fn op(&self) -> &'static str {
        self.0.op
    }

    /// Returns the path as it was known when the call failed: absolute where the directory handle could still be named.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Returns the system's error.
    pub fn io(&self) -> &io::Error {
        &self.0.cause
    }

    /// Returns the kind of the system's error.
    pub fn kind(&self) -> io::ErrorKind {
        self.0.cause.kind()
    }

    /// Returns the system's error number, if the system gave one.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.cause.raw_os_error()
    }

    /// Whether nothing is there by that name.
    pub fn is_not_found(&self) -> bool {
        self.kind() == io::ErrorKind::NotFound
    }

    /// Whether something is there by that name already.
    pub fn is_already_exists(&self) -> bool {
        self.kind() == io::ErrorKind::AlreadyExists
    }

    /// Whether the file system or the quota is full.
    pub fn is_out_of_space(&self) -> bool {
        matches!(
            self.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }
}

/// Keeps the kind and the whole text; the error number is only in the text.
impl From<FsError> for io::Error {
    fn from(error: FsError) -> Self {
        io::Error::new(error.kind(), error)
    }
}

/// Names the operation and the path of a failed standard-library call.
pub trait Context<T> {
    /// Turns the error into an [`FsError`] of `op` on `path`; costs nothing on success.
    fn context(self, op: &'static str, path: impl AsRef<Path>) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, op: &'static str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|error| FsError::new(op, path.as_ref(), error))
    }
}

/// Turns `ENOENT` into `None`.
pub(crate) fn optional<T>(
    result: std::result::Result<T, Errno>,
) -> std::result::Result<Option<T>, Errno> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The system's reason in this project's style: lower case, without the number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    if error.raw_os_error().is_none() {
        return text;
    }
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_operation_path_and_reason_once() {
        let error = FsError::new("open directory", "/a/b", Errno::NOENT);
        assert_eq!(
            error.to_string(),
            "cannot open directory `/a/b`: no such file or directory"
        );
        assert!(std::error::Error::source(&error).is_none());
        let error = FsError::between("rename", "a", "b", Errno::XDEV);
        assert_eq!(
            error.to_string(),
            "cannot rename `a` to `b`: invalid cross-device link"
        );
        let back: io::Error = FsError::new("read", "x", Errno::NOENT).into();
        assert_eq!(back.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }
}
