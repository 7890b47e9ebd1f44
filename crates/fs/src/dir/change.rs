//! Metadata of entries, and the calls that add, move and change them.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::open::components;
use super::{Dir, mode_bits};
use crate::error::{FsError, Result, optional};
use crate::file::{gid, timestamps, uid};
use crate::metadata::{Metadata, Timestamp};
use crate::name::{self, Name};

/// How an attempt to hard-link ended, where the caller has another way to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HardLink {
    /// The new name is there.
    Linked,
    /// Something was there already, and is untouched.
    AlreadyExists,
    /// The inode has as many links as the file system allows (65,000 on ext4).
    TooManyLinks,
    /// The names are on different file systems or mounts.
    CrossDevice,
    /// The kernel's `fs.protected_hardlinks`, or the file system, doesn't let this user link this file.
    NotPermitted,
}

impl Dir {
    /// Returns the attributes of an entry; a symlink's own.
    pub fn metadata(&self, name: impl Name) -> Result<Metadata> {
        self.at("stat", name, |dir, name| {
            rustix::fs::statx(dir, name, Metadata::AT_NAME, Metadata::MASK)
        })
        .map(Metadata::from)
    }

    /// As [`Dir::metadata`]; `None` if nothing is there.
    pub fn metadata_optional(&self, name: impl Name) -> Result<Option<Metadata>> {
        let stat = self.at("stat", name, |dir, name| {
            optional(rustix::fs::statx(
                dir,
                name,
                Metadata::AT_NAME,
                Metadata::MASK,
            ))
        })?;
        Ok(stat.map(Metadata::from))
    }

    /// Whether something, a dangling symlink too, has this name.
    pub fn exists(&self, name: impl Name) -> Result<bool> {
        Ok(self.metadata_optional(name)?.is_some())
    }

    /// Returns the attributes of this directory.
    pub fn self_metadata(&self) -> Result<Metadata> {
        self.on_self("stat", |dir| {
            rustix::fs::statx(dir, c"", Metadata::AT_FD, Metadata::MASK)
        })
        .map(Metadata::from)
    }

    /// Returns the target of a symlink, whole.
    pub fn read_link(&self, name: impl Name) -> Result<Vec<u8>> {
        self.at("read link", name, |dir, name| {
            rustix::fs::readlinkat(dir, name, Vec::new())
        })
        .map(|target| target.into_bytes())
    }

    /// As [`Dir::read_link`]; `None` if nothing is there or it is not a symlink.
    pub fn read_link_optional(&self, name: impl Name) -> Result<Option<Vec<u8>>> {
        let target = self.at("read link", name, |dir, name| match rustix::fs::readlinkat(
            dir,
            name,
            Vec::new(),
        ) {
            Err(Errno::INVAL) => Ok(None),
            result => optional(result),
        })?;
        Ok(target.map(|target| target.into_bytes()))
    }

    /// Makes a symlink `name` that holds `target`; any bytes but NUL, 1 to 4095 of them.
    pub fn symlink(&self, target: impl AsRef<[u8]>, name: impl Name) -> Result<()> {
        self.at("make symlink", name, |dir, name| {
            name::with_c_str(target.as_ref(), |target| {
                rustix::fs::symlinkat(target, dir, name)
            })
        })
    }

    /// Gives `name` (the inode itself, never what it points to) a second name `new_name` in `new_dir`.
    pub fn hard_link(&self, name: impl Name, new_dir: &Dir, new_name: impl Name) -> Result<()> {
        self.two(
            "link",
            &name,
            new_dir,
            &new_name,
            |from, name, to, new_name| {
                rustix::fs::linkat(from, name, to, new_name, AtFlags::empty())
            },
        )
    }

