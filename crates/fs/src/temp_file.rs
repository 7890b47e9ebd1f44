//! [`TempFile`]: a file that has no name until it is complete.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, OFlags};
use rustix::io::Errno;

use crate::dir::{Dir, HardLink, mode_bits};
use crate::error::{FsError, Result};
use crate::name::{self, Name};

/// What happens if the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPolicy {
    /// The old entry is replaced in one step.
    Replace,
    /// The old entry stays and the new file is dropped.
    KeepExisting,
    /// It is an error of kind `AlreadyExists`.
    Fail,
}

/// How naming a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkOutcome {
    /// The new file has the name.
    Linked,
    /// The name was taken and kept ([`LinkPolicy::KeepExisting`]).
    Kept,
}

/// A new file in a directory's file system, invisible until [`TempFile::link_into`].
///
/// Made with `O_TMPFILE`, so that a crash leaves nothing; where the file system has no such thing (FAT, some FUSE and network file systems), a
/// hidden name in the directory, removed on drop. Seen by others only whole: write, set owner, mode, attributes and times, sync, then link.
#[derive(Debug)]
pub struct TempFile {
    file: File,
    /// Where the file has a temporary name, in the fallback.
    named: Option<(Dir, String)>,
}

impl TempFile {
    /// Makes an empty file for reading and writing; the umask is taken off `mode`, [`file::set_mode`](crate::file::set_mode) is exact.
    pub fn new(dir: &Dir, mode: u32) -> Result<Self> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        match rustix::fs::openat(dir, c".", flags, mode_bits(mode)) {
            Ok(fd) => Ok(TempFile {
                file: fd.into(),
                named: None,
            }),
            // EISDIR: the kernel's answer where the file system has no tmpfile operation and ignores the flag.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {
                Self::new_named(dir, mode)
            }
            Err(errno) => Err(FsError::new(
                "make a temporary file in",
                dir.shown_path(),
                errno,
            )),
        }
    }

    fn new_named(dir: &Dir, mode: u32) -> Result<Self> {
        let mut file = None;
        let name = unique_name(dir, |name| match dir.create_file(name, mode) {
            Ok(created) => {
                file = Some(created);
                Ok(true)
            }
            Err(error) if error.is_already_exists() => Ok(false),
            Err(error) => Err(error),
        })?;
        let file = file.expect("unique_name returns only after the file was made");
        Ok(TempFile {
            file,
            named: Some((dir.try_clone()?, name)),
        })
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes content and attributes durable; the name is durable after [`Dir::sync`] of the directory that it is linked into.
    pub fn sync(&self) -> Result<()> {
        crate::file::sync(&self.file)
    }

    /// Gives the file its name. `dir` must be on the same file system.
    pub fn link_into(self, dir: &Dir, name: impl Name, policy: LinkPolicy) -> Result<LinkOutcome> {
        match self.link_at(dir, &name) {
            Ok(()) => Ok(LinkOutcome::Linked),
            Err(Errno::EXIST) => match policy {
                LinkPolicy::KeepExisting => Ok(LinkOutcome::Kept),
                LinkPolicy::Fail => Err(dir.failed("link a new file as", &name, Errno::EXIST)),
                LinkPolicy::Replace => self.replace(dir, dir, &name).map(|()| LinkOutcome::Linked),
            },
            Err(errno) => Err(dir.failed("link a new file as", &name, errno)),
        }
    }

    /// Links to a name that is free; the fallback's own name goes away on drop.
    fn link_at(&self, dir: &Dir, name: &impl Name) -> Result<(), Errno> {
        name::with_name(name, |name| match &self.named {
            None => link_nameless(self.file.as_fd(), dir, name),
            Some((temporary_dir, temporary)) => rename_named(temporary_dir, temporary, dir, name),
        })
    }

    /// As [`TempFile::link_into`] with [`LinkPolicy::Replace`]; the temporary name that this takes is in `aside`.
    ///
    /// So what a crash leaves is in a directory that is cleaned, not among names that mean something.
    pub fn replace_by_way_of(self, aside: &Dir, dir: &Dir, name: impl Name) -> Result<()> {
        self.replace(aside, dir, &name)
    }

    /// Links under a temporary name and renames over what is there.
    fn replace(&self, aside: &Dir, dir: &Dir, name: &impl Name) -> Result<()> {
        if let Some((temporary_dir, temporary)) = &self.named {
            return temporary_dir.rename(temporary, dir, name);
        }
        let temporary = unique_name(aside, |temporary| match self.link_at(aside, &temporary) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(dir.failed("link a new file as", name, errno)),
        })?;
        aside.rename(&temporary, dir, name).inspect_err(|_| {
            let _ = aside.unlink(&temporary);
        })
    }
}

/// Moves the fallback's file to a name that is free. FAT knows neither hard links nor, in old kernels, `RENAME_NOREPLACE`.
fn rename_named(
    from: &Dir,
    temporary: &str,
    dir: &Dir,
    name: &std::ffi::CStr,
) -> Result<(), Errno> {
    use rustix::fs::RenameFlags;
    match rustix::fs::renameat_with(from, temporary, dir, name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            rustix::fs::linkat(from, temporary, dir, name, AtFlags::empty())?;
            rustix::fs::unlinkat(from, temporary, AtFlags::empty())
        }
        result => result,
    }
}

