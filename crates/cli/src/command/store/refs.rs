//! `refs`: list, create and delete refs.

use std::collections::BTreeMap;

use anyhow::bail;
use ostler_format::{CollectionId, CommitId, Metadata, RefName};
use ostler_store::collections::{CollectionTarget, RemoteRefs};
use ostler_store::{CollectionRef, RefKey, Repo, TransactionOptions, summary};

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::report::hinted;

/// Options of `refs`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Refs {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Print whole names, also those below PREFIX
    #[arg(long)]
    pub(crate) list: bool,
    /// Print the commit of each ref, too
    #[arg(short, long)]
    pub(crate) revision: bool,
    /// List aliases and what they stand for; with --create, create one
    #[arg(short = 'A', long)]
    pub(crate) alias: bool,
    /// Go by collections: list refs with theirs; PREFIX is a collection, and NEWREF is COLLECTION:REF
    #[arg(short, long)]
    pub(crate) collections: bool,
    /// Create this ref for the commit or ref PREFIX
    #[arg(long, value_name = "NEWREF")]
    pub(crate) create: Option<String>,
    /// Let --create replace a ref
    #[arg(long)]
    pub(crate) force: bool,
    /// Delete the refs below PREFIX
    #[arg(long)]
    pub(crate) delete: bool,
    /// Leading parts of refs' names
    #[arg(value_name = "PREFIX")]
    pub(crate) prefixes: Vec<String>,
}

impl Verb for Refs {
    const NAME: &'static str = "refs";
    const ABOUT: &'static str = "List, create and delete refs";
    const OPERANDS: &'static str = "[PREFIX]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "refs --repo=repo -r --list os",
            says: "refs below `os/` with their commits",
        },
        Example {
            call: "refs --repo=repo --create=os/old os/stable",
            says: "name a commit",
        },
        Example {
            call: "refs --repo=repo --delete os/old",
            says: "forget a name",
        },
        Example {
            call: "refs --repo=repo --collections --create=org.example.Os:stable os/stable",
            says: "offer a commit as a ref of another repository's collection, as a mirror does",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        if let Some(new) = &self.create {
            self.create(&repo, new)?;
        } else if self.delete {
            if self.prefixes.is_empty() {
                bail!("At least one PREFIX is required when deleting refs");
            }
            for prefix in &self.prefixes {
                if self.collections {
                    delete_collection(&repo, prefix)?;
                } else {
                    delete(&repo, prefix)?;
                }
            }
        } else if self.collections {
            self.list_collections(context, &repo)?;
        } else if self.prefixes.is_empty() {
            self.list(context, &repo, None)?;
        } else {
            for prefix in &self.prefixes {
                self.list(context, &repo, Some(prefix))?;
            }
        }
        Ok(Exit::Done)
    }
}

impl Refs {
    fn list_collections(&self, context: &Context, repo: &Repo) -> anyhow::Result<()> {
        let all = repo.list_collection_refs(RemoteRefs::Included)?;
        for (named, target) in all {
            let of = named.collection.as_str();
            if !self.prefixes.is_empty() && !self.prefixes.iter().any(|wanted| wanted == of) {
                continue;
            }
            if self.revision {
                context
                    .printer
                    .line(format_args!("{named}\t{}", target.commit))?;
            } else {
                context.printer.line(named)?;
            }
        }
        Ok(())
    }

    fn list(&self, context: &Context, repo: &Repo, prefix: Option<&str>) -> anyhow::Result<()> {
        let shown = if self.list {
            Shown::Whole
        } else {
            Shown::BelowPrefix
        };
        for (key, commit) in refs_below(repo, prefix)? {
            let name = shown.name(&key, prefix);
            if self.alias {
                if let RefKey::Head(ref_name) = &key
                    && let Some(target) = repo.alias_target(ref_name)?
                {
                    context.printer.line(format_args!("{name} -> {target}"))?;
                }
            } else if self.revision {
                context.printer.line(format_args!("{name}\t{commit}"))?;
            } else {
                context.printer.line(name)?;
            }
        }
        Ok(())
    }

    fn create(&self, repo: &Repo, new: &str) -> anyhow::Result<()> {
        let source = match &self.prefixes[..] {
            [] => bail!("You must specify a revision when creating a new ref"),
            [source] => source,
            _ => bail!("You must specify only 1 existing ref when creating a new ref"),
        };
        let key = if self.collections {
            collection_key(new)?
        } else {
            RefKey::parse(new)?
        };
        if self.alias {
            return create_alias(repo, &key, source);
        }
        // A ref of a mirror follows another repository, so that it is there before as a rule.
        if !self.force && !self.collections && repo.read_ref(&key)?.is_some() {
            bail!("--create specified but ref {new} already exists");
        }
        let transaction = repo.begin(TransactionOptions::default())?;
        transaction.set_ref(key, Some(repo.resolve(source)?));
        transaction.commit()?;
        Ok(())
    }
}

