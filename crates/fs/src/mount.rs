//! Mounts: what is mounted where, bind, remount and move, a mount namespace of one's own.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, StatVfsMountFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::thread::UnshareFlags;

use crate::dir::Dir;
use crate::error::{Context, FsError, Result};

/// Bytes of mountinfo that are read at most; a line has about 150.
const MOUNTINFO_CAP_BYTES: u64 = 64 << 20;

/// One mount, a line of `/proc/self/mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The kernel's number, that of [`Dir::mount_id`].
    pub id: u64,
    /// The number of the mount that it is on.
    pub parent_id: u64,
    /// Device of the file system, as `st_dev` (Btrfs: of its first subvolume).
    pub dev: u64,
    /// The directory of the file system that is mounted, `/` for all of it.
    pub root: PathBuf,
    /// Where it is mounted, as this process sees it.
    pub mount_point: PathBuf,
    /// Options of the mount, as `ro,nosuid`.
    pub options: String,
    /// Type of the file system.
    pub fs_type: String,
    /// What it was mounted from: a device, or any word.
    pub source: PathBuf,
    /// Options of the file system.
    pub super_options: String,
}

impl Mount {
    /// Whether nothing can be written through it: the mount, or the file system, is read-only.
    pub fn is_read_only(&self) -> bool {
        let has_ro = |options: &str| options.split(',').any(|option| option == "ro");
        has_ro(&self.options) || has_ro(&self.super_options)
    }
}

/// All mounts of this process's namespace, in the order in which they were made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MountTable(Vec<Mount>);

impl MountTable {
    /// Reads `/proc/self/mountinfo` of the calling thread.
    pub fn read() -> Result<Self> {
        // thread-self: a namespace of its own belongs to one thread.
        let proc = Dir::open_ambient("/proc/thread-self")?;
        let content = proc.read("mountinfo", MOUNTINFO_CAP_BYTES)?;
        Self::parse(&content).ok_or_else(|| {
            let error = std::io::Error::from(std::io::ErrorKind::InvalidData);
            FsError::new("read", proc.path_of(b"mountinfo"), error)
        })
    }

    /// Parses the text of a mountinfo file; `None` if a line is not one.
    pub fn parse(content: &[u8]) -> Option<Self> {
        content
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(parse_line)
            .collect::<Option<_>>()
            .map(MountTable)
    }

    /// The mounts.
    pub fn mounts(&self) -> &[Mount] {
        &self.0
    }

    /// Finds the mount on exactly this path: the last, which covers those before it.
    pub fn on(&self, mount_point: impl AsRef<Path>) -> Option<&Mount> {
        self.0
            .iter()
            .rev()
            .find(|mount| mount.mount_point == mount_point.as_ref())
    }

    /// Finds a mount by its number.
    pub fn by_id(&self, id: u64) -> Option<&Mount> {
        self.0.iter().find(|mount| mount.id == id)
    }

    /// Finds the mounts on `path` and below it, the deepest first: the order to unmount them in.
    pub fn below(&self, path: impl AsRef<Path>) -> Vec<&Mount> {
        self.0
            .iter()
            .rev()
            .filter(|mount| mount.mount_point.starts_with(path.as_ref()))
            .collect()
    }
}

/// `36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/sda1 rw,errors=continue`
fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let id = number(fields.next()?)?;
    let parent_id = number(fields.next()?)?;
    let mut dev = fields.next()?.splitn(2, |&byte| byte == b':');
    let dev = rustix::fs::makedev(
        u32::try_from(number(dev.next()?)?).ok()?,
        u32::try_from(number(dev.next()?)?).ok()?,
    );
    let root = path(fields.next()?);
    let mount_point = path(fields.next()?);
    let options = text(fields.next()?);
    // A varying number of optional fields ends with a dash.
    fields.by_ref().find(|field| *field == b"-")?;
    let fs_type = text(fields.next()?);
    let source = path(fields.next()?);
    let super_options = fields.next().map(text).unwrap_or_default();
    Some(Mount {
        id,
        parent_id,
        dev,
        root,
        mount_point,
        options,
        fs_type,
        source,
        super_options,
    })
}

