//! `pull`: commits from a remote.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ostler_store::Repo;
use ostler_store::object::Trust;
use ostler_store::pull::{self, NetworkOptions, PullOptions, PullTarget, TimestampCheck};
use ostler_store::reachable::Depth;

use crate::command::values::{delta_use, netrc, parse_key_value, summary_cache};
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, LinkOptions, RepoOption, Verb};
use crate::progress::ProgressOptions;
use crate::report::usage;
use crate::{text, version};

/// Options of `pull`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Pull {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    pub(crate) link: LinkOptions,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
    /// Fetch the commit objects alone
    #[arg(long, help_heading = "What to fetch")]
    pub(crate) commit_metadata_only: bool,
    /// Write refs as the remote has them; all of them if none is named
    #[arg(long, help_heading = "What to fetch")]
    pub(crate) mirror: bool,
    /// Fetch this directory or file of the tree alone (repeatable)
    #[arg(long, value_name = "PATH", help_heading = "What to fetch")]
    pub(crate) subpath: Vec<String>,
    /// Fetch that many parents, too (-1 for all)
    #[arg(
        long,
        value_name = "DEPTH",
        default_value_t = 0,
        hide_default_value = true,
        help_heading = "What to fetch"
    )]
    pub(crate) depth: i32,

    /// Check the checksums of local sources, too (those of HTTP always are)
    #[arg(long, help_heading = "Checks")]
    pub(crate) untrusted: bool,
    /// Write compressed objects of a mirror as they come, unchecked
    #[arg(long, help_heading = "Checks")]
    pub(crate) http_trusted: bool,
    /// Refuse files with mode bits beyond 0775
    #[arg(long, help_heading = "Checks")]
    pub(crate) bareuseronly_files: bool,
    /// Refuse commits older than what the ref has
    #[arg(short = 'T', long, help_heading = "Checks")]
    pub(crate) timestamp_check: bool,
    /// Refuse commits older than this one
    #[arg(long, value_name = "REV", help_heading = "Checks")]
    pub(crate) timestamp_check_from_rev: Option<String>,
    /// Accept a commit that is not bound to the ref it was asked for by
    #[arg(long, help_heading = "Checks")]
    pub(crate) disable_verify_bindings: bool,

    /// Fetch from this URL instead of the configured one
    #[arg(long, value_name = "URL", help_heading = "Network")]
    pub(crate) url: Option<String>,
    /// Add a header to each request (repeatable); $NETRC may name a file of users and passwords by host
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_key_value, help_heading = "Network")]
    pub(crate) http_header: Vec<(String, String)>,
    /// Append to the User-Agent header
    #[arg(long, value_name = "TEXT", hide = true, help_heading = "Network")]
    pub(crate) append_user_agent: Option<String>,
    /// How often a failed request is tried again
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "Network")]
    pub(crate) network_retries: u32,
    /// Fail at the first fault of the network, as with --network-retries=0
    #[arg(long, help_heading = "Network")]
    pub(crate) disable_retry_on_network_errors: bool,
    /// Bytes in a second below which a server counts as stalled (0 for silence alone)
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1000,
        help_heading = "Network"
    )]
    pub(crate) low_speed_limit_bytes: u64,
    /// Seconds for which a server may be silent, or below that speed, before it is given up
    #[arg(long, value_name = "N", default_value = "30", help_heading = "Network")]
    pub(crate) low_speed_time_seconds: NonZeroU32,
    /// Requests under way at once (8 over HTTP/1.1, 128 over HTTP/2)
    #[arg(long, value_name = "N", help_heading = "Network")]
    pub(crate) max_outstanding_fetcher_requests: Option<NonZeroUsize>,
    /// Take objects that this local repository has from there (repeatable)
    #[arg(short = 'L', long, value_name = "REPO", help_heading = "Network")]
    pub(crate) localcache_repo: Vec<PathBuf>,
    /// Keep the cache of summaries in this directory
    #[arg(long, value_name = "DIR", help_heading = "Network")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Milliseconds between two drawings, or JSON lines, of the progress (0 for 100)
    #[arg(
        long,
        value_name = "MILLISECONDS",
        default_value_t = 0,
        hide_default_value = true,
        help_heading = "Network"
    )]
    pub(crate) update_frequency: u32,
    /// Ask for each object by itself, also where the remote has packs
    #[arg(long, help_heading = "Network")]
    pub(crate) disable_packs: bool,
    /// Use no static deltas
    #[arg(long, help_heading = "Network")]
    pub(crate) disable_static_deltas: bool,
    /// Use static deltas or nothing
    #[arg(long, help_heading = "Network")]
    pub(crate) require_static_deltas: bool,
    /// Only tell what would be fetched, by which way, and how much it is, as far as that is known
    #[arg(long, help_heading = "What to fetch")]
    pub(crate) dry_run: bool,
    /// With --dry-run: print as JSON
    #[arg(long, requires = "dry_run", help_heading = "What to fetch")]
    pub(crate) json: bool,

    /// Leave durability to the system
    #[arg(long, help_heading = "Durability")]
    pub(crate) disable_fsync: bool,
    /// Make each object durable by itself
    #[arg(long, help_heading = "Durability")]
    pub(crate) per_object_fsync: bool,

    /// Remote, or `REMOTE:REF`
    #[arg(value_name = "REMOTE", required = true)]
    pub(crate) remote: String,
    /// Refs, or commits as `REF@COMMIT` or `COMMIT`
    #[arg(value_name = "BRANCH")]
    pub(crate) refs: Vec<String>,
}

