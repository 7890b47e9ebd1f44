//! `commit`: a new commit from directories, archives and other commits.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use jiff::Zoned;
use ostler_format::{Checksum, CommitId, Metadata, Refspec, Value};
use ostler_store::commit::{self, Bindings, CommitRequest, Committed, Parent, Source};
use ostler_store::selinux::{DefaultConfiguration, Labels};
use ostler_store::tree::{
    ArchiveOptions, ArchiveSource, Hardlinks, IndexUse, Modifier, PathFilter, SkipList, Sources,
    StatOverrides, TreeOptions,
};
use ostler_store::{RefKey, Repo, TransactionOptions};

use super::{commit_message, commit_packages};
use crate::command::signing::SigningOptions;
use crate::command::values::parse_boolean;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::progress::ProgressOptions;
use crate::report::{self, WithHint as _};
use crate::text::date;

/// The longest file of stat overrides, paths to skip or text of a commit that is read.
const MAX_FILE: u64 = 16 << 20;

/// Options of `commit`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Commit {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
    /// Parent commit, or "none" (defaults to what the branch points to)
    #[arg(long, value_name = "COMMIT")]
    pub(crate) parent: Option<String>,
    /// Subject, one line
    #[arg(short, long)]
    pub(crate) subject: Option<String>,
    /// Body, the full description
    #[arg(short = 'm', long)]
    pub(crate) body: Option<String>,
    /// Read the body from a file
    #[arg(short = 'F', long, value_name = "FILE")]
    pub(crate) body_file: Option<PathBuf>,
    /// Write subject and body in $EDITOR
    #[arg(short, long)]
    pub(crate) editor: bool,
    /// Branch to move to the new commit
    #[arg(short, long)]
    pub(crate) branch: Option<String>,
    /// Write no ref
    #[arg(long)]
    pub(crate) orphan: bool,
    /// Timestamp of the commit (`@SECONDS`, ISO 8601 or a date)
    #[arg(long)]
    pub(crate) timestamp: Option<String>,
    /// Make no commit if the tree equals the parent's; print the parent
    #[arg(long)]
    pub(crate) skip_if_unchanged: bool,
    /// Print statistics after the commit as `KEY: VALUE` lines
    #[arg(long)]
    pub(crate) table_output: bool,
    /// Whether written data is made durable: true or false
    #[arg(long, value_name = "POLICY", value_parser = parse_boolean)]
    pub(crate) fsync: Option<bool>,

    /// Begin with this commit's tree, unmodified
    #[arg(long, value_name = "REV", help_heading = "Sources")]
    pub(crate) base: Option<String>,
    /// Overlay a directory, an archive or a commit (repeatable); an archive is tar or cpio, plain or compressed with gzip, xz, zstd
    /// or bzip2, and `-` is the standard input
    #[arg(
        long,
        value_name = "dir=PATH or tar=TARFILE or ref=COMMIT",
        help_heading = "Sources"
    )]
    pub(crate) tree: Vec<String>,
    /// Make the directories that an archive's entries are in where it does not have them, owned as the entries are
    #[arg(long, help_heading = "Sources")]
    pub(crate) tar_autocreate_parents: bool,
    /// Replace what a regular expression matches in the paths of an archive; `\0` to `\99` are groups
    #[arg(
        long,
        value_name = "REGEX,REPLACEMENT",
        value_parser = PathFilter::parse,
        help_heading = "Sources"
    )]
    pub(crate) tar_pathname_filter: Option<PathFilter>,
    /// Trust hard links into the repository to be unchanged in content
    #[arg(long, help_heading = "Sources")]
    pub(crate) link_checkout_speedup: bool,
    /// Trust hard links into the repository entirely; implies --link-checkout-speedup
    #[arg(short = 'I', long, help_heading = "Sources")]
    pub(crate) devino_canonical: bool,
    /// Read every file, also those that are known not to have changed since the last commit
    #[arg(long, help_heading = "Sources")]
    pub(crate) no_index: bool,
    /// Remove the source directories once they are committed; their files become objects where that needs no copy, and must not
    /// be written to by other names that they may have
    #[arg(long, help_heading = "Sources")]
    pub(crate) consume: bool,
    /// Directory to commit (defaults to the current one)
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,

    /// Own all files with this user id
    #[arg(long, value_name = "UID", help_heading = "Content")]
    pub(crate) owner_uid: Option<i32>,
    /// Own all files with this group id
    #[arg(long, value_name = "GID", help_heading = "Content")]
    pub(crate) owner_gid: Option<i32>,
    /// Owner 0:0, no mode bits beyond 0755, no xattrs
    #[arg(long, help_heading = "Content")]
    pub(crate) canonical_permissions: bool,
    /// Make executable files read-only
    #[arg(long, help_heading = "Content")]
    pub(crate) mode_ro_executables: bool,
    /// Leave extended attributes out
    #[arg(long, help_heading = "Content")]
    pub(crate) no_xattrs: bool,
    /// File of mode changes: `+BITS PATH` adds bits, `=MODE PATH` sets them, both decimal
    #[arg(long, value_name = "PATH", help_heading = "Content")]
    pub(crate) statoverride: Option<PathBuf>,
    /// File of paths to leave out, one a line
    #[arg(long, value_name = "PATH", help_heading = "Content")]
    pub(crate) skip_list: Option<PathBuf>,

    /// Label files as the SELinux policy of this root (which may be `/`) says
    #[arg(long, value_name = "PATH", help_heading = "Content")]
    pub(crate) selinux_policy: Option<PathBuf>,
    /// Label files as the SELinux policy of --base or of the first --tree says
    #[arg(short = 'P', long, help_heading = "Content")]
    pub(crate) selinux_policy_from_base: bool,
    /// How `/usr/etc` is labelled: 0 as the policy says for that path, 1 as it says for `/etc`
    #[arg(long, value_name = "EPOCH", value_parser = parse_epoch, help_heading = "Content")]
    pub(crate) selinux_labeling_epoch: Option<DefaultConfiguration>,

    /// Add a string to the metadata (repeatable)
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Metadata")]
    pub(crate) add_metadata_string: Vec<String>,
    /// Add a value in GVariant's text form to the metadata (repeatable)
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Metadata")]
    pub(crate) add_metadata: Vec<String>,
    /// Take this key's value over from the parent (repeatable)
    #[arg(long, value_name = "KEY", help_heading = "Metadata")]
    pub(crate) keep_metadata: Vec<String>,
    /// Add a string to the detached metadata (repeatable)
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Metadata")]
    pub(crate) add_detached_metadata_string: Vec<String>,
    /// Bind the commit to another ref, too (repeatable)
    #[arg(long, value_name = "BRANCH", help_heading = "Metadata")]
    pub(crate) bind_ref: Vec<String>,
    /// Bind the commit to no ref
    #[arg(long, help_heading = "Metadata")]
    pub(crate) no_bindings: bool,
    /// List the installed packages in the metadata, so that hosts can tell what an upgrade changes before they fetch it;
    /// of the directories and commits that make the tree, the last one with a package database counts
    #[arg(long, help_heading = "Metadata")]
    pub(crate) list_packages: bool,
    /// Mark the commit as bootable and record its kernel's version
    #[arg(long, help_heading = "Metadata")]
    pub(crate) bootable: bool,
    /// Record the sizes of all objects
    #[arg(long, help_heading = "Metadata")]
    pub(crate) generate_sizes: bool,
    /// Record the fs-verity digest of the tree's composefs image (`checkout --composefs`), so that a signature covers all content
    #[arg(long, help_heading = "Metadata")]
    pub(crate) generate_composefs_metadata: bool,

    #[command(flatten)]
    pub(crate) signing: SigningOptions,
    /// As --fsync=false
    #[arg(long, hide = true)]
    pub(crate) disable_fsync: bool,
}

