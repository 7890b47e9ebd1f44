//! Names of directory entries, checked before the kernel sees them.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// The name of an entry of a directory: one component, not empty, not `.` or `..`, without `/` and NUL.
///
/// Strings, bytes and paths are names, and are checked at each call. A path of several components that leads through the program's own
/// directories is wrapped in [`Trusted`].
pub trait Name {
    /// The bytes of the name, without a NUL.
    fn as_name_bytes(&self) -> &[u8];

    /// Whether `/` is allowed in it.
    fn is_trusted_path(&self) -> bool {
        false
    }
}

/// A relative path, of one or more components, through directories that only the program itself writes.
///
/// Only the last component is never followed; a symlink before it would be. For paths that come from a tree, a repository's content or a
/// person use the `*_beneath` and `*_in_root` calls of [`Dir`](crate::Dir) instead.
#[derive(Debug, Clone, Copy)]
pub struct Trusted<N>(pub N);

impl<N: Name> Name for Trusted<N> {
    fn as_name_bytes(&self) -> &[u8] {
        self.0.as_name_bytes()
    }
    fn is_trusted_path(&self) -> bool {
        true
    }
}

impl<N: Name + ?Sized> Name for &N {
    fn as_name_bytes(&self) -> &[u8] {
        (**self).as_name_bytes()
    }
    fn is_trusted_path(&self) -> bool {
        (**self).is_trusted_path()
    }
}

macro_rules! names {
    ($($type:ty => |$name:ident| $bytes:expr;)*) => {$(
        impl Name for $type {
            fn as_name_bytes(&self) -> &[u8] {
                let $name = self;
                $bytes
            }
        }
    )*};
}

names! {
    str => |name| name.as_bytes();
    String => |name| name.as_bytes();
    [u8] => |name| name;
    Vec<u8> => |name| name;
    OsStr => |name| name.as_bytes();
    OsString => |name| name.as_bytes();
    CStr => |name| name.to_bytes();
    CString => |name| name.to_bytes();
    Path => |name| name.as_os_str().as_bytes();
    PathBuf => |name| name.as_os_str().as_bytes();
}

/// Whether `bytes` may be given to a call that takes a [`Name`].
pub(crate) fn is_acceptable(bytes: &[u8], trusted_path: bool) -> bool {
    if trusted_path {
        !bytes.is_empty()
            && bytes[0] != b'/'
            && !bytes.split(|&byte| byte == b'/').any(|part| part == b"..")
    } else {
        !matches!(bytes, b"" | b"." | b"..") && !bytes.contains(&b'/')
    }
}

/// Calls with the checked name as a C string; `EINVAL` if it is not acceptable. Does not allocate for names of up to 255 bytes.
#[inline]
pub(crate) fn with_name<T>(
    name: &impl Name,
    call: impl FnOnce(&CStr) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let bytes = name.as_name_bytes();
    if !is_acceptable(bytes, name.is_trusted_path()) {
        return Err(Errno::INVAL);
    }
    with_c_str(bytes, call)
}

/// Calls with `bytes` as a C string; `EINVAL` if a NUL is in them.
#[inline]
pub(crate) fn with_c_str<T>(
    bytes: &[u8],
    call: impl FnOnce(&CStr) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let mut short = [0_u8; 256];
    if bytes.len() < short.len() {
        short[..bytes.len()].copy_from_slice(bytes);
        return call(CStr::from_bytes_with_nul(&short[..=bytes.len()]).map_err(|_| Errno::INVAL)?);
    }
    call(&CString::new(bytes).map_err(|_| Errno::INVAL)?)
}

/// What the check has against a name that was refused with `EINVAL`.
#[cold]
pub(crate) fn objection(bytes: &[u8], trusted_path: bool) -> Option<&'static str> {
    if bytes.contains(&0) {
        Some("the name holds a NUL")
    } else if is_acceptable(bytes, trusted_path) {
        None
    } else if trusted_path {
        Some("not a relative path without `..`")
    } else {
        Some("not a plain file name")
    }
}

/// Splits a trusted path before its last component; `None` for a plain name.
pub(crate) fn split_parent(name: &impl Name) -> Option<(&[u8], &[u8])> {
    let bytes = name.as_name_bytes();
    let slash = bytes.iter().rposition(|&byte| byte == b'/')?;
    name.is_trusted_path()
        .then(|| (&bytes[..slash], &bytes[slash + 1..]))
}
