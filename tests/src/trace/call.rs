//! System calls that change files, and which files.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use nix::libc;
use nix::unistd::Pid;

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Makes a file, with or without a name.
    Create,
    /// Makes a directory, a symlink or a device.
    Make,
    /// Gives a file a further name, [`Step::to`].
    Link,
    /// Moves a name to [`Step::to`].
    Rename,
    /// Removes a name.
    Remove,
    /// Changes the content.
    Write,
    /// Changes owner, mode, times, xattrs or flags.
    Attribute,
    /// Makes one file durable.
    SyncFile,
    /// Makes a file system durable.
    SyncFileSystem,
}

impl Call {
    /// Whether it changes nothing that another process sees.
    pub fn is_sync(self) -> bool {
        matches!(self, Self::SyncFile | Self::SyncFileSystem)
    }
}

/// A system call that is about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it does.
    pub call: Call,
    /// To which path; a file without a name is `DIRECTORY/#INODE (deleted)`.
    pub path: PathBuf,
    /// The second path of a link or a rename.
    pub to: Option<PathBuf>,
}

impl Step {
    /// The name that this step makes appear: of a rename or a link the second.
    pub fn appears(&self) -> Option<&Path> {
        match self.call {
            Call::Link | Call::Rename => self.to.as_deref(),
            Call::Make => Some(&self.path),
            // A file that is made without a name.
            Call::Create if self.path.as_os_str().as_bytes().ends_with(b"/.") => None,
            Call::Create => Some(&self.path),
            _ => None,
        }
    }
}

/// Where a call has its arguments.
enum Shape {
    /// A path that is relative to no handle.
    Path(usize),
    /// Two of them.
    Paths(usize, usize),
    /// A handle, and a path beneath it.
    At(usize, usize),
    /// Two of them.
    AtAt([usize; 4]),
    /// A handle.
    Handle(usize),
    /// As `At`, with flags.
    Open(usize, usize, usize),
    /// As `At`, with a pointer to flags.
    Open2(usize, usize, usize),
    /// A path and flags.
    OpenPath(usize, usize),
    /// A handle and a request.
    Ioctl,
    /// All file systems.
    Nothing,
}

const FICLONE: u64 = 0x4004_9409;
const FICLONERANGE: u64 = 0x4020_940d;
const SET_FLAGS: u64 = 0x4008_6602;
const ENABLE_VERITY: u64 = 0x4080_6685;

/// Every number that is not here reads, or has nothing to do with files.
fn shape(number: i64) -> Option<(Call, Shape)> {
    use Shape::{At, AtAt, Handle, Ioctl, Nothing, Open, Open2, Path};
    Some(match number {
        libc::SYS_openat => (Call::Create, Open(0, 1, 2)),
        libc::SYS_openat2 => (Call::Create, Open2(0, 1, 2)),
        libc::SYS_mkdirat | libc::SYS_mknodat => (Call::Make, At(0, 1)),
        libc::SYS_symlinkat => (Call::Make, At(1, 2)),
        libc::SYS_linkat => (Call::Link, AtAt([0, 1, 2, 3])),
        libc::SYS_renameat2 => (Call::Rename, AtAt([0, 1, 2, 3])),
        libc::SYS_unlinkat => (Call::Remove, At(0, 1)),
        libc::SYS_write
        | libc::SYS_writev
        | libc::SYS_pwrite64
        | libc::SYS_pwritev
        | libc::SYS_pwritev2
        | libc::SYS_ftruncate
        | libc::SYS_fallocate
        | libc::SYS_sendfile => (Call::Write, Handle(0)),
        libc::SYS_copy_file_range => (Call::Write, Handle(2)),
        libc::SYS_truncate => (Call::Write, Path(0)),
        libc::SYS_ioctl => (Call::Attribute, Ioctl),
        libc::SYS_fchmod | libc::SYS_fchown | libc::SYS_fsetxattr | libc::SYS_fremovexattr => {
            (Call::Attribute, Handle(0))
        }
        libc::SYS_fchmodat | libc::SYS_fchownat | libc::SYS_utimensat => {
            (Call::Attribute, At(0, 1))
        }
        libc::SYS_setxattr
        | libc::SYS_lsetxattr
        | libc::SYS_removexattr
        | libc::SYS_lremovexattr => (Call::Attribute, Path(0)),
        libc::SYS_fsync | libc::SYS_fdatasync => (Call::SyncFile, Handle(0)),
        libc::SYS_syncfs => (Call::SyncFileSystem, Handle(0)),
        libc::SYS_sync => (Call::SyncFileSystem, Nothing),
        _ => return old_shape(number),
    })
}