impl Verb for Commit {
    const NAME: &'static str = "commit";
    const ABOUT: &'static str = "Make a commit of directories, archives and other commits";
    const OPERANDS: &'static str = "[PATH]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "commit --repo=repo -b os/stable -s 'release 12' --tree=dir=rootfs",
            says: "commit the directory rootfs, owners, modes and xattrs with it",
        },
        Example {
            call: "commit --repo=repo -b os/stable --canonical-permissions rootfs",
            says: "commit what an ordinary user built as if root owned it",
        },
        Example {
            call: "commit --repo=repo -b os/extra --base=os/stable --tree=dir=extra",
            says: "lay a directory over an existing commit",
        },
        Example {
            call: "commit --repo=repo -b os/stable --tree=tar=rootfs.tar.zst --tree=dir=extra",
            says: "commit an archive with a directory laid over it",
        },
        Example {
            call: "commit --repo=repo -b os/stable -P --tree=dir=rootfs",
            says: "label files as the SELinux policy in rootfs says",
        },
        Example {
            call: "commit --repo=repo -b os/stable --consume rootfs",
            says: "move the directory into the repository; on one file system nothing is copied",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.show_progress(&self.progress)?;
        let repo = self.repo.open(context)?;
        let request = self.request(&repo)?;
        let sink = context.sink();
        let committed =
            commit::commit(&repo, request, sink.as_ref()).map_err(|error| match error.hint() {
                Some(hint) => report::hinted(error.to_string(), hint),
                None => error.into(),
            })?;
        drop(sink);
        if committed.sources_kept > 0 {
            context.printer.warning(format_args!(
                "{} files changed while they were committed, and stay where they were",
                committed.sources_kept
            ));
        }
        self.print(context, &committed)?;
        Ok(Exit::Done)
    }
}

