//! A restart into a deployment without firmware and boot loader: its kernel is loaded into memory now, and started when the system has shut down.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};

use ostler_fs::{Dir, FsError, TempFile, Trusted, kexec};

use crate::layout::DeploymentId;
use crate::sysroot::Sysroot;

/// The kernel reads archives that begin at a multiple of it.
const ALIGNMENT: u64 = 4;

/// A deployment's kernel could not be loaded; the next restart is as it was.
#[derive(Debug, thiserror::Error)]
pub enum KexecError {
    /// A file, or the kernel that runs.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// It has no boot entry, as long as it waits for the shutdown.
    #[error("deployment `{deployment}` has no boot entry yet")]
    NotPublished {
        /// The deployment.
        deployment: Box<DeploymentId>,
    },
    /// Several initrds could not be put behind each other.
    #[error("cannot put the initrds of the next boot together: {0}")]
    Initrds(#[from] io::Error),
}

/// Loads kernel, initrds and arguments of a published deployment, as its boot entry names them.
///
/// # Errors
/// [`KexecError`].
pub fn load(sysroot: &Sysroot, id: &DeploymentId) -> Result<(), KexecError> {
    let published = sysroot
        .deployments
        .iter()
        .find(|deployment| deployment.id == *id && deployment.staged.is_none());
    let entry = published.map(|deployment| &deployment.entry);
    let (Some(entry), Some(boot)) = (entry, &sysroot.boot) else {
        return Err(not_published(id));
    };
    let kernel = entry.linux.as_deref().ok_or_else(|| not_published(id))?;
    let kernel = boot.open_in_root(Trusted(kernel))?;
    let initrds = entry.initrds.iter();
    let initrds: Vec<File> = initrds
        .map(|path| boot.open_in_root(Trusted(path.as_str())))
        .collect::<Result<_, _>>()?;
    let command_line = entry.options.to_string();
    match initrds.as_slice() {
        [] => kexec::load(&kernel, None, &command_line)?,
        [one] => kexec::load(&kernel, Some(one), &command_line)?,
        several => {
            let run = Dir::open_ambient(&sysroot.host.run)?;
            let together = TempFile::new(&run, 0o600)?;
            concatenate(several, together.file())?;
            kexec::load(&kernel, Some(together.file()), &command_line)?;
        }
    }
    Ok(())
}

fn not_published(id: &DeploymentId) -> KexecError {
    KexecError::NotPublished {
        deployment: Box::new(id.clone()),
    }
}

fn concatenate(parts: &[File], mut to: &File) -> io::Result<()> {
    for part in parts {
        let mut part = part;
        let length = io::copy(&mut part, &mut to)?;
        let padding = length.next_multiple_of(ALIGNMENT) - length;
        to.write_all(&[0; ALIGNMENT as usize][..padding as usize])?;
    }
    to.seek(SeekFrom::Start(0))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn each_archive_begins_where_the_kernel_looks_for_it() {
        let part = |text: &str| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.seek(SeekFrom::Start(0)).unwrap();
            file
        };
        let together = tempfile::tempfile().unwrap();
        concatenate(&[part("first"), part("2nd!"), part("3")], &together).unwrap();
        let mut text = String::new();
        (&together).read_to_string(&mut text).unwrap();
        assert_eq!(text, "first\0\0\x002nd!3\0\0\0");
    }
}
