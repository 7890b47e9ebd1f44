//! `ls`: files of a commit.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use anyhow::Context as _;
use ostler_format::{
    Annotate, DirEntry, DirMeta, DirMetaId, DirTreeId, FileHeader, FileId, Type, Value, Xattrs,
};
use ostler_store::Repo;
use ostler_store::checkout::{Target, find};

use super::tree_path::absolute;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `ls`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Ls {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// List directories themselves, not what is in them
    #[arg(short, long)]
    pub(crate) dironly: bool,
    /// List what is below, too
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
    /// Print checksums
    #[arg(short = 'C', long)]
    pub(crate) checksum: bool,
    /// Print extended attributes
    #[arg(short = 'X', long)]
    pub(crate) xattrs: bool,
    /// Print names alone, each ended by a NUL
    #[arg(long)]
    pub(crate) nul_filenames_only: bool,
    /// Ref or commit
    #[arg(value_name = "COMMIT", required = true)]
    pub(crate) commit: String,
    /// Paths in the commit (defaults to `/`)
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<String>,
}

impl Verb for Ls {
    const NAME: &'static str = "ls";
    const ABOUT: &'static str = "List the files of a commit";
    const OPERANDS: &'static str = "COMMIT [PATH...]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "ls --repo=repo os/stable /etc",
            says: "one directory",
        },
        Example {
            call: "ls --repo=repo -R -C os/stable",
            says: "all files with their checksums",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        let commit = repo.resolve(&self.commit)?;
        let root = ["/".to_owned()];
        let paths = if self.paths.is_empty() {
            &root[..]
        } else {
            &self.paths
        };
        let lister = Lister {
            repo: &repo,
            options: &self,
            context,
            known_dirs: RefCell::default(),
        };
        for path in paths {
            let whole = absolute(path);
            let found =
                find(&repo, commit, &whole).with_context(|| format!("Inspecting path '{path}'"))?;
            match found {
                Target::File { id, .. } => lister.file(&whole, id)?,
                Target::Directory { tree, meta } => {
                    lister.dir(&whole, tree, meta)?;
                    if !self.dironly {
                        lister.content(&whole, tree)?;
                    }
                }
            }
        }
        Ok(Exit::Done)
    }
}

struct Lister<'a> {
    repo: &'a Repo,
    options: &'a Ls,
    context: &'a Context,
    /// A tree has thousands of directories and a handful of owners and modes.
    known_dirs: RefCell<HashMap<DirMetaId, Rc<DirMeta>>>,
}

/// A directory whose subdirectories are being listed.
struct Level {
    dirs: std::vec::IntoIter<DirEntry>,
    path_length: usize,
}

impl Lister<'_> {
    /// Lists what is in a directory, files first; with `--recursive` what is below, too.
    ///
    /// Without recursion of its own: how deep a tree is decides whoever made it.
    fn content(&self, path: &str, tree: DirTreeId) -> anyhow::Result<()> {
        let mut path = path.trim_end_matches('/').to_owned();
        let mut levels = vec![self.level(&path, tree)?];
        while let Some(level) = levels.last_mut() {
            path.truncate(level.path_length);
            let Some(entry) = level.dirs.next() else {
                levels.pop();
                continue;
            };
            path.push('/');
            path.push_str(&entry.name);
            self.dir(&path, entry.tree, entry.meta)?;
            if self.options.recursive {
                levels.push(self.level(&path, entry.tree)?);
            }
        }
        Ok(())
    }

    /// Lists the files of a directory and returns what else is in it.
    fn level(&self, path: &str, tree: DirTreeId) -> anyhow::Result<Level> {
        let listing = self.repo.read_dirtree(tree)?;
        for (name, id) in &listing.files {
            self.file(&format!("{path}/{name}"), *id)?;
        }
        Ok(Level {
            dirs: listing.dirs.into_iter(),
            path_length: path.len(),
        })
    }

    fn dir(&self, path: &str, tree: DirTreeId, meta: DirMetaId) -> anyhow::Result<()> {
        if self.options.nul_filenames_only {
            return self.name_only(path);
        }
        let known = self.known_dirs.borrow().get(&meta).cloned();
        let dirmeta = match known {
            Some(dirmeta) => dirmeta,
            None => {
                let dirmeta = Rc::new(self.repo.read_dirmeta(meta)?);
                self.known_dirs
                    .borrow_mut()
                    .insert(meta, Rc::clone(&dirmeta));
                dirmeta
            }
        };
        let DirMeta {
            uid,
            gid,
            mode,
            xattrs,
        } = &*dirmeta;
        let checksums = if self.options.checksum {
            format!("{tree} {meta} ")
        } else {
            String::new()
        };
        let xattrs = self.xattrs(xattrs);
        let permissions = mode & 0o7777;
        self.context.printer.line(format_args!(
            "d{permissions:05o} {uid} {gid} {:6} {checksums}{xattrs}{path}",
            0
        ))?;
        Ok(())
    }

    fn file(&self, path: &str, id: FileId) -> anyhow::Result<()> {
        if self.options.nul_filenames_only {
            return self.name_only(path);
        }
        let (header, size) = if self.options.xattrs {
            let object = self.repo.open_file_object(id)?;
            (object.header, object.size)
        } else {
            self.repo.stat_file_object(id)?
        };
        let FileHeader {
            uid,
            gid,
            mode,
            symlink_target,
            xattrs,
        } = &header;
        let kind = if header.is_symlink() { 'l' } else { '-' };
        let permissions = mode & 0o7777;
        let checksum = if self.options.checksum {
            format!("{id} ")
        } else {
            String::new()
        };
        let xattrs = self.xattrs(xattrs);
        let arrow = if header.is_symlink() { " -> " } else { "" };
        self.context.printer.line(format_args!(
            "{kind}{permissions:05o} {uid} {gid} {size:6} {checksum}{xattrs}{path}{arrow}{symlink_target}"
        ))?;
        Ok(())
    }

    fn name_only(&self, path: &str) -> anyhow::Result<()> {
        self.context.printer.bytes(path.as_bytes())?;
        self.context.printer.bytes(b"\0")?;
        Ok(())
    }

    fn xattrs(&self, xattrs: &Xattrs) -> String {
        if !self.options.xattrs {
            return String::new();
        }
        format!("{{ {} }} ", print_xattrs(xattrs))
    }
}

/// Prints extended attributes as the variant that objects hold.
pub(super) fn print_xattrs(xattrs: &Xattrs) -> String {
    let pair = |(name, value): (&[u8], &[u8])| {
        let mut name = name.to_vec();
        name.push(0);
        Value::Tuple(vec![Value::Bytes(name), Value::Bytes(value.to_vec())])
    };
    let bytes = Type::array(Type::Byte);
    let item = Type::tuple(vec![bytes.clone(), bytes]);
    Value::Array(item, xattrs.iter().map(pair).collect()).print(Annotate::Types)
}
