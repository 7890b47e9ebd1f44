//! Why a remote cannot be used.

use crate::config::ConfigError;
use crate::error::StoreError;

use super::RemotePlace;

/// A remote that cannot be used, added or deleted.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// No such remote.
    #[error("Remote \"{name}\" not found")]
    NotFound {
        /// Its name.
        name: String,
    },
    /// There is one of this name already.
    #[error("Remote configuration for \"{name}\" already exists: {place}")]
    Exists {
        /// Its name.
        name: String,
        /// Where it is configured.
        place: RemotePlace,
    },
    /// A key that must be there is not.
    #[error("No \"{key}\" option in remote \"{name}\"")]
    KeyMissing {
        /// The remote.
        name: String,
        /// The key.
        key: &'static str,
    },
    /// A key or its value cannot be.
    #[error("remote `{name}`: {source}")]
    Syntax {
        /// The remote.
        name: String,
        /// What is wrong.
        source: ostler_format::keyfile::KeyFileError,
    },
    /// A line of the file of cookies is none.
    #[error("`{file}`: {source}")]
    Cookies {
        /// The file, beside the repository's `config`.
        file: String,
        /// The line.
        source: ostler_http::CookieError,
    },
    /// The file of cookies could not hold the cookie.
    #[error("a field of cookie `{name}` has characters that a cookie cannot hold")]
    CookieField {
        /// Its name.
        name: String,
    },
    /// There is no such cookie.
    #[error("Cookie not found in jar: remote `{remote}` has no `{name}` of this domain and path")]
    CookieNotFound {
        /// The remote.
        remote: String,
        /// The cookie's name.
        name: String,
    },
    /// The name is no remote's.
    #[error("{0}")]
    Name(#[from] ostler_format::NameError),
    /// The configuration can't be read or written.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl From<ostler_fs::FsError> for RemoteError {
    fn from(error: ostler_fs::FsError) -> Self {
        Self::Store(error.into())
    }
}

impl From<ConfigError> for RemoteError {
    fn from(error: ConfigError) -> Self {
        Self::Store(error.into())
    }
}