/// The ref of `COLLECTION:REF`.
fn collection_key(text: &str) -> anyhow::Result<RefKey> {
    let Some((collection, name)) = text.split_once(':') else {
        return Err(hinted(
            format!("Invalid collection ID {text}"),
            "with --collections a new ref is COLLECTION-ID:REF",
        ));
    };
    Ok(RefKey::Mirror {
        collection: CollectionId::new(collection)?,
        name: RefName::new(name)?,
    })
}

/// Deletes the refs of a collection that are this repository's own or mirrored.
fn delete_collection(repo: &Repo, collection: &str) -> anyhow::Result<()> {
    CollectionId::new(collection)?;
    let transaction = repo.begin(TransactionOptions::default())?;
    for (CollectionRef { collection: of, .. }, CollectionTarget { key, .. }) in
        repo.list_collection_refs(RemoteRefs::LeftOut)?
    {
        if of.as_str() == collection {
            transaction.set_ref(key, None);
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Makes `alias` stand for the local ref `target`.
fn create_alias(repo: &Repo, alias: &RefKey, target: &str) -> anyhow::Result<()> {
    let (RefKey::Head(alias), RefKey::Head(target)) = (alias, RefKey::parse(target)?) else {
        bail!("Cannot create alias to remote ref: {target}");
    };
    if repo.read_ref(&RefKey::Head(target.clone()))?.is_none() {
        bail!("Cannot create alias to non-existent ref: {target}");
    }
    repo.set_alias(alias, &target)?;
    if repo.config().auto_update_summary {
        summary::regenerate(repo, &Metadata::new())?;
    }
    Ok(())
}

/// How much of a ref's name is printed.
#[derive(Clone, Copy)]
enum Shown {
    Whole,
    BelowPrefix,
}

impl Shown {
    fn name(self, key: &RefKey, prefix: Option<&str>) -> String {
        let whole = key.to_string();
        let (Self::BelowPrefix, Some(prefix)) = (self, prefix) else {
            return whole;
        };
        let (remote, below) = split_remote(prefix);
        let name = key.name().as_str();
        let rest = match below {
            "" => name,
            below => name
                .strip_prefix(below)
                .and_then(|r| r.strip_prefix('/'))
                .unwrap_or(name),
        };
        match remote {
            Some(remote) => format!("{remote}:{rest}"),
            None => rest.to_owned(),
        }
    }
}

/// Deletes the refs that are `prefix` or below it, unless an alias stands for one.
fn delete(repo: &Repo, prefix: &str) -> anyhow::Result<()> {
    let all = repo.list_refs(None)?;
    let doomed = refs_below(repo, Some(prefix))?;
    for alias in all.keys() {
        if let RefKey::Head(alias_name) = alias
            && let Some(target) = repo.alias_target(alias_name)?
            && doomed.contains_key(&RefKey::Head(target.clone()))
            && !doomed.contains_key(alias)
        {
            bail!("Ref '{target}' has an active alias: '{alias}'");
        }
    }
    let transaction = repo.begin(TransactionOptions::default())?;
    for key in doomed.into_keys() {
        transaction.set_ref(key, None);
    }
    transaction.commit()?;
    Ok(())
}

fn refs_below(repo: &Repo, prefix: Option<&str>) -> anyhow::Result<BTreeMap<RefKey, CommitId>> {
    let mut refs = repo.list_refs(None)?;
    if let Some(prefix) = prefix {
        let (remote, below) = split_remote(prefix);
        // `REMOTE:.` means all refs of a remote, too.
        let below = if below == "." {
            ""
        } else {
            below.trim_end_matches('/')
        };
        refs.retain(|key, _| {
            let same_remote = match key {
                RefKey::Head(_) => remote.is_none(),
                RefKey::Remote { remote: of, .. } => remote == Some(of.as_str()),
                RefKey::Mirror { .. } => false,
            };
            same_remote && is_at_or_below(key.name().as_str(), below)
        });
    }
    Ok(refs)
}

fn is_at_or_below(name: &str, prefix: &str) -> bool {
    prefix.is_empty()
        || name
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn split_remote(prefix: &str) -> (Option<&str>, &str) {
    match prefix.split_once(':') {
        Some((remote, below)) => (Some(remote), below),
        None => (None, prefix),
    }
}
