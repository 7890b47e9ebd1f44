//! `pull-local`: commits from another repository on this machine.

use std::path::PathBuf;

use anyhow::Context as _;
use ostler_format::RemoteName;
use ostler_store::Repo;
use ostler_store::object::Trust;
use ostler_store::pull::{self, PullOptions, PullTarget};
use ostler_store::reachable::Depth;
use ostler_store::remote::SignVerify;
use ostler_store::sign::{Demands, RemoteVerifier, TrustRoots};

use crate::command::values::delta_use;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::progress::ProgressOptions;
use crate::text;

/// Options of `pull-local`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct PullLocal {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
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
    /// Use no static deltas, as without --require-static-deltas: copying takes less
    #[arg(long, hide = true)]
    pub(crate) disable_static_deltas: bool,
    /// Use static deltas or nothing
    #[arg(long)]
    pub(crate) require_static_deltas: bool,
    /// Require OpenPGP signatures of commits by keys of the remote
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", requires = "remote")]
    pub(crate) gpg_verify: Option<bool>,
    /// Require an OpenPGP signature of the summary by a key of the remote
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", requires = "remote")]
    pub(crate) gpg_verify_summary: Option<bool>,
    /// Require signatures of commits by bare keys of the remote
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", requires = "remote")]
    pub(crate) sign_verify: Option<bool>,
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
            call: "pull-local --repo=repo --remote=origin --gpg-verify /mnt/repo os/stable",
            says: "one ref, signed by a key of the remote `origin`",
        },
        Example {
            call: "pull-local --repo=repo --untrusted --remote=usb /mnt/repo os/stable",
            says: "one ref, each object verified, written as a ref of the remote `usb`",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.show_progress(&self.progress)?;
        let repo = self.repo.open(context)?;
        let source = Repo::open(&self.source).context("opening repo")?;
        let remote = self.remote.as_deref().map(RemoteName::new).transpose()?;
        let options = self.options()?;
        let verifier = self.verifier(&repo)?;
        let sink = context.sink();
        let to = remote.as_ref();
        let report = pull::pull_local_verified(&repo, &source, to, &options, &verifier, &*sink)?;
        drop(sink);
        context.printer.line(text::pull::describe(&report))?;
        Ok(Exit::Done)
    }
}

impl PullLocal {
    /// Asks for the signatures that the command line asks for, by the keys of the remote that it names.
    fn verifier(&self, repo: &Repo) -> anyhow::Result<RemoteVerifier> {
        let asked = |option: Option<bool>| option == Some(true);
        let mut demands = Demands {
            gpg_commits: asked(self.gpg_verify),
            gpg_summary: asked(self.gpg_verify_summary),
            ..Demands::default()
        };
        let bare = asked(self.sign_verify);
        let Some(name) = self
            .remote
            .as_deref()
            .filter(|_| demands.gpg_commits || demands.gpg_summary || bare)
        else {
            return Ok(RemoteVerifier::trusting());
        };
        let remote = repo.remote(name, repo.remotes_dir(None).as_deref())?;
        if bare {
            demands.sign_commits = match &remote.sign_verify {
                SignVerify::No => SignVerify::AnyKind,
                kinds => kinds.clone(),
            };
        }
        let roots = TrustRoots::of_host();
        Ok(RemoteVerifier::with_demands(
            repo, &remote, &demands, &roots,
        )?)
    }

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
            deltas: delta_use(self.require_static_deltas, self.disable_static_deltas)?,
            bare_user_only_files: self.bareuseronly_files,
            verify_bindings: !self.disable_verify_bindings,
            fsync: self.disable_fsync.then_some(false),
            per_object_fsync: self.per_object_fsync.then_some(true),
            ..PullOptions::default()
        })
    }
}
