//! Extended attributes: all of an inode's at once, sorted, within a cap.

use std::ffi::CStr;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::dir::Dir;
use crate::error::{FsError, Result};
use crate::file::on;
use crate::name::{self, Name};

/// Name (without a NUL) and value.
pub type Xattr = (Vec<u8>, Vec<u8>);

/// The kernel's own limit of one list of names and of one value.
const KERNEL_LIMIT: usize = 64 << 10;

/// Returns all attributes of an open file, sorted by name; does not allocate if there are none, or the file system has no such thing.
///
/// # Errors
/// `FileTooLarge` if names and values together pass `cap_bytes`.
pub fn all(fd: impl AsFd, cap_bytes: usize) -> Result<Vec<Xattr>> {
    let fd = fd.as_fd();
    let read = collect(
        cap_bytes,
        |buffer| rustix::fs::flistxattr(fd, buffer),
        |name, buffer| rustix::fs::fgetxattr(fd, name, buffer),
    );
    read.map_err(|error| FsError::new("read attributes of", crate::dir::shown_path(fd), error))
}

/// Returns the value of one attribute of an open file; `None` if it has none by that name.
pub fn get(
    fd: impl AsFd,
    attribute: impl AsRef<[u8]>,
    cap_bytes: usize,
) -> Result<Option<Vec<u8>>> {
    let fd = fd.as_fd();
    let read = name::with_c_str(attribute.as_ref(), |attribute| {
        match value(cap_bytes, |buffer| {
            rustix::fs::fgetxattr(fd, attribute, buffer)
        }) {
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
            result => result.map(Some),
        }
    });
    read.map_err(|errno| FsError::new("read an attribute of", crate::dir::shown_path(fd), errno))
}

/// Sets an attribute of an open file, whether it is new or not.
pub fn set(fd: impl AsFd, attribute: impl AsRef<[u8]>, value: &[u8]) -> Result<()> {
    on(&fd, "set an attribute of", || {
        name::with_c_str(attribute.as_ref(), |attribute| {
            rustix::fs::fsetxattr(fd.as_fd(), attribute, value, XattrFlags::empty())
        })
    })
}

/// Removes an attribute of an open file; returns whether it was there.
pub fn remove(fd: impl AsFd, attribute: impl AsRef<[u8]>) -> Result<bool> {
    on(&fd, "remove an attribute of", || {
        name::with_c_str(attribute.as_ref(), |attribute| {
            removed(rustix::fs::fremovexattr(fd.as_fd(), attribute))
        })
    })
}

/// Calls on an entry by its name, a symlink's own attributes too. They go through `/proc`, which must be mounted.
impl Dir {
    /// As [`all`] for an entry, of any type.
    pub fn xattrs(&self, name: impl Name, cap_bytes: usize) -> Result<Vec<Xattr>> {
        let mut outcome = Ok(Vec::new());
        self.at("read attributes of", &name, |dir, name| {
            with_proc_path(dir, name, |path| {
                outcome = collect(
                    cap_bytes,
                    |buffer| rustix::fs::llistxattr(path, buffer),
                    |attribute, buffer| rustix::fs::lgetxattr(path, attribute, buffer),
                );
                Ok(())
            })
        })?;
        outcome.map_err(|error| {
            FsError::new(
                "read attributes of",
                self.path_of(name.as_name_bytes()),
                error,
            )
        })
    }

    /// As [`get`] for an entry, of any type.
    pub fn xattr(
        &self,
        name: impl Name,
        attribute: impl AsRef<[u8]>,
        cap_bytes: usize,
    ) -> Result<Option<Vec<u8>>> {
        self.at("read an attribute of", name, |dir, name| {
            let path = |path: &CStr| {
                name::with_c_str(attribute.as_ref(), |attribute| {
                    match value(cap_bytes, |buffer| {
                        rustix::fs::lgetxattr(path, attribute, buffer)
                    }) {
                        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
                        result => result.map(Some),
                    }
                })
            };
            with_proc_path(dir, name, path)
        })
    }

