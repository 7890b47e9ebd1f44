//! Remotes of the repository's own configuration.

use ostler_format::{CollectionId, RefName, Summary, SummaryRef};

use super::{Finder, Offer, Offered, OfferedRefs};
use crate::collections::CollectionRef;
use crate::pull::{self, NetworkOptions};
use crate::remote::Remote;
use crate::repo::Repo;

/// Fetches the remote's summary, and takes from it the refs of its collection.
///
/// # Errors
/// Why it cannot be asked, in one line.
pub(super) fn ask(
    repo: &Repo,
    remote: &Remote,
    collection: &str,
    network: &NetworkOptions,
) -> Result<Offer, String> {
    let collection = CollectionId::new(collection).map_err(|error| error.to_string())?;
    let found = pull::remote_summary(repo, remote, network)
        .map_err(|error| error.to_string())?
        .ok_or("it has no summary")?;
    Ok(Offer {
        remote: remote.clone(),
        finder: Finder::Config,
        last_modified: found.parsed.last_modified(),
        refs: refs_of(&found.parsed, &collection)?,
    })
}

/// The refs that a summary lists for one collection; names that no ref can have are left out.
fn refs_of(summary: &Summary, collection: &CollectionId) -> Result<OfferedRefs, String> {
    let mut refs = OfferedRefs::new();
    let mut add = |entries: &[SummaryRef]| {
        for entry in entries {
            if let Ok(name) = RefName::new(entry.name.as_str()) {
                let collection = collection.clone();
                let offered = Offered {
                    commit: entry.commit,
                    timestamp: entry.timestamp(),
                };
                refs.insert(CollectionRef { collection, name }, offered);
            }
        }
    };
    for (id, entries) in summary.collection_map().map_err(|e| e.to_string())? {
        if id == collection.as_str() {
            add(&entries);
        }
    }
    if summary.collection_id() == Some(collection.as_str()) {
        add(&summary.refs);
    }
    Ok(refs)
}