    /// As [`Dir::hard_link`]; the refusals that a caller can work around are values, not errors.
    pub fn hard_link_optional(
        &self,
        name: impl Name,
        new_dir: &Dir,
        new_name: impl Name,
    ) -> Result<HardLink> {
        self.two(
            "link",
            &name,
            new_dir,
            &new_name,
            |from, name, to, new_name| match rustix::fs::linkat(
                from,
                name,
                to,
                new_name,
                AtFlags::empty(),
            ) {
                Ok(()) => Ok(HardLink::Linked),
                Err(Errno::EXIST) => Ok(HardLink::AlreadyExists),
                Err(Errno::MLINK) => Ok(HardLink::TooManyLinks),
                Err(Errno::XDEV) => Ok(HardLink::CrossDevice),
                Err(Errno::PERM | Errno::OPNOTSUPP) => Ok(HardLink::NotPermitted),
                Err(errno) => Err(errno),
            },
        )
    }

    /// Renames an entry; what was at the new name is replaced in one step. Durable only after [`Dir::sync`] of both directories.
    pub fn rename(&self, name: impl Name, new_dir: &Dir, new_name: impl Name) -> Result<()> {
        self.two(
            "rename",
            &name,
            new_dir,
            &new_name,
            |from, name, to, new_name| rustix::fs::renameat(from, name, to, new_name),
        )
    }

    /// Renames an entry to a name that is free; returns false, and changes nothing, if it is taken.
    pub fn rename_noreplace(
        &self,
        name: impl Name,
        new_dir: &Dir,
        new_name: impl Name,
    ) -> Result<bool> {
        self.two(
            "rename",
            &name,
            new_dir,
            &new_name,
            |from, name, to, new_name| match rustix::fs::renameat_with(
                from,
                name,
                to,
                new_name,
                RenameFlags::NOREPLACE,
            ) {
                Ok(()) => Ok(true),
                Err(Errno::EXIST) => Ok(false),
                Err(errno) => Err(errno),
            },
        )
    }

    /// Swaps two entries in one step; both must exist.
    pub fn exchange(&self, name: impl Name, new_dir: &Dir, new_name: impl Name) -> Result<()> {
        self.two(
            "exchange",
            &name,
            new_dir,
            &new_name,
            |from, name, to, new_name| {
                rustix::fs::renameat_with(from, name, to, new_name, RenameFlags::EXCHANGE)
            },
        )
    }

    /// Makes a directory, with the umask taken off `mode`.
    pub fn create_dir(&self, name: impl Name, mode: u32) -> Result<()> {
        self.at("make directory", name, |dir, name| {
            rustix::fs::mkdirat(dir, name, mode_bits(mode))
        })
    }

    /// Makes a directory unless one is there; returns whether it was made. Anything else by that name is an error.
    pub fn ensure_dir(&self, name: impl Name, mode: u32) -> Result<bool> {
        let made = self.at(
            "make directory",
            &name,
            |dir, name| match rustix::fs::mkdirat(dir, name, mode_bits(mode)) {
                Ok(()) => Ok(true),
                Err(Errno::EXIST) => Ok(false),
                Err(errno) => Err(errno),
            },
        )?;
        if !made && !self.metadata(&name)?.is_dir() {
            return Err(self.failed("make directory", &name, Errno::EXIST));
        }
        Ok(made)
    }

    /// Opens a directory by a relative path beneath this one and makes what is missing of it; symlinks are refused.
    pub fn create_dir_all(&self, path: impl Name, mode: u32) -> Result<Dir> {
        let path = path.as_name_bytes();
        let refuse = |errno: Errno| FsError::new("make directory", self.path_of(path), errno);
        let parts =
            components(path).ok_or_else(|| refuse(Errno::INVAL).because("the path has a `..`"))?;
        let mut dir = self.open_dir_beneath(".")?;
        for part in parts {
            dir = match dir.open_dir_optional(part)? {
                Some(dir) => dir,
                None => {
                    dir.ensure_dir(part, mode)?;
                    dir.open_dir(part)?
                }
            };
        }
        Ok(dir)
    }

    /// Makes a FIFO, socket or device node as `mknod(2)` would; `mode` with its type bits. Devices need `CAP_MKNOD`.
    pub fn make_node(&self, name: impl Name, mode: u32, rdev: u64) -> Result<()> {
        let kind = rustix::fs::FileType::from_raw_mode(mode);
        self.at("make node", name, |dir, name| {
            rustix::fs::mknodat(dir, name, kind, mode_bits(mode), rdev)
        })
    }