    /// As [`set`] for an entry, of any type.
    pub fn set_xattr(
        &self,
        name: impl Name,
        attribute: impl AsRef<[u8]>,
        value: &[u8],
    ) -> Result<()> {
        self.at("set an attribute of", name, |dir, name| {
            with_proc_path(dir, name, |path| {
                name::with_c_str(attribute.as_ref(), |attribute| {
                    rustix::fs::lsetxattr(path, attribute, value, XattrFlags::empty())
                })
            })
        })
    }

    /// As [`remove`] for an entry, of any type.
    pub fn remove_xattr(&self, name: impl Name, attribute: impl AsRef<[u8]>) -> Result<bool> {
        self.at("remove an attribute of", name, |dir, name| {
            with_proc_path(dir, name, |path| {
                name::with_c_str(attribute.as_ref(), |attribute| {
                    removed(rustix::fs::lremovexattr(path, attribute))
                })
            })
        })
    }
}

fn removed(result: Result<(), Errno>) -> Result<bool, Errno> {
    match result {
        Ok(()) => Ok(true),
        Err(Errno::NODATA) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// There is no `lgetxattrat` before Linux 6.13; the directory's link in `/proc` and one component more is the same.
fn with_proc_path<T>(
    dir: BorrowedFd<'_>,
    name: &CStr,
    call: impl FnOnce(&CStr) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let mut path = [0_u8; 32 + 256];
    let mut rest = &mut path[..];
    if write!(rest, "/proc/self/fd/{}/", dir.as_raw_fd()).is_ok()
        && rest.write_all(name.to_bytes_with_nul()).is_ok()
    {
        return call(CStr::from_bytes_until_nul(&path).map_err(|_| Errno::INVAL)?);
    }
    let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    name::with_c_str(&path, call)
}

fn collect(
    cap_bytes: usize,
    list: impl Fn(&mut [u8]) -> Result<usize, Errno>,
    get: impl Fn(&CStr, &mut [u8]) -> Result<usize, Errno>,
) -> io::Result<Vec<Xattr>> {
    let mut short = [0_u8; 512];
    let long;
    let names = match list(&mut short) {
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Ok(length) => &short[..length],
        Err(Errno::RANGE) => {
            long = grown(KERNEL_LIMIT, &list)?;
            &long[..]
        }
        Err(errno) => return Err(errno.into()),
    };
    let too_large = || {
        io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("they pass the limit of {cap_bytes} bytes"),
        )
    };
    let mut left = cap_bytes;
    let mut take = |bytes: usize| {
        left.checked_sub(bytes)
            .map(|rest| left = rest)
            .ok_or_else(too_large)
    };
    let mut xattrs = Vec::new();
    for name in names.split_inclusive(|&byte| byte == 0) {
        let name = CStr::from_bytes_with_nul(name).map_err(|_| io::Error::from(Errno::INVAL))?;
        let value = match value(KERNEL_LIMIT, |buffer| get(name, buffer)) {
            // Removed since it was listed.
            Err(Errno::NODATA) => continue,
            result => result?,
        };
        take(name.count_bytes() + value.len())?;
        xattrs.push((name.to_bytes().to_vec(), value));
    }
    xattrs.sort_unstable();
    Ok(xattrs)
}

/// Reads one value: most fit the stack.
fn value(
    cap_bytes: usize,
    get: impl Fn(&mut [u8]) -> Result<usize, Errno>,
) -> Result<Vec<u8>, Errno> {
    let mut short = [0_u8; 256];
    match get(&mut short) {
        Ok(length) if length > cap_bytes => Err(Errno::RANGE),
        Ok(length) => Ok(short[..length].to_vec()),
        Err(Errno::RANGE) => grown(cap_bytes.min(KERNEL_LIMIT), get),
        Err(errno) => Err(errno),
    }
}

fn grown(
    cap_bytes: usize,
    get: impl Fn(&mut [u8]) -> Result<usize, Errno>,
) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; cap_bytes];
    let length = get(&mut buffer)?;
    buffer.truncate(length);
    buffer.shrink_to_fit();
    Ok(buffer)
}
