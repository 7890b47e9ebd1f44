//! What a boot loader's backend is given, promises and returns.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use ostler_format::bootlink::loader_dir;
use ostler_format::{BootEntry, Turn};
use ostler_fs::{Dir, Durability, FsError};

/// Configurations of others are read up to this size, in bytes.
pub(crate) const CONFIG_MAX_BYTES: u64 = 1 << 20;

/// The boot order that a boot loader shall offer next.
#[derive(Debug)]
pub struct NextBoot<'a> {
    /// `/boot`.
    pub boot: &'a Dir,
    /// The path of `/boot` for programs that are run.
    pub boot_path: &'a Path,
    /// Which `loader.B` is being written; `/boot/loader` still points to the other one.
    pub boot_version: Turn,
    /// The entries, the default first.
    pub entries: &'a [BootEntry],
    /// The root of the default deployment's tree.
    pub default_tree: Option<&'a Dir>,
    /// Whether the running system was booted from this `/boot`, so that its tools know the disks as the boot loader will.
    pub booted: bool,
    /// The program that writes `grub.cfg` instead of the system's own, as `OSTREE_GRUB2_EXEC` names it.
    pub grub_mkconfig: Option<PathBuf>,
}

impl NextBoot<'_> {
    /// Writes a file whole and synced into `loader.B` and returns its path below `/boot`.
    pub(crate) fn write_in_loader_dir(
        &self,
        name: &str,
        text: &[u8],
    ) -> Result<String, BootloaderError> {
        let loader = loader_dir(self.boot_version);
        self.boot.ensure_dir(&loader, 0o755)?;
        let dir = self.boot.open_dir(&loader)?;
        dir.write_atomic(name, text, 0o644, Durability::Synced)?;
        Ok(format!("{loader}/{name}"))
    }
}

/// When a written configuration decides the next boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakesEffect {
    /// In one step with the entries, when `/boot/loader` is swapped.
    WithTheSwap,
    /// When it is written, or at a time that the boot loader alone knows.
    AtOnce,
}

/// What a backend did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The written file, below `/boot`; `None` if there was nothing to write.
    pub path: Option<String>,
    /// What a person should know: parts of an entry that this boot loader can't be told, in sentences.
    pub warnings: Vec<String>,
}

/// Brings a boot loader's own configuration in line with the entries.
pub trait Backend: Debug {
    /// The name in `sysroot.bootloader`.
    fn name(&self) -> &'static str;

    /// When what [`Backend::write`] wrote decides the next boot.
    fn takes_effect(&self) -> TakesEffect;

    /// Writes the configuration for `next`; when it returns, the file is whole and synced.
    ///
    /// # Errors
    /// [`BootloaderError`]; what was in use before is unchanged then.
    fn write(&self, next: &NextBoot<'_>) -> Result<Written, BootloaderError>;
}

/// The reason why a boot loader's configuration could not be found or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootloaderError {
    /// A call on `/boot` failed.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// There is no entry to offer.
    #[error("{backend} needs at least one boot entry")]
    NoEntries {
        /// The backend.
        backend: &'static str,
    },
    /// An entry without a kernel.
    #[error("boot entry `{title}` has no `linux` line")]
    NoKernel {
        /// The entry's title.
        title: String,
    },
    /// The existing configuration is no text.
    #[error("`{path}` is not UTF-8")]
    NotText {
        /// The file, below `/boot`.
        path: &'static str,
    },
    /// The program that writes `grub.cfg` could not be run.
    #[error("cannot run `{}`: {cause}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        cause: std::io::Error,
    },
    /// The program that writes `grub.cfg` failed, or wrote nothing.
    #[error("`{}` {outcome}{}", program.display(), said(stderr))]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended, in words.
        outcome: String,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
}

fn said(stderr: &str) -> String {
    match stderr.is_empty() {
        true => String::new(),
        false => format!(": {stderr}"),
    }
}

/// The title for a menu, `ostree:N` if the entry has none.
pub(crate) fn title(entry: &BootEntry, index: usize) -> String {
    let title = entry.title.as_deref().unwrap_or_default();
    let title: String = title.chars().filter(|c| !c.is_control()).collect();
    match title.is_empty() {
        true => format!("ostree:{index}"),
        false => title,
    }
}

/// The kernel's path, which every boot loader needs.
pub(crate) fn kernel(entry: &BootEntry, index: usize) -> Result<&str, BootloaderError> {
    entry
        .linux
        .as_deref()
        .ok_or_else(|| BootloaderError::NoKernel {
            title: title(entry, index),
        })
}

/// A path as seen from `/`; on a `/boot` of its own, the link `/boot/boot -> .` makes it valid too.
pub(crate) fn below_root(path: &str) -> String {
    match path.starts_with("/boot/") {
        true => path.to_owned(),
        false => format!("/boot{path}"),
    }
}