fn number(field: &[u8]) -> Option<u64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(&unescape(field)).into_owned()
}

fn path(field: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(unescape(field)))
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|digits| {
            first == b'\\' && digits.iter().all(|digit| (b'0'..b'8').contains(digit))
        });
        let value = octal.map(|digits| {
            digits
                .iter()
                .fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'))
        });
        match value.and_then(|value| u8::try_from(value).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    bytes
}

/// Whether something is mounted on a path, which is not followed if it is a symlink.
pub fn is_mount_point(path: impl AsRef<Path>) -> Result<bool> {
    let path = path.as_ref();
    let flags = crate::metadata::Metadata::AT_NAME;
    let stat = rustix::fs::statx(CWD, path, flags, crate::metadata::Metadata::MASK)
        .context("stat", path)?;
    Ok(crate::metadata::Metadata::from(stat).mount_root)
}

/// Shows the directory or file `source` at `target` as well.
pub fn bind(source: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<()> {
    let (source, target) = (source.as_ref(), target.as_ref());
    rustix::mount::mount_bind(source, target)
        .map_err(|errno| FsError::between("bind-mount", source, target, errno))
}

/// Mounts a new file system; `options` as `mount -o` takes them for its type.
pub fn mount(
    fs_type: &str,
    source: impl AsRef<Path>,
    target: impl AsRef<Path>,
    options: &str,
) -> Result<()> {
    let (source, target) = (source.as_ref(), target.as_ref());
    mount_with(fs_type, source, target, options, MountFlags::empty())
}

/// As [`mount`], for reading only.
pub fn mount_read_only(
    fs_type: &str,
    source: impl AsRef<Path>,
    target: impl AsRef<Path>,
    options: &str,
) -> Result<()> {
    let (source, target) = (source.as_ref(), target.as_ref());
    mount_with(fs_type, source, target, options, MountFlags::RDONLY)
}

fn mount_with(
    fs_type: &str,
    source: &Path,
    target: &Path,
    options: &str,
    flags: MountFlags,
) -> Result<()> {
    let failed = |error: std::io::Error| FsError::between("mount", source, target, error);
    let options = std::ffi::CString::new(options).map_err(|error| failed(error.into()))?;
    rustix::mount::mount(source, target, fs_type, flags, options.as_c_str())
        .map_err(|errno| failed(errno.into()))
}

/// Moves a mount, and what is mounted in it, to another place. Neither its parent mount nor that of the new place may be shared.
pub fn move_mount(source: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<()> {
    let (source, target) = (source.as_ref(), target.as_ref());
    rustix::mount::mount_move(source, target)
        .map_err(|errno| FsError::between("move mount", source, target, errno))
}

/// Whether mounts that appear in one place appear in others, too (mount_namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// Nothing comes in or goes out.
    Private,
    /// What appears in the origin appears here; what appears here appears in its own copies, but not in the origin.
    SlaveAndShared,
}

/// Says how a mount and all mounts in it propagate.
pub fn set_propagation(target: impl AsRef<Path>, propagation: Propagation) -> Result<()> {
    let target = target.as_ref();
    let steps: &[MountPropagationFlags] = match propagation {
        Propagation::Private => &[MountPropagationFlags::PRIVATE],
        Propagation::SlaveAndShared => &[
            MountPropagationFlags::DOWNSTREAM,
            MountPropagationFlags::SHARED,
        ],
    };
    for step in steps {
        rustix::mount::mount_change(target, *step | MountPropagationFlags::REC)
            .context("change how mounts propagate below", target)?;
    }
    Ok(())
}

/// Makes the mount at `new_root` the root of this namespace and moves the old one to `old_root`, a directory in it.
pub fn pivot_root(new_root: impl AsRef<Path>, old_root: impl AsRef<Path>) -> Result<()> {
    let (new_root, old_root) = (new_root.as_ref(), old_root.as_ref());
    rustix::process::pivot_root(new_root, old_root)
        .map_err(|errno| FsError::between("make root", new_root, old_root, errno))?;
    rustix::process::chdir("/").context("change directory to", Path::new("/"))
}

/// Takes a mount away, at once or, if it is in use, as soon as it isn't.
pub fn unmount(target: impl AsRef<Path>) -> Result<()> {
    let target = target.as_ref();
    rustix::mount::unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
        .context("unmount", target)
}

/// What a mount allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writable {
    /// Reading only.
    No,
    /// Reading and writing.
    Yes,
}

