//! Pulling: commits, with all that they refer to, from a remote or from another repository on this machine.
//!
//! ```text
//! targets -> session: commits in order, checks, partial marks   plan: what trees name, once (pure)
//!              | local   metadata on the calling thread, content on a pool of importers
//!              | fetch   metadata and content in one batch of requests; sinks inflate, hash and write in one pass
//!            transaction: objects, commits last, then refs   -> marks of whole commits are removed
//! ```
//! A pull that is killed or fails leaves the refs as they were. What it had fetched is staged, and the next pull of the
//! same boot uses it; commits that are here in part are marked, and their trees are walked again.

mod check;
mod error;
mod import_pool;
mod local;
mod options;
mod plan;
mod session;
mod want;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ostler_format::{CommitId, RemoteName};

pub use check::{BindingFault, OlderCommit};
pub use error::PullError;
pub use options::{NetworkOptions, PullOptions, PullTarget, SummaryCache, TimestampCheck};

use crate::progress::{Event, Phase, Sink};
use crate::reachable::Depth;
use crate::refs::RefKey;
use crate::repo::Repo;
use crate::transaction::TransactionOptions;
use session::{Destination, Session};

/// What a pull did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullReport {
    /// The refs that were asked for, as they are now.
    pub refs: BTreeMap<RefKey, CommitId>,
    /// Metadata objects that came.
    pub metadata_objects: u64,
    /// Content objects that came.
    pub content_objects: u64,
    /// Bytes of content in objects that were written, before compression; linked ones take none.
    pub content_bytes_written: u64,
    /// What came over the network; `None` if nothing was asked there.
    pub network: Option<NetworkReport>,
    /// How long it took.
    pub elapsed: Duration,
}

/// The network's part of a pull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkReport {
    /// Bytes of all answers, those of failed attempts included.
    pub bytes: u64,
    /// Metadata objects that a local cache had.
    pub cached_metadata_objects: u64,
    /// Content objects that a local cache had.
    pub cached_content_objects: u64,
}

/// Pulls from another repository on this machine; refs are written as those of `remote`, else as they are there.
///
/// When this returns and syncing is on, commits and refs survive a power cut.
///
/// # Errors
/// [`PullError`]; the refs are as they were.
pub fn pull_local(
    repo: &Repo,
    source: &Repo,
    remote: Option<&RemoteName>,
    options: &PullOptions,
    sink: &dyn Sink,
) -> Result<PullReport, PullError> {
    let destination = match (remote, &source.config().collection_id) {
        (_, Some(collection)) if options.mirror => Destination::Mirror(collection.clone()),
        (Some(remote), _) if !options.mirror => Destination::Remote(remote.clone()),
        _ => Destination::Heads,
    };
    pull_local_to(repo, source, &destination, &[], options, sink)
}

fn pull_local_to(
    repo: &Repo,
    source: &Repo,
    destination: &Destination,
    branches: &[String],
    options: &PullOptions,
    sink: &dyn Sink,
) -> Result<PullReport, PullError> {
    let started = Instant::now();
    check_options(options)?;
    let targets = local::resolve(source, options, branches, destination)?;
    let commits = targets.commits.clone();
    let collection = source.config().collection_id.as_ref();
    let collection = collection.map(ToString::to_string);
    let transaction = repo.begin(transaction_options(options))?;
    let mut session = Session::new(&transaction, options, targets, collection)?;
    sink.event(Event::Begin {
        phase: Phase::Pull,
        objects: None,
        bytes: None,
    });
    let fetched = local::fetch(&mut session, source, sink);
    sink.event(Event::End { phase: Phase::Pull });
    fetched.map_err(|error| local::explain(error, source, &commits))?;
    let ending = session.end()?;
    let stats = transaction.commit()?;
    ending.unmark(repo)?;
    Ok(PullReport {
        refs: ending.refs,
        metadata_objects: stats.metadata_objects_written,
        content_objects: stats.content_objects_written,
        content_bytes_written: stats.content_bytes_written,
        network: None,
        elapsed: started.elapsed(),
    })
}

fn check_options(options: &PullOptions) -> Result<(), PullError> {
    let checks_time = options.timestamp_check != TimestampCheck::Off;
    if checks_time && options.depth != Depth::Parents(0) {
        return Err(PullError::TimestampDepth);
    }
    Ok(())
}

fn transaction_options(options: &PullOptions) -> TransactionOptions {
    TransactionOptions {
        fsync: options.fsync,
        per_object_fsync: options.per_object_fsync,
    }
}