/// Calls that newer architectures don't have.
#[cfg(target_arch = "x86_64")]
fn old_shape(number: i64) -> Option<(Call, Shape)> {
    use Shape::{AtAt, OpenPath, Path, Paths};
    Some(match number {
        libc::SYS_open => (Call::Create, OpenPath(0, 1)),
        libc::SYS_creat => (Call::Create, Path(0)),
        libc::SYS_mkdir | libc::SYS_mknod => (Call::Make, Path(0)),
        libc::SYS_symlink => (Call::Make, Path(1)),
        libc::SYS_link => (Call::Link, Paths(0, 1)),
        libc::SYS_rename => (Call::Rename, Paths(0, 1)),
        libc::SYS_renameat => (Call::Rename, AtAt([0, 1, 2, 3])),
        libc::SYS_unlink | libc::SYS_rmdir => (Call::Remove, Path(0)),
        libc::SYS_chmod | libc::SYS_chown | libc::SYS_lchown | libc::SYS_utimes => {
            (Call::Attribute, Path(0))
        }
        _ => return None,
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn old_shape(_: i64) -> Option<(Call, Shape)> {
    None
}

/// The call at whose entry the thread has stopped; `None` if it changes no file.
pub(super) fn at_entry(thread: Pid) -> Option<Step> {
    let text = fs::read_to_string(format!("/proc/{thread}/syscall")).ok()?;
    let mut words = text.split_ascii_whitespace();
    let (call, shape) = shape(words.next()?.parse().ok()?)?;
    let arguments: Vec<u64> = words
        .filter_map(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok())
        .collect();
    Arguments { thread, arguments }.step(call, &shape)
}

struct Arguments {
    thread: Pid,
    arguments: Vec<u64>,
}

impl Arguments {
    fn step(&self, call: Call, shape: &Shape) -> Option<Step> {
        let mut to = None;
        let path = match *shape {
            Shape::Nothing => PathBuf::from("/"),
            Shape::Path(path) => self.path(None, path)?,
            Shape::Paths(from, second) => {
                to = self.path(None, second);
                self.path(None, from)?
            }
            Shape::At(handle, path) => self.path(Some(handle), path)?,
            Shape::AtAt([from_handle, from, to_handle, second]) => {
                to = self.path(Some(to_handle), second);
                self.path(Some(from_handle), from)?
            }
            Shape::Handle(handle) => self.handle(handle)?,
            Shape::Open(handle, path, flags) => {
                self.changing(self.arguments[flags])?;
                self.path(Some(handle), path)?
            }
            Shape::Open2(handle, path, how) => {
                let flags = self.memory(self.arguments[how], 8)?;
                self.changing(u64::from_ne_bytes(flags.try_into().ok()?))?;
                self.path(Some(handle), path)?
            }
            Shape::OpenPath(path, flags) => {
                self.changing(self.arguments[flags])?;
                self.path(None, path)?
            }
            Shape::Ioctl => match self.arguments[1] {
                FICLONE | FICLONERANGE | SET_FLAGS | ENABLE_VERITY => self.handle(0)?,
                _ => return None,
            },
        };
        Some(Step { call, path, to })
    }

    fn changing(&self, flags: u64) -> Option<()> {
        const TMPFILE: u64 = (libc::O_TMPFILE & !libc::O_DIRECTORY) as u64;
        let changing = (libc::O_CREAT | libc::O_TRUNC) as u64 | TMPFILE;
        (flags & changing != 0).then_some(())
    }

    /// What a handle is of; `None` for a pipe or a socket.
    fn handle(&self, argument: usize) -> Option<PathBuf> {
        self.link(self.arguments[argument] as i32)
    }

    fn link(&self, handle: i32) -> Option<PathBuf> {
        let name = match handle {
            libc::AT_FDCWD => format!("/proc/{}/cwd", self.thread),
            _ => format!("/proc/{}/fd/{handle}", self.thread),
        };
        let path = fs::read_link(name).ok()?;
        let is_file = path.is_absolute() && path != Path::new("/dev/null");
        is_file.then_some(path)
    }

    fn path(&self, handle: Option<usize>, argument: usize) -> Option<PathBuf> {
        let text = self.string(self.arguments[argument])?;
        let path = PathBuf::from(OsString::from_vec(text));
        // Files are reached by their handles through /proc where a call takes none.
        if let Ok(below) = path.strip_prefix("/proc/self/fd") {
            let mut parts = below.components();
            let Some(Component::Normal(number)) = parts.next() else {
                return Some(path);
            };
            let of = self.link(number.to_str()?.parse().ok()?)?;
            return Some(of.join(parts.as_path()));
        }
        let handle = handle.map_or(libc::AT_FDCWD, |handle| self.arguments[handle] as i32);
        if path.is_absolute() {
            return Some(path);
        }
        let base = self.link(handle)?;
        Some(match path.as_os_str().is_empty() {
            true => base,
            // Not `join`, which would drop the dot.
            false => PathBuf::from(format!("{}/{}", base.display(), path.display())),
        })
    }

    /// A text that ends with a zero byte; a null pointer is the empty text.
    fn string(&self, address: u64) -> Option<Vec<u8>> {
        if address == 0 {
            return Some(Vec::new());
        }
        let mut text = Vec::new();
        while text.len() < 8192 {
            // Up to the end of the page: the next one may not be there.
            let at = address + text.len() as u64;
            let chunk = self.memory(at, (4096 - at % 4096) as usize)?;
            if let Some(end) = chunk.iter().position(|byte| *byte == 0) {
                text.extend_from_slice(&chunk[..end]);
                return Some(text);
            }
            text.extend_from_slice(&chunk);
        }
        None
    }

    fn memory(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        let memory = File::open(format!("/proc/{}/mem", self.thread)).ok()?;
        memory.read_exact_at(&mut bytes, address).ok()?;
        Some(bytes)
    }
}