/// Makes a mount, alone and not its file system's others, read-only or writable; its other options stay.
///
/// A file system that is read-only itself is remounted writable as well, if it is asked for.
pub fn remount(target: impl AsRef<Path>, writable: Writable) -> Result<()> {
    let target = target.as_ref();
    let state = |op| {
        rustix::fs::statvfs(target)
            .map(|stat| stat.f_flag)
            .context(op, target)
    };
    let kept = kept_flags(state("ask for the mount of")?);
    let flags = match writable {
        Writable::No => kept | MountFlags::RDONLY,
        Writable::Yes => kept,
    };
    let remount =
        |flags| rustix::mount::mount_remount(target, flags, c"").context("remount", target);
    remount(flags | MountFlags::BIND)?;
    if writable == Writable::Yes
        && state("ask for the mount of")?.contains(StatVfsMountFlags::RDONLY)
    {
        remount(flags)?;
    }
    Ok(())
}

/// A remount sets all options of the mount, so those that it has are given again.
fn kept_flags(state: StatVfsMountFlags) -> MountFlags {
    const PAIRS: [(StatVfsMountFlags, MountFlags); 6] = [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ];
    PAIRS
        .iter()
        .filter(|(state_flag, _)| state.contains(*state_flag))
        .map(|(_, flag)| *flag)
        .collect()
}

/// Moves the calling thread, and the threads and processes that it starts from now on, to a mount namespace of their own.
///
/// What is mounted there from now on is not seen outside; what is mounted outside still appears inside. Handles opened before keep
/// showing the old namespace, other threads stay in it: call it first of all. Needs `CAP_SYS_ADMIN`.
pub fn enter_private_namespace() -> Result<()> {
    // SAFETY: the danger of unshare is a descriptor table of one's own (`FILES`), which is not asked for.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }
        .context("enter a mount namespace at", "/")?;
    let flags = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", flags).context("make mounts private below", "/")
}

/// Returns the kernel's identifier of this boot, a UUID in text.
pub fn boot_id() -> Result<String> {
    let content = Dir::open_ambient("/proc/sys/kernel/random")?.read("boot_id", 128)?;
    Ok(OsStr::from_bytes(&content)
        .to_string_lossy()
        .trim()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_parsed_with_escapes_and_any_number_of_optional_fields() {
        let text = b"36 35 98:0 /a\\040b /mnt\\134x rw,noatime master:1 shared:2 - ext4 /dev/sd\\011a rw,errors=continue\n\
            40 36 0:5 / /proc ro - proc proc rw\n";
        let table = MountTable::parse(text).unwrap();
        let first = &table.mounts()[0];
        assert_eq!(
            (first.id, first.parent_id, first.dev),
            (36, 35, rustix::fs::makedev(98, 0))
        );
        assert_eq!(first.root, Path::new("/a b"));
        assert_eq!(first.mount_point, Path::new("/mnt\\x"));
        assert_eq!(first.source, Path::new("/dev/sd\ta"));
        assert!(!first.is_read_only() && table.on("/proc").unwrap().is_read_only());
        assert_eq!(
            MountTable::parse(b"36 35 98:0 / /mnt rw ext4 x rw\n"),
            None,
            "no dash, no line"
        );
        assert_eq!(MountTable::parse(b"36 35 98 / /mnt rw - ext4 x rw\n"), None);
    }

    #[test]
    fn the_kernels_own_table_has_the_mount_of_a_handle() {
        let root = Dir::open_ambient("/proc").unwrap();
        let table = MountTable::read().unwrap();
        let mount = table.by_id(root.mount_id().unwrap()).unwrap();
        assert_eq!(mount.fs_type, "proc");
        assert!(is_mount_point("/proc").unwrap() && !is_mount_point("/proc/self").unwrap());
        assert_eq!(boot_id().unwrap().len(), 36);
    }
}