impl Commit {
    fn request(&self, repo: &Repo) -> anyhow::Result<CommitRequest> {
        let branch = self.branch.as_deref().map(parse_branch).transpose()?;
        if branch.is_none() && !self.orphan {
            bail!("A branch must be specified with --branch, or use --orphan");
        }
        let (subject, body) = self.message()?;
        let base = self.base.as_deref().map(|rev| repo.resolve(rev));
        let base = base.transpose()?;
        let sources = self.sources(repo)?;
        let labels = self.labels(repo, base, &sources)?;
        let metadata = self.metadata(repo, base, &sources)?;
        Ok(CommitRequest {
            branch,
            parent: self.parent()?,
            subject,
            body,
            timestamp: self.timestamp()?,
            base,
            sources,
            tree: self.tree_options(labels)?,
            metadata,
            keep_metadata: self.keep_metadata.clone(),
            detached_metadata: strings(&self.add_detached_metadata_string)?,
            signers: self.signing.signers()?,
            bindings: match self.no_bindings {
                true => Bindings::None,
                false => Bindings::BranchAnd(self.bind_ref.clone()),
            },
            bootable: self.bootable,
            composefs: self.generate_composefs_metadata,
            skip_if_unchanged: self.skip_if_unchanged,
            durability: TransactionOptions {
                fsync: match self.disable_fsync {
                    true => Some(false),
                    false => self.fsync,
                },
                ..TransactionOptions::default()
            },
        })
    }

    fn parent(&self) -> anyhow::Result<Parent> {
        Ok(match self.parent.as_deref() {
            Some("none") => Parent::None,
            Some(text) => match Checksum::from_hex(text) {
                Ok(checksum) => Parent::Commit(CommitId::new(checksum)),
                Err(_) => bail!("Invalid rev {text}"),
            },
            None if self.orphan => Parent::None,
            None => Parent::Branch,
        })
    }

    fn message(&self) -> anyhow::Result<(String, String)> {
        if self.editor {
            return commit_message::edit(self.branch.as_deref());
        }
        let body = match &self.body_file {
            Some(path) => read_file(path)?,
            None => self.body.clone().unwrap_or_default(),
        };
        Ok((self.subject.clone().unwrap_or_default(), body))
    }

    /// Seconds since 1970; earlier ones wrap, as libostree writes them.
    fn timestamp(&self) -> anyhow::Result<u64> {
        let seconds = match &self.timestamp {
            Some(text) => date::parse(text, &Zoned::now())
                .with_context(|| format!("Could not parse '{text}'"))?,
            None => match std::env::var_os("SOURCE_DATE_EPOCH") {
                Some(text) => parse_source_date_epoch(&text.to_string_lossy())?,
                None => Zoned::now().timestamp().as_second(),
            },
        };
        Ok(seconds.cast_unsigned())
    }