    /// Sets permission, set-id and sticky bits of an entry exactly; a symlink is refused, as it has none.
    pub fn set_mode(&self, name: impl Name, mode: u32) -> Result<()> {
        self.at("change mode of", name, |dir, name| {
            let handle = path_handle(dir, name)?;
            let stat = rustix::fs::fstat(&handle)?;
            if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_symlink() {
                return Err(Errno::LOOP);
            }
            // An O_PATH handle can't be given to fchmod; its link in /proc leads to the inode and nowhere else.
            rustix::fs::chmod(
                format!("/proc/self/fd/{}", handle.as_raw_fd()),
                mode_bits(mode),
            )
        })
    }

    /// Sets the owner and group of an entry; of a symlink, its own. Clears set-id bits, so it comes before [`Dir::set_mode`].
    pub fn set_owner(&self, name: impl Name, owner: u32, group: u32) -> Result<()> {
        self.at("change owner of", name, |dir, name| {
            rustix::fs::chownat(
                dir,
                name,
                Some(uid(owner)?),
                Some(gid(group)?),
                AtFlags::SYMLINK_NOFOLLOW,
            )
        })
    }

    /// Sets access and modification time of an entry to `time`; of a symlink, its own.
    pub fn set_times(&self, name: impl Name, time: Timestamp) -> Result<()> {
        self.at("change times of", name, |dir, name| {
            rustix::fs::utimensat(dir, name, &timestamps(time), AtFlags::SYMLINK_NOFOLLOW)
        })
    }

    /// Removes an entry that is not a directory.
    pub fn unlink(&self, name: impl Name) -> Result<()> {
        self.at("remove", name, |dir, name| {
            rustix::fs::unlinkat(dir, name, AtFlags::empty())
        })
    }

    /// As [`Dir::unlink`]; returns whether something was there.
    pub fn unlink_optional(&self, name: impl Name) -> Result<bool> {
        let removed = self.at("remove", name, |dir, name| {
            optional(rustix::fs::unlinkat(dir, name, AtFlags::empty()))
        })?;
        Ok(removed.is_some())
    }

    /// Removes an empty directory.
    pub fn remove_dir(&self, name: impl Name) -> Result<()> {
        self.at("remove directory", name, |dir, name| {
            rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)
        })
    }

    /// Makes additions, renames and removals in this directory durable.
    pub fn sync(&self) -> Result<()> {
        self.on_self("sync", |dir| rustix::fs::fsync(dir))
    }

    /// Writes out everything of the file system that holds this directory: data, inodes and directories.
    pub fn sync_file_system(&self) -> Result<()> {
        self.on_self("sync the file system of", |dir| rustix::fs::syncfs(dir))
    }

    /// Runs a call of two checked names.
    #[inline]
    fn two<T>(
        &self,
        op: &'static str,
        name: &impl Name,
        new_dir: &Dir,
        new_name: &impl Name,
        call: impl FnOnce(
            BorrowedFd<'_>,
            &std::ffi::CStr,
            BorrowedFd<'_>,
            &std::ffi::CStr,
        ) -> Result<T, Errno>,
    ) -> Result<T> {
        let result = name::with_name(name, |name| {
            name::with_name(new_name, |new_name| {
                call(self.as_fd(), name, new_dir.as_fd(), new_name)
            })
        });
        result.map_err(|errno| {
            let (from, to) = (
                self.path_of(name.as_name_bytes()),
                new_dir.path_of(new_name.as_name_bytes()),
            );
            let objection = (errno == Errno::INVAL)
                .then(|| {
                    name::objection(name.as_name_bytes(), name.is_trusted_path()).or_else(|| {
                        name::objection(new_name.as_name_bytes(), new_name.is_trusted_path())
                    })
                })
                .flatten();
            objection
                .into_iter()
                .fold(FsError::between(op, from, to, errno), FsError::because)
        })
    }
}

fn path_handle(dir: BorrowedFd<'_>, name: &std::ffi::CStr) -> Result<std::os::fd::OwnedFd, Errno> {
    rustix::fs::openat(
        dir,
        name,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}
