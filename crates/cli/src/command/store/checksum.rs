//! `checksum`: what a file's object would be called.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use ostler_format::{Checksum as ObjectChecksum, DirMeta, FileHeader, Xattrs};
use ostler_fs::{Access, Dir, FileType, xattr};
use ostler_store::object::MAX_XATTRS;

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, Verb};

/// Options of `checksum`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Checksum {
    /// Leave extended attributes out
    #[arg(long)]
    pub(crate) ignore_xattrs: bool,
    /// File, directory (its metadata alone) or symlink
    #[arg(value_name = "PATH", required = true)]
    pub(crate) path: PathBuf,
}

impl Verb for Checksum {
    const NAME: &'static str = "checksum";
    const ABOUT: &'static str =
        "Print the object name that a file, or a directory itself, would have";
    const OPERANDS: &'static str = "PATH";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "checksum --ignore-xattrs /etc/hosts",
        says: "name of a file without its extended attributes",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let xattrs = if self.ignore_xattrs {
            WithXattrs::No
        } else {
            WithXattrs::Yes
        };
        let checksum =
            of_path(&self.path, xattrs).with_context(|| format!("`{}`", self.path.display()))?;
        context.printer.line(checksum)?;
        Ok(Exit::Done)
    }
}

/// Whether extended attributes are part of the object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WithXattrs {
    Yes,
    No,
}

fn of_path(path: &Path, with: WithXattrs) -> anyhow::Result<ObjectChecksum> {
    let (dir, name) = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if parent.as_os_str().is_empty() => {
            (Dir::open_ambient(".")?, name)
        }
        (Some(parent), Some(name)) => (Dir::open_ambient(parent)?, name),
        // `/`, `.` and paths that end in `..` have no name in a parent, and are no symlinks.
        _ => return of_dir(&Dir::open_ambient(path)?, with),
    };
    let metadata = dir.metadata(name)?;
    let mut header = FileHeader {
        uid: metadata.uid,
        gid: metadata.gid,
        mode: metadata.mode,
        symlink_target: String::new(),
        xattrs: Xattrs::new(),
    };
    match metadata.file_type {
        FileType::Directory => of_dir(&dir.open_dir(name)?, with),
        FileType::Symlink => {
            if with == WithXattrs::Yes {
                header.xattrs = Xattrs::from_pairs(dir.xattrs(name, MAX_XATTRS)?)?;
            }
            let target = dir.read_link(name)?;
            header.symlink_target =
                String::from_utf8(target).context("the symlink's target is not UTF-8")?;
            Ok(header.file_id_of_symlink()?.checksum())
        }
        FileType::Regular => {
            let mut file = dir.open_file(name, Access::Read)?;
            if with == WithXattrs::Yes {
                header.xattrs = Xattrs::from_pairs(xattr::all(&file, MAX_XATTRS)?)?;
            }
            let (checksum, _) = header
                .hasher()?
                .finish_with(&mut file, &mut vec![0; 128 << 10])?;
            Ok(checksum)
        }
        _ => bail!("it is neither a file, a symlink nor a directory"),
    }
}

fn of_dir(dir: &Dir, with: WithXattrs) -> anyhow::Result<ObjectChecksum> {
    let metadata = dir.self_metadata()?;
    let xattrs = match with {
        WithXattrs::Yes => Xattrs::from_pairs(xattr::all(dir, MAX_XATTRS)?)?,
        WithXattrs::No => Xattrs::new(),
    };
    let meta = DirMeta {
        uid: metadata.uid,
        gid: metadata.gid,
        mode: metadata.mode,
        xattrs,
    };
    Ok(meta.id()?.checksum())
}
