//! Core images: GRUB's kernel with modules and built-in commands.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ostler_fs::{Dir, Durability, FsError};

use crate::program;

/// Programs that make images, by the names that distributions give them.
const PROGRAMS: [&str; 2] = ["grub-mkimage", "grub2-mkimage"];
const PROGRAM_DIRS: [&str; 5] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"];
/// Where distributions keep the modules, below a root.
const MODULE_DIRS: [&str; 2] = ["usr/lib/grub", "usr/lib/grub2"];

/// Every command that a `grub.cfg` of this project, or one that `grub-mkconfig` writes, asks for, and file systems a `/boot` may have.
const MODULES: [&str; 37] = [
    "all_video",
    "boot",
    "btrfs",
    "cat",
    "chain",
    "configfile",
    "echo",
    "ext2",
    "fat",
    "font",
    "gettext",
    "gfxterm",
    "gzio",
    "halt",
    "keystatus",
    "linux",
    "loadenv",
    "ls",
    "lzopio",
    "minicmd",
    "normal",
    "part_gpt",
    "part_msdos",
    "probe",
    "reboot",
    "regexp",
    "search",
    "search_fs_file",
    "search_fs_uuid",
    "search_label",
    "serial",
    "sleep",
    "terminal",
    "test",
    "true",
    "xfs",
    "zstd",
];

/// What starts the boot loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// A BIOS, of x86 machines.
    Bios,
    /// UEFI, of x86-64 machines.
    EfiX86,
    /// UEFI, of 64-bit Arm machines.
    EfiArm,
}

impl Firmware {
    /// What GRUB calls it: its modules are in a directory of this name.
    #[must_use]
    pub fn format(self) -> &'static str {
        match self {
            Self::Bios => "i386-pc",
            Self::EfiX86 => "x86_64-efi",
            Self::EfiArm => "arm64-efi",
        }
    }

    fn modules(self) -> impl Iterator<Item = &'static str> {
        let own: &[&str] = match self {
            Self::Bios => &["biosdisk"],
            Self::EfiX86 | Self::EfiArm => &["efifwsetup"],
        };
        MODULES.into_iter().chain(own.iter().copied())
    }
}

/// An image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// There is no program for it.
    #[error("there is no `grub-mkimage` on this machine")]
    NoProgram,
    /// The program could not be run.
    #[error("cannot run `{}`: {cause}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        cause: std::io::Error,
    },
    /// The program failed.
    #[error("`{}` failed: {stderr}", program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
}

/// Finds GRUB's modules for a firmware: those of the tree at `tree`, else this machine's.
#[must_use]
pub fn find_modules(tree: &Path, firmware: Firmware) -> Option<PathBuf> {
    let roots = [tree, Path::new("/")];
    let dirs = roots
        .iter()
        .flat_map(|root| MODULE_DIRS.map(|dir| root.join(dir).join(firmware.format())));
    dirs.into_iter()
        .find(|dir| dir.join("kernel.img").is_file())
}

/// An image that finds a `grub.cfg` by the UUID of its file system.
#[derive(Debug, Clone, Copy)]
pub struct GrubImage<'a> {
    /// What starts it.
    pub firmware: Firmware,
    /// The modules for that.
    pub modules: &'a Path,
    /// The file system of `grub.cfg`.
    pub uuid: &'a str,
    /// The directory of `grub.cfg` in that file system, from its root.
    pub config_dir: &'a str,
}

impl GrubImage<'_> {
    /// Makes the image; `scratch` is a directory for files on the way.
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn make(&self, scratch: &Path) -> Result<Vec<u8>, ImageError> {
        /// One has half a mebibyte.
        const MAX_BYTES: u64 = 64 << 20;
        let program = program::find(&PROGRAM_DIRS, &PROGRAMS).ok_or(ImageError::NoProgram)?;
        let dir = Dir::open_ambient(scratch)?;
        let (commands, image) = ("grub-early.cfg", "grub-image");
        dir.write_atomic(commands, self.commands(), 0o600, Durability::Cached)?;
        dir.unlink_optional(image)?;
        let output = Command::new(&program)
            .args(["-O", self.firmware.format(), "-p", self.config_dir, "-d"])
            .arg(self.modules)
            .args([OsStr::new("-c"), scratch.join(commands).as_os_str()])
            .args([OsStr::new("-o"), scratch.join(image).as_os_str()])
            .args(self.firmware.modules())
            .stdin(Stdio::null())
            .output()
            .map_err(|cause| ImageError::Run {
                program: program.clone(),
                cause,
            })?;
        if !output.status.success() {
            return Err(failed(program, &output.stderr));
        }
        let made = dir.read(image, MAX_BYTES)?;
        dir.unlink(image)?;
        dir.unlink(commands)?;
        Ok(made)
    }

    /// What the image does before it reads `grub.cfg`.
    fn commands(&self) -> String {
        let (uuid, dir) = (self.uuid, self.config_dir);
        format!("search.fs_uuid {uuid} root\nset prefix=($root){dir}\n")
    }
}

fn failed(program: PathBuf, stderr: &[u8]) -> ImageError {
    ImageError::Failed {
        program,
        stderr: program::last_words(stderr),
    }
}
