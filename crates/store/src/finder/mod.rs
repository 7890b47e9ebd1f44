//! Finding out which remotes and which removable media have refs of collections, and pulling from them.
//!
//! ```text
//! config   remotes of this repository whose `collection-id` is asked for; their summaries are fetched
//! mount    removable media: .ostree/repos.d/* (by name), .ostree/repo, ostree/repo, var/lib/flatpak/repo
//!    -> offers -> choose (pure): the newest commit of each ref, and who has it -> pull, from one after another
//! ```
//! A medium is believed no more than a mirror is: its commits must have the signatures that the configured remote of their
//! collection asks for, and every object is verified.

mod choose;
mod config;
mod mount;
mod pull;

use std::collections::BTreeMap;

use ostler_fs::mount::MountTable;

use crate::collections::CollectionRef;
use crate::error::StoreError;
use crate::pull::NetworkOptions;
use crate::remote::Remote;
use crate::repo::Repo;

pub use choose::{FoundRemote, Offer, Offered, choose};
pub use pull::{FoundPull, pull_found};

/// A place to look for remotes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finder {
    /// Mounted removable media.
    Mount,
    /// The repository's own configuration.
    Config,
}

impl Finder {
    /// Those that are asked unless told otherwise.
    pub const DEFAULT: [Self; 2] = [Self::Config, Self::Mount];

    /// How libostree calls it.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Mount => "OstreeRepoFinderMount",
            Self::Config => "OstreeRepoFinderConfig",
        }
    }

    /// What is nearer comes first.
    #[must_use]
    pub fn priority(self) -> u32 {
        match self {
            Self::Mount => 50,
            Self::Config => 100,
        }
    }
}

/// A remote or a medium that was passed over, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// The remote's name or the repository's path.
    pub place: String,
    /// One line.
    pub reason: String,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Who has what, the best first.
    pub remotes: Vec<FoundRemote>,
    /// Who could not be asked.
    pub passed_over: Vec<PassedOver>,
}

/// Looks for the refs in `wanted` with each of `finders`.
///
/// A remote that does not answer is passed over, not an error. Nothing is written but the cache of summaries.
///
/// # Errors
/// [`StoreError::Remote`] if the remotes' configuration cannot be read, [`StoreError::Fs`] if the mounts cannot be listed.
pub fn find_remotes(
    repo: &Repo,
    wanted: &[CollectionRef],
    finders: &[Finder],
    network: &NetworkOptions,
) -> Result<Found, StoreError> {
    let remotes: Vec<(String, Remote)> = repo
        .remotes(repo.remotes_dir(None).as_deref())?
        .into_iter()
        .filter_map(|remote| Some((remote.collection_id.clone()?, remote)))
        .filter(|(id, _)| wanted.iter().any(|wanted| wanted.collection.as_str() == id))
        .collect();
    let (mut offers, mut passed_over) = (Vec::new(), Vec::new());
    for finder in finders {
        match finder {
            Finder::Config => {
                for (collection, remote) in &remotes {
                    match config::ask(repo, remote, collection, network) {
                        Ok(offer) => offers.push(offer),
                        Err(reason) => passed_over.push(PassedOver {
                            place: remote.name.clone(),
                            reason,
                        }),
                    }
                }
            }
            Finder::Mount => {
                let mounts = MountTable::read()?;
                for root in mount::media(&mounts) {
                    let (more, less) = mount::ask(repo, &root, wanted, &remotes);
                    offers.extend(more);
                    passed_over.extend(less);
                }
            }
        }
    }
    Ok(Found {
        remotes: choose(offers, wanted, |commit| {
            repo.has_object(&commit.into()).unwrap_or(false)
        }),
        passed_over,
    })
}

/// Refs with their commits.
pub(crate) type OfferedRefs = BTreeMap<CollectionRef, Offered>;
