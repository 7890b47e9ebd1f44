//! `pull-local`: commits from another repository on this machine.

use std::path::PathBuf;

use anyhow::Context as _;
use ostler_format::RemoteName;
use ostler_store::Repo;
use ostler_store::object::Trust;
use ostler_store::pull::{self, PullOptions, PullTarget};
use ostler_store::reachable::Depth;

use crate::command::values::refuse_static_deltas;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::report::hinted;
use crate::text;

/// Options of `pull-local`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct PullLocal {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Fetch the commit objects alone
    #[arg(long)]
    pub(crate) commit_metadata_only: bool,
    /// Write refs as those of this remote
    #[arg(long, value_name = "REMOTE")]
    pub(crate) remote: Option<String>,
    /// Leave durability to the system
    #[arg(long)]
    pub(crate) disable_fsync: bool,
    /// Make each object durable by itself
    #[arg(long)]
    pub(crate) per_object_fsync: bool,
    /// Check all checksums of the source
    #[arg(long)]
    pub(crate) untrusted: bool,
    /// Refuse files with mode bits beyond 0775
    #[arg(long)]
    pub(crate) bareuseronly_files: bool,
    /// Accept a commit that is not bound to the ref it was asked for by
    #[arg(long)]
    pub(crate) disable_verify_bindings: bool,
    /// Use no static deltas
    #[arg(long, hide = true)]
    pub(crate) disable_static_deltas: bool,
    /// Use static deltas or nothing
    #[arg(long, hide = true)]
    pub(crate) require_static_deltas: bool,
    /// Check the commits' OpenPGP signatures
    #[arg(long, hide = true)]
    pub(crate) gpg_verify: bool,
    /// Check the summary's OpenPGP signature
    #[arg(long, hide = true)]
    pub(crate) gpg_verify_summary: bool,
    /// Fetch that many parents, too (-1 for all)
    #[arg(
        long,
        value_name = "DEPTH",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub(crate) depth: i32,
    /// Repository to copy from
    #[arg(value_name = "SRC_REPO", required = true)]
    pub(crate) source: PathBuf,
    /// Refs or commits (defaults to all refs)
    #[arg(value_name = "REFS")]
    pub(crate) refs: Vec<String>,
}

impl Verb for PullLocal {
    const NAME: &'static str = "pull-local";
    const ABOUT: &'static str = "Copy commits from another repository on this machine";
    const OPERANDS: &'static str = "SRC_REPO [REFS...]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "pull-local --repo=repo /srv/other",
            says: "all refs of the other repository",
        },
        Example {
            call: "pull-local --repo=repo --untrusted --remote=usb /mnt/repo os/stable",
            says: "one ref, each object verified, written as a ref of the remote `usb`",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        if self.require_static_deltas {
            return Err(refuse_static_deltas(&repo));
        }
        if self.gpg_verify || self.gpg_verify_summary {
            return Err(hinted(
                "cannot verify OpenPGP signatures",
                "pull without --gpg-verify and --gpg-verify-summary, if you trust the source",
            ));
        }
        let source = Repo::open(&self.source).context("opening repo")?;
        let remote = self.remote.as_deref().map(RemoteName::new).transpose()?;
        let options = self.options()?;
        let report = pull::pull_local(&repo, &source, remote.as_ref(), &options, &*context.sink())?;
        context.printer.line(text::pull::describe(&report))?;
        Ok(Exit::Done)
    }
}

impl PullLocal {
    fn options(&self) -> anyhow::Result<PullOptions> {
        let mut targets = Vec::new();
        for text in &self.refs {
            targets.push(text.parse::<PullTarget>()?);
        }
        Ok(PullOptions {
            targets,
            depth: Depth::from_signed(self.depth),
            commit_only: self.commit_metadata_only,
            trust: if self.untrusted {
                Trust::Verify
            } else {
                Trust::Trusted
            },
            bare_user_only_files: self.bareuseronly_files,
            verify_bindings: !self.disable_verify_bindings,
            fsync: self.disable_fsync.then_some(false),
            per_object_fsync: self.per_object_fsync.then_some(true),
            ..PullOptions::default()
        })
    }
}