    fn sources(&self, repo: &Repo) -> anyhow::Result<Vec<Source>> {
        if self.tree.is_empty() {
            let path = self.path.clone().unwrap_or_else(|| PathBuf::from("."));
            return Ok(vec![Source::Dir(path)]);
        }
        self.tree
            .iter()
            .map(|tree| match tree.split_once('=') {
                None => bail!("Missing type in tree specification '{tree}'"),
                Some(("dir", path)) => Ok(Source::Dir(PathBuf::from(path))),
                Some(("ref", rev)) => Ok(Source::Commit(repo.resolve(rev)?)),
                Some(("tar", "-")) => Ok(Source::Archive(ArchiveSource::Stdin)),
                Some(("tar", path)) => {
                    Ok(Source::Archive(ArchiveSource::Path(PathBuf::from(path))))
                }
                Some((kind, _)) => bail!("Invalid tree type specification '{kind}'"),
            })
            .collect()
    }

    /// The policy whose labels files get, if one is asked for and on.
    fn labels(
        &self,
        repo: &Repo,
        base: Option<CommitId>,
        sources: &[Source],
    ) -> anyhow::Result<Option<Arc<Labels>>> {
        if self.selinux_policy.is_some() && self.selinux_policy_from_base {
            bail!("Cannot specify both --selinux-policy and --selinux-policy-from-base");
        }
        let labels = match (&self.selinux_policy, self.selinux_policy_from_base) {
            (Some(path), _) => Labels::of_directory(path)?,
            (None, false) => return Ok(None),
            (None, true) => match (base, sources.first()) {
                (Some(commit), _) => Labels::of_commit(repo, commit)?,
                (None, Some(Source::Commit(commit))) => Labels::of_commit(repo, *commit)?,
                (None, Some(Source::Dir(path))) => Labels::of_directory(path)?,
                (None, Some(Source::Archive(_)) | None) => {
                    bail!("Cannot use --selinux-policy-from-base with tar")
                }
            },
        };
        let defaults = self.selinux_labeling_epoch.unwrap_or_default();
        Ok(labels.map(|labels| Arc::new(labels.with_default_configuration(defaults))))
    }

    fn tree_options(&self, labels: Option<Arc<Labels>>) -> anyhow::Result<TreeOptions> {
        let stat_overrides = match &self.statoverride {
            Some(path) => StatOverrides::parse(&read_file(path)?)
                .with_context(|| format!("`{}`", path.display()))?,
            None => StatOverrides::default(),
        };
        let skip_list = match &self.skip_list {
            Some(path) => SkipList::parse(&read_file(path)?),
            None => SkipList::default(),
        };
        Ok(TreeOptions {
            modifier: Modifier {
                owner_uid: self.owner_uid.and_then(|id| u32::try_from(id).ok()),
                owner_gid: self.owner_gid.and_then(|id| u32::try_from(id).ok()),
                ro_executables: self.mode_ro_executables,
                canonical_permissions: self.canonical_permissions,
                no_xattrs: self.no_xattrs,
                stat_overrides,
                skip_list,
                labels,
            },
            hardlinks: match (self.devino_canonical, self.link_checkout_speedup) {
                (true, _) => Hardlinks::Trust,
                (false, true) => Hardlinks::Recognise,
                (false, false) => Hardlinks::Read,
            },
            sources: match self.consume {
                true => Sources::Consume,
                false => Sources::Keep,
            },
            archives: ArchiveOptions {
                create_parents: self.tar_autocreate_parents,
                filter: self.tar_pathname_filter.clone(),
            },
            index: match self.no_index {
                true => IndexUse::Never,
                false => IndexUse::WhereSafe,
            },
            sizes: self.generate_sizes,
        })
    }

    fn metadata(
        &self,
        repo: &Repo,
        base: Option<CommitId>,
        sources: &[Source],
    ) -> anyhow::Result<Metadata> {
        let mut metadata = strings(&self.add_metadata_string)?;
        for text in &self.add_metadata {
            let (key, value) = split_pair(text)?;
            let value =
                Value::parse_text(None, value).with_context(|| format!("Parsing {text}"))?;
            metadata.push(key, value);
        }
        if self.list_packages {
            let (key, list) = commit_packages::list(repo, base, sources)?;
            metadata.push(key, list);
        }
        Ok(metadata)
    }

