//! `checkout`: a commit's tree as files.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use ostler_fs::{Dir, Durability};
use ostler_store::Repo;
use ostler_store::checkout::{
    self, CheckoutError, CheckoutOptions, Labelling, Links, Overwrite, Ownership, Target,
};
use ostler_store::composefs::{self, Verity};
use ostler_store::selinux::Labels;

use crate::command::values::parse_boolean;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::progress::ProgressOptions;

/// The longest list of checkouts, or of paths to leave out, that is read.
const MAX_LIST: u64 = 64 << 20;

/// Options of `checkout`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Checkout {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
    /// Leave owners and extended attributes as the file system makes them
    #[arg(short = 'U', long)]
    pub(crate) user_mode: bool,
    /// Check out this directory or file of the commit
    #[arg(long, value_name = "PATH")]
    pub(crate) subpath: Option<PathBuf>,
    /// Do nothing if the subpath does not exist
    #[arg(long)]
    pub(crate) allow_noent: bool,
    /// File of paths to leave out, one a line; directories end with a slash
    #[arg(long, value_name = "FILE")]
    pub(crate) skip_list: Option<PathBuf>,
    /// Whether written data is made durable: true or false
    #[arg(long, value_name = "POLICY", value_parser = parse_boolean)]
    pub(crate) fsync: Option<bool>,
    /// Suppress mode bits beyond 0775 of directories
    #[arg(short = 'M', long)]
    pub(crate) bareuseronly_dirs: bool,
    /// Neither read nor fill the cache of uncompressed objects
    #[arg(long)]
    pub(crate) disable_cache: bool,

    /// Keep directories, overwrite files
    #[arg(long, help_heading = "Existing destination")]
    pub(crate) union: bool,
    /// Keep directories and files, only add
    #[arg(long, help_heading = "Existing destination")]
    pub(crate) union_add: bool,
    /// Keep directories, refuse a file that differs
    #[arg(long, help_heading = "Existing destination")]
    pub(crate) union_identical: bool,
    /// Obey `.wh.NAME` files of container layers
    #[arg(long, help_heading = "Existing destination")]
    pub(crate) whiteouts: bool,
    /// Turn `.ostree-wh.NAME` files into overlayfs whiteout devices
    #[arg(long, help_heading = "Existing destination")]
    pub(crate) process_passthrough_whiteouts: bool,

    /// Fail where a file can't be hard-linked
    #[arg(short = 'H', long, help_heading = "Links")]
    pub(crate) require_hardlinks: bool,
    /// Copy (or reflink) each file
    #[arg(short = 'C', long, help_heading = "Links")]
    pub(crate) force_copy: bool,
    /// Copy empty files, hard-link the others
    #[arg(short = 'z', long, help_heading = "Links")]
    pub(crate) force_copy_zerosized: bool,

    /// Label files as the SELinux policy of this root (which may be `/`) says, not as the commit does; implies --force-copy
    #[arg(long, value_name = "PATH", help_heading = "Labels")]
    pub(crate) selinux_policy: Option<PathBuf>,
    /// The path that the labels are looked up below
    #[arg(
        long,
        value_name = "PREFIX",
        requires = "selinux_policy",
        help_heading = "Labels"
    )]
    pub(crate) selinux_prefix: Option<String>,

    /// Write one file, an EROFS image of the tree over the repository's objects, with their fs-verity digests
    #[arg(long, help_heading = "composefs")]
    pub(crate) composefs: bool,
    /// As --composefs, without digests: nothing checks the objects when the image is used
    #[arg(long, help_heading = "composefs")]
    pub(crate) composefs_noverity: bool,

    /// Read many checkouts from stdin: `COMMIT NUL SUBPATH NUL ...`
    #[arg(long, help_heading = "Many at once")]
    pub(crate) from_stdin: bool,
    /// Read many checkouts from a file
    #[arg(long, value_name = "FILE", help_heading = "Many at once")]
    pub(crate) from_file: Option<PathBuf>,

    /// Commit or ref; with --from-stdin or --from-file, the destination
    #[arg(value_name = "COMMIT", required = true)]
    pub(crate) commit: String,
    /// Directory (or image) to write; by default it is called as COMMIT is
    #[arg(value_name = "DESTINATION")]
    pub(crate) destination: Option<PathBuf>,
}

