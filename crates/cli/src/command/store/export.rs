//! `export`: a commit's tree as a tar.

use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ostler_fs::{Access, Dir, LinkPolicy, TempFile};
use ostler_store::export::{ExportError, ExportOptions, export};

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `export`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Leave extended attributes out
    #[arg(long)]
    pub(crate) no_xattrs: bool,
    /// Export this directory of the commit as the root
    #[arg(
        long,
        value_name = "PATH",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) subpath: String,
    /// Begin all paths with this text; a slash at its end makes it a directory
    #[arg(
        long,
        value_name = "PATH",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) prefix: String,
    /// Write to a file instead of the standard output
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Ref or commit
    #[arg(value_name = "COMMIT", required = true)]
    pub(crate) commit: String,
}

impl Verb for Export {
    const NAME: &'static str = "export";
    const ABOUT: &'static str = "Write the files of a commit as a tar, the same bytes every time";
    const OPERANDS: &'static str = "COMMIT";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "export --repo=repo os/stable -o os.tar",
            says: "a tar with owners, modes and extended attributes",
        },
        Example {
            call: "export --repo=repo os/stable --subpath=/usr/etc --prefix=etc/ | xz > etc.tar.xz",
            says: "one directory, under another name, compressed",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        let commit = repo.resolve(&self.commit)?;
        let options = ExportOptions {
            subpath: self.subpath,
            prefix: self.prefix,
            no_xattrs: self.no_xattrs,
        };
        let write = |out: &mut dyn io::Write| export(&repo, commit, &options, out);
        match &self.output {
            Some(path) => to_file(path, write)?,
            None => context.printer.with_out(|out| match write(out) {
                // As it is: a reader that went away is no failure.
                Err(ExportError::Write(error)) => Err(error),
                other => Ok(other),
            })??,
        }
        Ok(Exit::Done)
    }
}

/// Writes a file that has its name only once it is whole; what is no regular file (a pipe, a terminal) is written to.
fn to_file(
    path: &Path,
    write: impl FnOnce(&mut dyn io::Write) -> Result<(), ExportError>,
) -> anyhow::Result<()> {
    let shown = || format!("`{}`", path.display());
    let name = path
        .file_name()
        .context("it is no file's name")
        .with_context(shown)?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let dir = Dir::open_ambient(parent)?;
    let is_file = dir
        .metadata_optional(name)?
        .is_none_or(|stat| stat.is_file());
    if !is_file {
        let mut out = BufWriter::new(dir.open_file(name, Access::Write)?);
        write(&mut out)?;
        return out.flush().with_context(shown);
    }
    let temp = TempFile::new(&dir, 0o666)?;
    let mut out = BufWriter::new(temp.file());
    write(&mut out)?;
    out.flush().with_context(shown)?;
    drop(out);
    temp.link_into(&dir, name, LinkPolicy::Replace)?;
    Ok(())
}