/// Gives the inode of an open file one more name, whatever has become of the name that it was opened by.
///
/// The refusals that a caller can work around are values, not errors.
pub fn hard_link_open(file: &File, dir: &Dir, name: impl Name) -> Result<HardLink> {
    let linked = name::with_name(&name, |name| link_nameless(file.as_fd(), dir, name));
    match linked {
        Ok(()) => Ok(HardLink::Linked),
        Err(Errno::EXIST) => Ok(HardLink::AlreadyExists),
        Err(Errno::MLINK) => Ok(HardLink::TooManyLinks),
        Err(Errno::XDEV) => Ok(HardLink::CrossDevice),
        Err(Errno::PERM | Errno::OPNOTSUPP) => Ok(HardLink::NotPermitted),
        Err(errno) => Err(dir.failed("link an open file as", &name, errno)),
    }
}

/// Linking by descriptor needs a capability (or a new kernel); by `/proc` it needs `/proc`. Remembers which works.
fn link_nameless(fd: BorrowedFd<'_>, dir: &Dir, name: &std::ffi::CStr) -> Result<(), Errno> {
    static BY_DESCRIPTOR_REFUSED: AtomicBool = AtomicBool::new(false);
    if !BY_DESCRIPTOR_REFUSED.load(Ordering::Relaxed) {
        match rustix::fs::linkat(fd, c"", dir, name, AtFlags::EMPTY_PATH) {
            // Also what a missing target directory answers; then the second form answers the same.
            Err(Errno::NOENT | Errno::PERM) => {}
            result => return result,
        }
    }
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::linkat(CWD, path, dir, name, AtFlags::SYMLINK_FOLLOW)
        .inspect(|()| BY_DESCRIPTOR_REFUSED.store(true, Ordering::Relaxed))
}

impl Write for TempFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for TempFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Some((dir, name)) = &self.named {
            // After a successful link the name is gone; nothing to do about another failure.
            let _ = dir.unlink_optional(name.as_str());
        }
    }
}

/// The start of every temporary name, so that a cleaner knows them.
pub const TEMPORARY_PREFIX: &str = ".ostler-tmp-";

/// Tries temporary names until `take` has got one (returned true).
pub fn unique_name(dir: &Dir, mut take: impl FnMut(&str) -> Result<bool>) -> Result<String> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    for _ in 0..1000 {
        let clock = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |age| age.subsec_nanos());
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!(
            "{TEMPORARY_PREFIX}{:x}-{clock:x}-{count:x}",
            std::process::id()
        );
        if take(&name)? {
            return Ok(name);
        }
    }
    Err(FsError::new(
        "find a free temporary name in",
        dir.shown_path(),
        Errno::EXIST,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Timestamp;

    type Make = fn(&Dir, u32) -> Result<TempFile>;

    fn written(dir: &Dir, make: Make, text: &str) -> TempFile {
        let mut temp = make(dir, 0o644).unwrap();
        temp.write_all(text.as_bytes()).unwrap();
        temp
    }

    fn names(dir: &Dir) -> Vec<String> {
        let entries = dir.entries().unwrap();
        entries
            .iter()
            .map(|entry| entry.str_name().unwrap().to_owned())
            .collect()
    }

    /// The same claims for `O_TMPFILE` and for the fallback.
    fn contract(dir: &Dir, make: Make) {
        drop(written(dir, make, "dropped"));
        assert!(names(dir).is_empty(), "a dropped file leaves nothing");

        let first = written(dir, make, "first");
        crate::file::set_mode(&first, 0o6755).unwrap();
        crate::file::set_times(
            &first,
            Timestamp {
                seconds: 1_000_000_000,
                nanoseconds: 0,
            },
        )
        .unwrap();
        first.sync().unwrap();
        assert_eq!(
            first.link_into(dir, "name", LinkPolicy::Fail).unwrap(),
            LinkOutcome::Linked
        );

        let error = written(dir, make, "second")
            .link_into(dir, "name", LinkPolicy::Fail)
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(
            written(dir, make, "third")
                .link_into(dir, "name", LinkPolicy::KeepExisting)
                .unwrap(),
            LinkOutcome::Kept
        );
        assert_eq!(dir.read("name", 100).unwrap(), b"first");
        assert_eq!(dir.metadata("name").unwrap().mtime.seconds, 1_000_000_000);
        written(dir, make, "fourth")
            .link_into(dir, "name", LinkPolicy::Replace)
            .unwrap();
        assert_eq!(dir.read("name", 100).unwrap(), b"fourth");

        dir.create_dir("directory", 0o755).unwrap();
        assert!(
            written(dir, make, "")
                .link_into(dir, "directory", LinkPolicy::Replace)
                .is_err()
        );
        assert!(
            written(dir, make, "")
                .link_into(dir, "../x", LinkPolicy::Replace)
                .is_err()
        );
        assert_eq!(
            names(dir),
            ["directory", "name"],
            "no temporary name is left after a failure"
        );
    }

    #[test]
    fn by_tmpfile() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(temp.path()).unwrap();
        contract(&dir, TempFile::new);
        let with_attribute = written(&dir, TempFile::new, "x");
        crate::xattr::set(&with_attribute, "user.a", b"1").unwrap();
        with_attribute
            .link_into(&dir, "attribute", LinkPolicy::Fail)
            .unwrap();
        assert_eq!(
            dir.xattrs("attribute", 100).unwrap(),
            [(b"user.a".to_vec(), b"1".to_vec())]
        );
    }

    #[test]
    fn by_a_temporary_name() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(temp.path()).unwrap();
        let open = TempFile::new_named(&dir, 0o600).unwrap();
        assert!(names(&dir)[0].starts_with(TEMPORARY_PREFIX));
        drop(open);
        contract(&dir, TempFile::new_named);
    }
}