impl Verb for Pull {
    const NAME: &'static str = "pull";
    const ABOUT: &'static str = "Fetch commits from a remote";
    const OPERANDS: &'static str = "REMOTE [BRANCH...]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "pull --repo=repo origin os/stable",
            says: "the newest commit of a ref",
        },
        Example {
            call: "pull --repo=mirror --mirror --depth=-1 origin",
            says: "all refs with their history, named as the remote names them",
        },
        Example {
            call: "pull --repo=repo --dry-run origin os/stable",
            says: "what would be fetched, and how much it is",
        },
        Example {
            call: "pull --repo=repo --limit-rate=500K --progress=json origin os/stable",
            says: "leave most of the link to others, and tell a program how far it is",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.use_link(&self.link);
        if self.update_frequency > 0 {
            context.tell_every(Duration::from_millis(self.update_frequency.into()));
        }
        context.show_progress(&self.progress)?;
        let repo = self.repo.open(context)?;
        let (name, refs) = self.operands()?;
        let remote = repo.remote(name, repo.remotes_dir(None).as_deref())?;
        let options = self.options(context, &repo, &refs)?;
        let sink = context.sink();
        let report = pull::pull(&repo, &remote, &options, &*sink)?;
        drop(sink);
        if self.dry_run {
            context.printer.line(match self.json {
                true => serde_json::to_string_pretty(&text::pull::dry_run_json(&report))?,
                false => text::pull::describe_dry_run(&report),
            })?;
            return Ok(Exit::Done);
        }
        context.printer.line(text::pull::describe(&report))?;
        // Programs that read what `ostree pull` prints know of one line.
        if context.printer.out_is_terminal() {
            for message in report.verified.iter().flat_map(|commit| &commit.messages) {
                context.printer.note(message.trim_end());
            }
        }
        Ok(Exit::Done)
    }
}

impl Pull {
    /// Returns the remote and what is to be fetched from it.
    fn operands(&self) -> anyhow::Result<(&str, Vec<&str>)> {
        let mut refs: Vec<_> = self.refs.iter().map(String::as_str).collect();
        let name = self.remote.as_str();
        if name.starts_with("file://") {
            return Ok((name, refs));
        }
        match name.split_once(':') {
            None => Ok((name, refs)),
            Some((name, target)) if refs.is_empty() => {
                refs.push(target);
                Ok((name, refs))
            }
            Some(_) => Err(usage("REMOTE:REF and BRANCH exclude each other")),
        }
    }

    fn options(
        &self,
        context: &Context,
        repo: &Repo,
        refs: &[&str],
    ) -> anyhow::Result<PullOptions> {
        let mut targets = Vec::new();
        for text in refs {
            targets.push(text.parse::<PullTarget>()?);
        }
        let mut local_caches = Vec::new();
        for path in &self.localcache_repo {
            local_caches.push(Arc::new(
                Repo::open(path).context("opening localcache repo")?,
            ));
        }
        let timestamp_check = match &self.timestamp_check_from_rev {
            Some(revision) => TimestampCheck::Against(repo.resolve(revision)?),
            None if self.timestamp_check => TimestampCheck::AgainstRef,
            None => TimestampCheck::Off,
        };
        Ok(PullOptions {
            targets,
            mirror: self.mirror,
            collection: None,
            depth: Depth::from_signed(self.depth),
            commit_only: self.commit_metadata_only,
            subpaths: self.subpath.clone(),
            trust: if self.untrusted {
                Trust::Verify
            } else {
                Trust::Trusted
            },
            deltas: delta_use(self.require_static_deltas, self.disable_static_deltas)?,
            dry_run: self.dry_run,
            packs: !self.disable_packs,
            http_trusted: self.http_trusted,
            bare_user_only_files: self.bareuseronly_files,
            timestamp_check,
            verify_bindings: !self.disable_verify_bindings,
            local_caches,
            fsync: self.disable_fsync.then_some(false),
            per_object_fsync: self.per_object_fsync.then_some(true),
            network: self.network(context),
        })
    }

    fn network(&self, context: &Context) -> NetworkOptions {
        NetworkOptions {
            url: self.url.clone(),
            headers: self.http_header.clone(),
            user_agent: Some(version::user_agent(
                context.personality,
                self.append_user_agent.as_deref(),
            )),
            retries: match self.disable_retry_on_network_errors {
                true => 0,
                false => self.network_retries,
            },
            idle_timeout: Duration::from_secs(self.low_speed_time_seconds.get().into()),
            floor_bytes_per_second: self.low_speed_limit_bytes,
            limit_rate: self.link.limit_rate,
            max_requests: self.max_outstanding_fetcher_requests,
            netrc: netrc(),
            summary_cache: summary_cache(self.cache_dir.as_deref()),
        }
    }
}