    fn print(&self, context: &Context, committed: &Committed) -> anyhow::Result<()> {
        if !self.table_output {
            context.printer.line(committed.id)?;
            return Ok(());
        }
        let stats = committed.stats;
        context.printer.line(format_args!(
            "Commit: {}\n\
             Metadata Total: {}\n\
             Metadata Written: {}\n\
             Content Total: {}\n\
             Content Written: {}\n\
             Content Cache Hits: {}\n\
             Content Bytes Written: {}",
            committed.id,
            stats.metadata_objects_total,
            stats.metadata_objects_written,
            stats.content_objects_total,
            stats.content_objects_written,
            stats.content_cache_hits,
            stats.content_bytes_written
        ))?;
        Ok(())
    }
}

/// Parses a generation of labels: which path `/usr/etc` is looked up as.
fn parse_epoch(text: &str) -> Result<DefaultConfiguration, String> {
    match text {
        "0" => Ok(DefaultConfiguration::WhereItLies),
        "1" => Ok(DefaultConfiguration::WhereItGoes),
        _ => Err("it is 0 or 1".into()),
    }
}

/// Parses a branch; what could be taken for a commit is refused.
fn parse_branch(text: &str) -> anyhow::Result<RefKey> {
    let refspec = Refspec::parse(text).map_err(|_| anyhow::anyhow!("Invalid refspec {text}"))?;
    if Checksum::from_hex(text).is_ok() {
        bail!("Rev name '{text}' looks like a checksum");
    }
    Ok(RefKey::from_refspec(&refspec))
}

fn split_pair(text: &str) -> anyhow::Result<(&str, &str)> {
    let Some((key, value)) = text.split_once('=') else {
        bail!("Missing '=' in KEY=VALUE metadata '{text}'");
    };
    if key.is_empty() {
        bail!("Empty metadata key");
    }
    Ok((key, value))
}

fn strings(pairs: &[String]) -> anyhow::Result<Metadata> {
    let mut metadata = Metadata::new();
    for text in pairs {
        let (key, value) = split_pair(text)?;
        metadata.push(key, value);
    }
    Ok(metadata)
}

/// Parses what `strtoll` takes: white space, a sign, digits, and whatever follows them.
fn parse_source_date_epoch(text: &str) -> anyhow::Result<i64> {
    let number = text.trim_start();
    let digits_from = usize::from(number.starts_with(['+', '-']));
    let digits = number[digits_from..]
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(number.len() - digits_from);
    if digits == 0 {
        bail!("Failed to convert SOURCE_DATE_EPOCH");
    }
    match number[..digits_from + digits].parse() {
        Ok(seconds) => Ok(seconds),
        Err(_) => bail!("Parsing SOURCE_DATE_EPOCH: Numerical result out of range"),
    }
}

fn read_file(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let file =
        std::fs::File::open(path).with_context(|| format!("opening `{}`", path.display()))?;
    let length = file
        .take(MAX_FILE + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("reading `{}`", path.display()))?;
    if length as u64 > MAX_FILE {
        return Err(anyhow::anyhow!("`{}` is too long", path.display()))
            .with_hint(|| format!("the limit is {MAX_FILE} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_is_taken_as_strtoll_takes_it() {
        for (text, seconds) in [("77", 77), (" -3", -3), ("5x", 5), ("+9", 9)] {
            assert_eq!(parse_source_date_epoch(text).unwrap(), seconds, "{text}");
        }
        for (text, word) in [
            ("", "convert"),
            ("xx", "convert"),
            ("-", "convert"),
            ("12345678901234567890", "range"),
        ] {
            let error = parse_source_date_epoch(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn a_branch_that_looks_like_a_commit_is_refused() {
        assert!(parse_branch(&"0".repeat(64)).is_err());
        assert!(parse_branch("bad ref").is_err() && parse_branch("a^").is_err());
        assert_eq!(
            parse_branch("origin:os/a").unwrap().to_string(),
            "origin:os/a"
        );
    }
}
