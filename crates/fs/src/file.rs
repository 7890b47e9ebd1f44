//! Calls on an open file or directory.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Advice, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use crate::dir::{mode_bits, shown_path};
use crate::error::{FsError, Result};
use crate::metadata::{Metadata, Timestamp};

/// Runs a call on a descriptor; an error asks the kernel for its path.
#[inline]
pub(crate) fn on<T>(
    fd: impl AsFd,
    op: &'static str,
    call: impl FnOnce() -> Result<T, Errno>,
) -> Result<T> {
    call().map_err(|errno| FsError::new(op, shown_path(fd.as_fd()), errno))
}

/// Returns the attributes of an open file.
pub fn metadata(fd: impl AsFd) -> Result<Metadata> {
    on(&fd, "stat", || {
        rustix::fs::statx(&fd, c"", Metadata::AT_FD, Metadata::MASK)
    })
    .map(Metadata::from)
}

/// Opens what a person named to be read from start to end: symlinks are followed, and it may be a pipe.
pub fn open_stream(path: impl AsRef<Path>) -> Result<File> {
    let path = path.as_ref();
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    rustix::fs::open(path, flags, Mode::empty())
        .map(File::from)
        .map_err(|errno| FsError::new("open", path, errno))
}

/// Sets permission, set-id and sticky bits exactly.
pub fn set_mode(fd: impl AsFd, mode: u32) -> Result<()> {
    on(&fd, "change mode of", || {
        rustix::fs::fchmod(&fd, mode_bits(mode))
    })
}

/// Sets owner and group. Clears set-id bits, so it comes before [`set_mode`].
pub fn set_owner(fd: impl AsFd, owner: u32, group: u32) -> Result<()> {
    on(&fd, "change owner of", || {
        rustix::fs::fchown(&fd, Some(uid(owner)?), Some(gid(group)?))
    })
}

/// Sets access and modification time.
pub fn set_times(fd: impl AsFd, time: Timestamp) -> Result<()> {
    on(&fd, "change times of", || {
        rustix::fs::futimens(&fd, &timestamps(time))
    })
}

/// Makes content and attributes of the file durable, not its name.
pub fn sync(fd: impl AsFd) -> Result<()> {
    on(&fd, "sync", || rustix::fs::fsync(&fd))
}

/// Makes the content of the file durable, and of its attributes what reading it needs.
pub fn sync_data(fd: impl AsFd) -> Result<()> {
    on(&fd, "sync", || rustix::fs::fdatasync(&fd))
}

/// Reserves `size` bytes, so that a full disk shows before anything is written; does nothing where the file system can't.
pub fn reserve(file: &File, size: u64) -> Result<()> {
    if size == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, 0, size) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        result => on(file, "reserve space for", || result),
    }
}

/// What the kernel should expect of the reads to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// From start to end: reads ahead twice as far.
    Sequential,
    /// Soon: starts reading now.
    Soon,
    /// Not again: drops what is cached and clean.
    Never,
}

/// Advises the kernel on the whole file; advice, so that failure means nothing.
pub fn advise(file: &File, expect: Expect) {
    let advice = match expect {
        Expect::Sequential => Advice::Sequential,
        Expect::Soon => Advice::WillNeed,
        Expect::Never => Advice::DontNeed,
    };
    let _ = rustix::fs::fadvise(file, 0, None, advice);
}

/// `u32::MAX` is no owner but "leave as it is", which a hostile header must not say.
pub(crate) fn uid(raw: u32) -> Result<Uid, Errno> {
    if raw == u32::MAX {
        Err(Errno::INVAL)
    } else {
        Ok(Uid::from_raw(raw))
    }
}

pub(crate) fn gid(raw: u32) -> Result<Gid, Errno> {
    if raw == u32::MAX {
        Err(Errno::INVAL)
    } else {
        Ok(Gid::from_raw(raw))
    }
}

pub(crate) fn timestamps(time: Timestamp) -> Timestamps {
    let time = Timespec {
        tv_sec: time.seconds,
        tv_nsec: i64::from(time.nanoseconds),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
