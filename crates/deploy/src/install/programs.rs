//! Programs of this machine that make file systems.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ostler_bootloader::program;

const DIRS: [&str; 5] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin"];

/// Such a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It is not there.
    #[error("there is no `{name}` on this machine")]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// It could not be run.
    #[error("cannot run `{}`: {cause}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        cause: std::io::Error,
    },
    /// It failed.
    #[error("`{name}` failed: {said}")]
    Failed {
        /// Its name.
        name: &'static str,
        /// The end of what it wrote.
        said: String,
    },
}

impl ProgramError {
    /// Returns what a person can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        let Self::Missing { name } = self else {
            return None;
        };
        let package = match *name {
            "mkfs.ext4" | "debugfs" => "e2fsprogs",
            "mkfs.xfs" => "xfsprogs",
            "mkfs.btrfs" => "btrfs-progs",
            "mkfs.vfat" => "dosfstools",
            "mcopy" => "mtools",
            _ => return None,
        };
        Some(format!(
            "install the package that has it, in Debian and Fedora `{package}`"
        ))
    }
}

/// Finds a program.
///
/// # Errors
/// [`ProgramError::Missing`].
pub(super) fn find(name: &'static str) -> Result<PathBuf, ProgramError> {
    program::find(&DIRS, &[name]).ok_or(ProgramError::Missing { name })
}

/// Runs a program to its end, and returns what it wrote to standard output.
///
/// # Errors
/// [`ProgramError`].
pub(super) fn run<A: AsRef<OsStr>>(
    name: &'static str,
    arguments: impl IntoIterator<Item = A>,
) -> Result<String, ProgramError> {
    let program = find(name)?;
    let output = Command::new(&program)
        .args(arguments)
        // mtools: an image that another program has made need not have a disk's geometry.
        .env("MTOOLS_SKIP_CHECK", "1")
        .stdin(Stdio::null())
        .output()
        .map_err(|cause| ProgramError::Run { program, cause })?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(ProgramError::Failed {
            name,
            said: program::last_words(&[output.stdout, output.stderr].concat()),
        }),
    }
}
