//! `find-remotes`: who has refs of collections.

use std::path::PathBuf;

use anyhow::bail;
use jiff::Timestamp;
use ostler_store::finder::{self, Finder, Found, FoundRemote};
use ostler_store::pull::{NetworkOptions, PullOptions};
use ostler_store::{CollectionRef, Repo};

use crate::command::values::{parse_collection_refs, summary_cache};
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, LinkOptions, RepoOption, Verb};
use crate::progress::ProgressOptions;
use crate::report::hinted;
use crate::version;

/// Options of `find-remotes`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct FindRemotes {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    pub(crate) link: LinkOptions,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
    /// Keep the cache of summaries in this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Leave durability to the system
    #[arg(long)]
    pub(crate) disable_fsync: bool,
    /// Where to look, with commas: config (remotes of this repository), mount (removable media)
    #[arg(long, value_name = "FINDERS")]
    pub(crate) finders: Option<String>,
    /// Pull what was found
    #[arg(long)]
    pub(crate) pull: bool,
    /// Write the refs as those of a mirror; with --pull
    #[arg(long, requires = "pull")]
    pub(crate) mirror: bool,
    /// Collections and refs in turn
    #[arg(value_name = "COLLECTION-ID REF")]
    pub(crate) refs: Vec<String>,
}

impl Verb for FindRemotes {
    const NAME: &'static str = "find-remotes";
    const ABOUT: &'static str = "Find remotes and removable media that have refs of collections";
    const OPERANDS: &'static str = "COLLECTION-ID REF [COLLECTION-ID REF...]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "find-remotes --repo=repo org.example.Os os/stable",
            says: "who has the newest commit of a ref",
        },
        Example {
            call: "find-remotes --repo=repo --finders=mount --pull org.example.Os os/stable",
            says: "take it from a USB stick that `create-usb` has written",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.use_link(&self.link);
        context.show_progress(&self.progress)?;
        let wanted = parse_collection_refs(&self.refs)?;
        let repo = self.repo.open(context)?;
        let finders = self.finders(context, &repo)?;
        let network = NetworkOptions {
            user_agent: Some(version::user_agent(context.personality, None)),
            summary_cache: summary_cache(self.cache_dir.as_deref()),
            limit_rate: self.link.limit_rate,
            ..NetworkOptions::default()
        };
        let found = finder::find_remotes(&repo, &wanted, &finders, &network)?;
        let known = tell(context, &found, &wanted)?;
        if self.pull && !known.is_empty() {
            let options = PullOptions {
                mirror: self.mirror,
                fsync: self.disable_fsync.then_some(false),
                network,
                ..PullOptions::default()
            };
            pull(context, &repo, &found, &known, &options)?;
        }
        Ok(Exit::Done)
    }
}

impl FindRemotes {
    /// What `--finders` names, else `core.default-repo-finders`, else all that there are.
    fn finders(&self, context: &Context, repo: &Repo) -> anyhow::Result<Vec<Finder>> {
        if let Some(list) = &self.finders {
            let words: Vec<&str> = list.split(',').collect();
            if words.contains(&"lan") {
                return Err(hinted(
                    "the finder ‘lan’ needs Avahi, which this program does not speak",
                    "look with --finders=config,mount, or add the neighbour as a remote (`ostler remote add`)",
                ));
            }
            return parse_finders(&words);
        }
        let configured = repo
            .config()
            .file()
            .string_list("core", "default-repo-finders")?;
        let Some(words) = configured.filter(|words| !words.is_empty()) else {
            return Ok(Finder::DEFAULT.to_vec());
        };
        let (lan, words): (Vec<&str>, Vec<&str>) = words
            .iter()
            .map(String::as_str)
            .partition(|word| *word == "lan");
        if !lan.is_empty() {
            context
                .printer
                .note("core.default-repo-finders: ‘lan’ is passed over, as it needs Avahi");
        }
        parse_finders(&words)
    }
}

fn parse_finders(words: &[&str]) -> anyhow::Result<Vec<Finder>> {
    let mut finders = Vec::new();
    for word in words {
        let finder = match *word {
            "config" => Finder::Config,
            "mount" => Finder::Mount,
            _ => bail!("Unknown or duplicate finder type given in --finders option: ‘{word}’"),
        };
        if finders.contains(&finder) {
            bail!("Unknown or duplicate finder type given in --finders option: ‘{word}’");
        }
        finders.push(finder);
    }
    Ok(finders)
}

/// Prints who has what, and returns the refs that somebody has.
fn tell(
    context: &Context,
    found: &Found,
    wanted: &[CollectionRef],
) -> anyhow::Result<Vec<CollectionRef>> {
    let printer = &context.printer;
    for passed in &found.passed_over {
        printer.note(format_args!(
            "passed over {}: {}",
            passed.place, passed.reason
        ));
    }
    if found.remotes.is_empty() {
        printer.line("No results.")?;
        return Ok(Vec::new());
    }
    for (number, remote) in found.remotes.iter().enumerate() {
        tell_one(context, number, remote, wanted)?;
    }
    let has = |name: &&CollectionRef| found.remotes.iter().any(|r| r.refs.contains_key(*name));
    let (known, missing): (Vec<_>, Vec<_>) = wanted.iter().partition(has);
    printer.line(format_args!(
        "{}/{} refs were found.",
        known.len(),
        wanted.len()
    ))?;
    if !missing.is_empty() {
        printer.line("Refs not found in any remote:")?;
        for name in missing {
            printer.line(format_args!(" - {name}"))?;
        }
    }
    Ok(known.into_iter().cloned().collect())
}

fn tell_one(
    context: &Context,
    number: usize,
    found: &FoundRemote,
    wanted: &[CollectionRef],
) -> anyhow::Result<()> {
    let printer = &context.printer;
    let remote = &found.remote;
    let place = remote.url.as_deref().unwrap_or(&remote.name);
    let modified = found
        .last_modified
        .and_then(|seconds| Timestamp::from_second(i64::try_from(seconds).ok()?).ok());
    let modified = modified.map_or_else(|| "unknown".to_owned(), |time| time.to_string());
    printer.line(format_args!("Result {number}: {place}"))?;
    printer.line(format_args!(" - Finder: {}", found.finder.type_name()))?;
    printer.line(format_args!(" - Keyring: {}.trustedkeys.gpg", remote.name))?;
    printer.line(format_args!(" - Priority: {}", found.finder.priority()))?;
    printer.line(format_args!(" - Summary last modified: {modified}"))?;
    printer.line(" - Refs:")?;
    for name in wanted {
        match found.refs.get(name) {
            Some(commit) => printer.line(format_args!("    - {name} = {commit}"))?,
            None => printer.line(format_args!("    - {name} = (not found)"))?,
        }
    }
    printer.line("")?;
    Ok(())
}

fn pull(
    context: &Context,
    repo: &Repo,
    found: &Found,
    known: &[CollectionRef],
    options: &PullOptions,
) -> anyhow::Result<()> {
    let done = finder::pull_found(repo, &found.remotes, options, &*context.sink());
    for (place, error) in &done.failures {
        context.printer.note(format_args!("{place}: {error}"));
    }
    let missing: Vec<String> = known
        .iter()
        .filter(|name| !done.pulled.contains_key(*name))
        .map(ToString::to_string)
        .collect();
    if !missing.is_empty() {
        bail!(
            "Failed to pull some refs from the remotes: {}",
            missing.join(", ")
        );
    }
    context.printer.line(format_args!(
        "Pulled {}/{} refs successfully.",
        done.pulled.len(),
        known.len()
    ))?;
    Ok(())
}