impl Verb for Checkout {
    const NAME: &'static str = "checkout";
    const ABOUT: &'static str = "Write a commit's tree as files";
    const OPERANDS: &'static str = "COMMIT [DESTINATION]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "checkout --repo=repo -H os/stable rootfs",
            says: "a tree of hard links, made in an instant; never write into its files",
        },
        Example {
            call: "checkout --repo=repo -U --subpath=/usr/share/doc os/stable docs",
            says: "one directory, as the calling user",
        },
        Example {
            call: "checkout --repo=repo --union os/extra rootfs",
            says: "another tree over the first",
        },
        Example {
            call: "checkout --repo=repo --composefs os/stable os.cfs",
            says: "an image, for `mount -t composefs -o basedir=repo/objects os.cfs /mnt`",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.show_progress(&self.progress)?;
        let repo = self.repo.open(context)?;
        if self.composefs || self.composefs_noverity {
            return self.write_image(context, &repo);
        }
        let skip_list = self.skip_list.as_deref().map(read_skip_list).transpose()?;
        let skip = |path: &str| skip_list.as_ref().is_some_and(|list| list.contains(path));
        let labels = match &self.selinux_policy {
            Some(path) => Labels::of_directory(path)?,
            None => None,
        };
        let mut options = self.options()?;
        options.labels = labels.as_ref().map(|labels| Labelling {
            labels,
            prefix: self
                .selinux_prefix
                .as_deref()
                .unwrap_or("")
                .trim_end_matches('/'),
        });
        if skip_list.is_some() {
            options.skip = Some(&skip);
        }
        if self.from_stdin || self.from_file.is_some() {
            return self.run_many(context, &repo, &options);
        }
        let commit = repo.resolve(&self.commit)?;
        let subpath = self.subpath.as_deref().map_or(Ok("/"), utf8)?;
        let destination = self.destination();
        self.one(context, &repo, commit, subpath, destination, &options)?;
        Ok(Exit::Done)
    }
}

impl Checkout {
    fn destination(&self) -> &Path {
        self.destination
            .as_deref()
            .unwrap_or(Path::new(&self.commit))
    }

    /// Writes the composefs image of the whole commit, in place of a file of that name.
    fn write_image(&self, context: &Context, repo: &Repo) -> anyhow::Result<Exit> {
        let only_of_trees = self.user_mode
            || self.subpath.is_some()
            || self.allow_noent
            || self.skip_list.is_some()
            || self.bareuseronly_dirs
            || self.disable_cache
            || self.union
            || self.union_add
            || self.union_identical
            || self.whiteouts
            || self.process_passthrough_whiteouts
            || self.require_hardlinks
            || self.force_copy
            || self.force_copy_zerosized
            || self.selinux_policy.is_some()
            || self.from_stdin
            || self.from_file.is_some();
        if only_of_trees {
            bail!("Specified options are incompatible with --composefs");
        }
        let verity = match self.composefs_noverity {
            true => Verity::Unchecked,
            false => Verity::Digests,
        };
        let commit = repo.resolve(&self.commit)?;
        let sink = context.sink();
        let image = composefs::of_commit(repo, commit, verity, sink.as_ref())?;
        let (parent, name) = split(self.destination())?;
        let durability = match self.fsync {
            Some(true) => Durability::Synced,
            _ => Durability::Cached,
        };
        parent.write_atomic(&name, &image, 0o644, durability)?;
        Ok(Exit::Done)
    }

