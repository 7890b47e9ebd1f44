//! Single objects, fetched by their names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crossbeam_channel::unbounded;
use ostler_format::{MAX_METADATA_SIZE, ObjectKind, ObjectName};
use ostler_http::{FetchError, Request};

use super::error::PullError;
use super::fetch::{object_error, object_path};
use super::options::NetworkOptions;
use super::origin::Origin;
use super::partial::Keeper;
use super::receive::{ContentSink, MetadataSink, Shared};
use crate::remote::Remote;
use crate::transaction::Transaction;

/// Whether the object was there; its bytes, if it is metadata, which are not staged yet.
type Come = Result<Option<MetadataSink>, FetchError>;

/// Fetches each object and stages it, whether or not the repository has one of that name; false for those that the remote lacks.
///
/// # Errors
/// [`PullError`] if nothing can be asked of the remote; what is wrong with single objects is in the result.
pub(crate) fn stage_objects(
    transaction: &Transaction<'_>,
    remote: &Remote,
    network: &NetworkOptions,
    names: &BTreeSet<ObjectName>,
) -> Result<BTreeMap<ObjectName, Result<bool, PullError>>, PullError> {
    let origin = Origin::open(transaction.repo(), remote, network)?;
    let shared = Arc::new(Shared::new(transaction.intake().clone(), false, true));
    let batch = origin.fetcher.batch();
    let (sender, receiver) = unbounded::<(ObjectName, Come)>();
    for name in names {
        let (name, sender) = (*name, sender.clone());
        let shared = Arc::clone(&shared);
        let mirrors = origin.content.clone();
        if name.kind == ObjectKind::File {
            let request = Request::new(mirrors, object_path(name), u64::MAX);
            batch.submit(
                request,
                ContentSink::new(shared, name, Keeper::off(transaction.intake())),
                move |sink, result| {
                    drop(sink);
                    let _ = sender.send((name, result.map(|_| None)));
                },
            );
        } else {
            let request = Request::new(mirrors, object_path(name), MAX_METADATA_SIZE);
            batch.submit(
                request,
                MetadataSink::new(shared, name),
                move |sink, result| {
                    let _ = sender.send((name, result.map(|_| Some(sink))));
                },
            );
        }
    }
    drop(sender);
    let take = |(name, come): (ObjectName, Come)| (name, take(transaction, name, come));
    Ok(receiver.iter().map(take).collect())
}

fn take(transaction: &Transaction<'_>, name: ObjectName, come: Come) -> Result<bool, PullError> {
    match come {
        Ok(None) => Ok(true),
        Ok(Some(sink)) => {
            transaction.stage_metadata(name, &sink.into_bytes()?)?;
            Ok(true)
        }
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(object_error(name, error)),
    }
}
