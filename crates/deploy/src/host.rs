//! What the running system says of itself: whether it was booted from a deployment, and what waits for its shutdown.

use std::path::{Path, PathBuf};

use ostler_format::variant::{Type, Value, VariantError};
use ostler_fs::{Dir, FsError, Trusted};

use crate::layout;

/// The most that is read of a file in `/run`.
const MAX_RUN_FILE: u64 = 1 << 20;

/// The running system; [`Host::read`] reads the real one.
#[derive(Clone, Debug)]
pub struct Host {
    /// Device and inode of `/`.
    pub root: (u64, u64),
    /// The real directory below the root that is mounted, if the system was booted from a deployment.
    pub booted: Option<Booted>,
    /// The directory of run-time state, `/run`.
    pub run: PathBuf,
    /// The `/var` that is mounted.
    pub var: PathBuf,
    /// Tells this boot from all others.
    pub boot_id: String,
    /// The kernel's command line.
    pub kernel_command_line: String,
}

/// A system that was booted from a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booted {
    /// Device and inode of the deployment's directory, where something else is mounted above it as `/`.
    pub backing_root: Option<(u64, u64)>,
}

/// The running system cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// A file in `/run` is not what it should be.
    #[error("`{path}` is damaged: {reason}")]
    Damaged {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Host {
    /// Reads the state of the system that this process runs in; needs no privilege.
    ///
    /// # Errors
    /// [`HostError`] if `/` can't be read or `/run/ostree-booted` is damaged.
    pub fn read() -> Result<Self, HostError> {
        let root = Dir::open_ambient("/")?;
        let run = PathBuf::from(layout::RUN);
        let booted = match read_optional(&run, layout::RUN_BOOTED)? {
            Some(bytes) => Some(Booted {
                backing_root: backing_root(&bytes)
                    .map_err(|e| damaged(&run, layout::RUN_BOOTED, &e))?,
            }),
            None => None,
        };
        let boot_id = std::fs::read_to_string(layout::BOOT_ID).unwrap_or_default();
        let kernel_command_line = std::fs::read_to_string(layout::PROC_CMDLINE).unwrap_or_default();
        Ok(Self {
            root: root.self_metadata()?.dev_ino(),
            booted,
            run,
            var: PathBuf::from(layout::RUNNING_VAR),
            boot_id: boot_id.trim().to_owned(),
            kernel_command_line,
        })
    }

    /// Reads the description of the staged deployment; `None` if there is none.
    ///
    /// # Errors
    /// [`HostError`] if it is there and can't be read.
    pub fn staged(&self) -> Result<Option<Value>, HostError> {
        self.dictionary(layout::RUN_STAGED)
    }

    /// Reads a file below `/run` that is an `a{sv}`; `None` if there is none.
    pub(crate) fn dictionary(&self, path: &str) -> Result<Option<Value>, HostError> {
        let Some(bytes) = read_optional(&self.run, path)? else {
            return Ok(None);
        };
        let value = Value::parse(&vardict(), &bytes).map_err(|e| damaged(&self.run, path, &e))?;
        Ok(Some(value))
    }

    /// Says whether a path below `/run` exists.
    #[must_use]
    pub fn has_run_file(&self, path: &str) -> bool {
        self.run.join(path).symlink_metadata().is_ok()
    }
}

/// The type of both files in `/run`: `a{sv}`.
pub(crate) fn vardict() -> Type {
    Type::parse("a{sv}").expect("it is a type")
}

fn read_optional(run: &Path, path: &str) -> Result<Option<Vec<u8>>, HostError> {
    let Some(run) = Dir::open_ambient_optional(run)? else {
        return Ok(None);
    };
    Ok(run.read_optional(Trusted(path), MAX_RUN_FILE)?)
}

fn damaged(run: &Path, path: &str, reason: &VariantError) -> HostError {
    HostError::Damaged {
        path: run.join(path),
        reason: reason.to_string(),
    }
}

/// Older systems leave the file empty.
fn backing_root(bytes: &[u8]) -> Result<Option<(u64, u64)>, VariantError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let value = Value::parse(&vardict(), bytes)?;
    let numbers = value
        .lookup("backing-root-device-inode")
        .and_then(|pair| pair.unboxed().items());
    Ok(numbers.and_then(|pair| match pair {
        [device, inode] => Some((device.as_u64()?, inode.as_u64()?)),
        _ => None,
    }))
}