    fn options<'f>(&self) -> anyhow::Result<CheckoutOptions<'f>> {
        if self.require_hardlinks && self.selinux_policy.is_some() {
            bail!("Cannot specify both --require-hardlinks and --selinux-policy");
        }
        if self.require_hardlinks && self.force_copy {
            bail!("Cannot specify both --require-hardlinks and --force-copy");
        }
        if self.union_identical && !self.require_hardlinks {
            bail!("--union-identical requires --require-hardlinks");
        }
        let overwrite = match (self.union, self.union_add, self.union_identical) {
            (false, false, false) => Overwrite::Refuse,
            (true, false, false) => Overwrite::Union,
            (false, true, false) => Overwrite::Add,
            (false, false, true) => Overwrite::Identical,
            (true, true, _) => bail!("Cannot specify both --union and --union-add"),
            (true, _, true) => bail!("Cannot specify both --union and --union-identical"),
            (_, true, true) => bail!("Cannot specify both --union-add and --union-identical"),
        };
        Ok(CheckoutOptions {
            ownership: if self.user_mode {
                Ownership::User
            } else {
                Ownership::Commit
            },
            overwrite,
            labels: None,
            links: match (
                self.require_hardlinks,
                self.force_copy || self.selinux_policy.is_some(),
            ) {
                (true, _) => Links::Require,
                (_, true) => Links::Copy,
                _ => Links::Prefer,
            },
            canonical_dirs: self.bareuseronly_dirs,
            whiteouts: self.whiteouts,
            passthrough_whiteouts: self.process_passthrough_whiteouts,
            use_cache: !self.disable_cache,
            fsync: self.fsync.unwrap_or(false),
            skip: None,
        })
    }

    /// Reads pairs of commit and subpath, each ended by a NUL, and checks all out into one destination.
    fn run_many(
        &self,
        context: &Context,
        repo: &Repo,
        options: &CheckoutOptions<'_>,
    ) -> anyhow::Result<Exit> {
        if self.destination.is_some() {
            bail!("With --from-stdin or --from-file, the one operand is the destination");
        }
        let mut list = Vec::new();
        match &self.from_file {
            Some(path) => {
                let file = std::fs::File::open(path)
                    .with_context(|| format!("opening `{}`", path.display()))?;
                file.take(MAX_LIST).read_to_end(&mut list)?;
            }
            None => drop(
                std::io::stdin()
                    .lock()
                    .take(MAX_LIST)
                    .read_to_end(&mut list)?,
            ),
        }
        let text = std::str::from_utf8(&list).context("the list of checkouts is not UTF-8")?;
        let mut parts = text.split_terminator('\0');
        while let Some(commit) = parts.next() {
            let Some(subpath) = parts.next() else {
                bail!("`{commit}` has no subpath after it")
            };
            let commit = repo.resolve(commit)?;
            self.one(
                context,
                repo,
                commit,
                subpath,
                Path::new(&self.commit),
                options,
            )?;
        }
        Ok(Exit::Done)
    }

    fn one(
        &self,
        context: &Context,
        repo: &Repo,
        commit: ostler_format::CommitId,
        subpath: &str,
        destination: &Path,
        options: &CheckoutOptions<'_>,
    ) -> anyhow::Result<()> {
        let target: Target = match checkout::find(repo, commit, subpath) {
            Err(CheckoutError::NoSuchPath { .. }) if self.allow_noent => return Ok(()),
            found => found?,
        };
        let (parent, name) = split(destination)?;
        let sink = context.sink();
        checkout::checkout(repo, &target, &parent, &name, options, sink.as_ref())?;
        Ok(())
    }
}

/// Opens the directory that holds (or will hold) the destination.
fn split(destination: &Path) -> anyhow::Result<(Dir, String)> {
    let (parent, name) = match (destination.parent(), destination.file_name()) {
        (Some(parent), Some(name)) => (parent.to_owned(), utf8(Path::new(name))?.to_owned()),
        // `.`, `..` and `/` have no name of their own: name them by where they are.
        _ => {
            let path = destination.canonicalize()?;
            match (path.parent(), path.file_name()) {
                (Some(parent), Some(name)) => {
                    (parent.to_owned(), utf8(Path::new(name))?.to_owned())
                }
                _ => bail!("`{}` cannot be a destination", destination.display()),
            }
        }
    };
    let parent = if parent.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        parent
    };
    Ok((Dir::open_ambient(&parent)?, name))
}

fn read_skip_list(path: &Path) -> anyhow::Result<HashSet<String>> {
    let mut text = String::new();
    let file =
        std::fs::File::open(path).with_context(|| format!("opening `{}`", path.display()))?;
    file.take(MAX_LIST).read_to_string(&mut text)?;
    Ok(text
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect())
}

fn utf8(path: &Path) -> anyhow::Result<&str> {
    path.to_str()
        .with_context(|| format!("`{}` is not UTF-8", path.display()))
}
