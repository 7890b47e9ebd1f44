//! Pulling: commits, with all that they refer to, from a remote or from another repository on this machine.
//!
//! ```text
//! targets -> session: commits in order, checks, partial marks   plan: what trees name, once (pure)
//!              | local   metadata on the calling thread, content on a pool of importers
//!              | fetch   metadata and content in one batch of requests; sinks inflate, hash and write in one pass
//!              | packs   where the remote has them, or native deltas: many objects in a part of a file, in the same batch
//!            transaction: objects, commits last, then refs   -> marks of whole commits are removed
//! ```
//! A pull that is killed or fails leaves the refs as they were. What it had fetched is staged, and the next pull of the
//! same boot uses it, the beginnings of large objects too; commits that are here in part are marked, and their trees are walked again.

mod awaited;
mod check;
mod commits;
mod deltas;
mod error;
mod estimate;
mod fetch;
mod import_pool;
mod local;
mod local_caches;
mod metalink;
mod meter;
mod objects;
mod options;
mod origin;
mod packs;
mod partial;
mod plan;
mod raw_summary;
mod receive;
mod remote_refs;
mod route;
mod session;
mod summary_cache;
mod targets;
mod want;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ostler_format::{CommitId, RemoteName};
use ostler_http::Url;

pub(crate) use objects::stage_objects;
pub(crate) use packs::{ObjectReceiver, PackedMetadata, Trouble};
pub(crate) use receive::Shared;

pub use check::{BindingFault, OlderCommit};
pub use deltas::DeltaReport;
pub use error::PullError;
pub use estimate::Estimate;
pub use options::{
    DeltaUse, NetworkOptions, PullOptions, PullTarget, SummaryCache, TimestampCheck,
};
pub use remote_refs::{RemoteSummary, remote_ref, remote_summary};
pub use session::VerifiedCommit;
pub(crate) use summary_cache::forget_strangers;

use crate::progress::{Event, Phase, Sink};
use crate::reachable::Depth;
use crate::refs::RefKey;
use crate::remote::Remote;
use crate::repo::Repo;
use crate::sign::{RemoteVerifier, TrustRoots};
use crate::transaction::TransactionOptions;
use deltas::{ByDeltas, LocalDeltas, NetworkDeltas};
use origin::{Origin, OriginConfig};
use packs::Packs;
use remote_refs::Resolved;
use session::{Destination, Session};

/// What a pull did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullReport {
    /// The refs that were asked for, as they are now; in a dry run, as they would be.
    pub refs: BTreeMap<RefKey, CommitId>,
    /// Metadata objects that came, requests for detached metadata counted whether or not there was some.
    pub metadata_objects: u64,
    /// Content objects that came.
    pub content_objects: u64,
    /// Bytes of content in objects that were written, before compression; linked ones take none, and those that came by
    /// static deltas are not counted.
    pub content_bytes_written: u64,
    /// What came over the network, or as the parts of deltas; `None` if nothing was asked there.
    pub network: Option<NetworkReport>,
    /// What static deltas brought, or would bring.
    pub deltas: DeltaReport,
    /// What else a dry run would have fetched; `None` if deltas would have brought all commits, and after any other pull.
    pub estimate: Option<Estimate>,
    /// The commits whose signatures were asked for, and what was found.
    pub verified: Vec<VerifiedCommit>,
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

/// Pulls from a remote, over HTTP or, if its URL says so, from a path on this machine.
///
/// When this returns and syncing is on, commits and refs survive a power cut.
///
/// # Errors
/// [`PullError`]; the refs are as they were.
pub fn pull(
    repo: &Repo,
    remote: &Remote,
    options: &PullOptions,
    sink: &dyn Sink,
) -> Result<PullReport, PullError> {
    check_options(options)?;
    match locate(remote, &options.network)? {
        Location::Http => pull_http(repo, remote, options, sink),
        Location::Local(path) => {
            let source = Repo::open(path)?;
            let verifier = RemoteVerifier::for_remote(repo, remote, &TrustRoots::of_host())?;
            let collection = source.config().collection_id.clone();
            let destination = destination(remote, options, collection);
            let from = LocalSource {
                repo: &source,
                branches: &remote.branches,
                verifier: &verifier,
            };
            let all = options.targets.is_empty() && remote.branches.is_empty();
            if all && !options.mirror && remote_name(remote).is_some() {
                return Err(PullError::NoBranches {
                    remote: remote.name.clone(),
                });
            }
            let report = pull_local_to(repo, &from, &destination, options, sink)?;
            if all && options.mirror {
                let summary = crate::summary::read_bytes(&source)?;
                let signature = source
                    .dir()
                    .read_optional("summary.sig", crate::summary::MAX_SUMMARY_SIZE)?;
                if let Some(summary) = &summary {
                    // It may have been replaced since its refs were looked up.
                    verifier.summary(summary, signature.as_deref())?;
                }
                mirror_summary(repo, summary.as_deref(), signature.as_deref())?;
            }
            Ok(report)
        }
    }
}

/// Pulls from another repository on this machine; refs are written as those of `remote`, else as they are there. Nothing
/// need be signed: whoever names the repository trusts it.
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
    let verifier = RemoteVerifier::trusting();
    pull_local_verified(repo, source, remote, options, &verifier, sink)
}

/// As [`pull_local`], of commits, and a summary, that have the signatures that `verifier` asks for.
///
/// # Errors
/// [`PullError::CommitRefused`], [`PullError::SummaryRefused`], and as [`pull_local`].
pub fn pull_local_verified(
    repo: &Repo,
    source: &Repo,
    remote: Option<&RemoteName>,
    options: &PullOptions,
    verifier: &RemoteVerifier,
    sink: &dyn Sink,
) -> Result<PullReport, PullError> {
    check_options(options)?;
    let collection = options.collection.as_ref();
    let destination = match (
        remote,
        collection.or(source.config().collection_id.as_ref()),
    ) {
        (_, Some(collection)) if options.mirror => Destination::Mirror(collection.clone()),
        (Some(remote), _) if !options.mirror => Destination::Remote(remote.clone()),
        _ => Destination::Heads,
    };
    let from = LocalSource {
        repo: source,
        branches: &[],
        verifier,
    };
    pull_local_to(repo, &from, &destination, options, sink)
}

/// Where a remote is.
pub(crate) enum Location {
    /// A repository on this machine.
    Local(PathBuf),
    /// A server.
    Http,
}

/// Finds out how a remote is reached, and refuses one that asks for what cannot be done.
pub(crate) fn locate(remote: &Remote, network: &NetworkOptions) -> Result<Location, PullError> {
    let name = || remote.name.clone();
    if let Some(backend) = remote.custom_backend.clone() {
        return Err(PullError::CustomBackend {
            remote: name(),
            backend,
        });
    }
    if let Some(state) = remote.unconfigured_state.clone() {
        return Err(PullError::Unconfigured {
            remote: name(),
            state,
        });
    }
    let url = match (&network.url, &remote.metalink) {
        (Some(url), _) | (None, Some(url)) => url,
        (None, None) => remote.require_url()?,
    };
    let location = if url.starts_with("file:") {
        let path = Url::parse(url).ok().and_then(|url| url.to_file_path().ok());
        Location::Local(path.ok_or_else(|| PullError::FileUrl {
            url: url.to_owned(),
        })?)
    } else {
        origin::check_scheme(url.strip_prefix("mirrorlist=").unwrap_or(url))?;
        Location::Http
    };
    Ok(location)
}

/// A remote that is named by its URL alone has no name that refs could be written below.
fn remote_name(remote: &Remote) -> Option<RemoteName> {
    RemoteName::new(remote.name.as_str()).ok()
}

fn destination(
    remote: &Remote,
    options: &PullOptions,
    collection: Option<ostler_format::CollectionId>,
) -> Destination {
    let collection = options.collection.clone().or(collection);
    match (options.mirror, collection, remote_name(remote)) {
        (true, Some(collection), _) => Destination::Mirror(collection),
        (false, _, Some(remote)) => Destination::Remote(remote),
        _ => Destination::Heads,
    }
}

fn pull_http(
    repo: &Repo,
    remote: &Remote,
    options: &PullOptions,
    sink: &dyn Sink,
) -> Result<PullReport, PullError> {
    let started = Instant::now();
    let origin = Origin::open(repo, remote, &options.network)?;
    let to = |config: &OriginConfig| destination(remote, options, config.collection_id.clone());
    let Resolved {
        targets,
        config,
        deltas: listed,
        mirrored_summary,
    } = remote_refs::resolve(&origin, remote, options, to)?;
    let transaction = repo.begin(transaction_options(options))?;
    let asked = options.collection.as_ref().map(ToString::to_string);
    let collection = asked.or_else(|| remote.collection_id.clone());
    let mut session = Session::new(&transaction, options, targets, collection, &origin.verifier)?;
    let source = NetworkDeltas {
        origin: &origin,
        indexed: config.indexed_deltas,
        listed,
        intake: transaction.intake().clone(),
    };
    let mut packs = Packs::default();
    if config.native_deltas && session.takes_native_deltas() {
        packs.open_deltas(&session, &origin, &config, sink)?;
    }
    let others = |commit| !packs.has_delta_to(commit);
    let mut deltas = match deltas::why_unwanted(&session, repo)? {
        None => deltas::apply_all(&mut session, &source, others, sink)?,
        Some(reason) => ByDeltas {
            why_not: Some(reason.to_owned()),
            ..ByDeltas::default()
        },
    };
    if options.dry_run {
        let mut estimate = None;
        if options.deltas == DeltaUse::Required {
            packs.count_deltas(&session, &mut deltas.report)?;
        } else if session.has_turns() {
            let from = (&config, &deltas);
            let fetch = || fetch::fetch(&mut session, &origin, from, packs, sink);
            estimate = Some(in_phase(sink, fetch)?.estimate);
        }
        return Ok(dry_run(session, deltas.report, estimate, started));
    }
    let by_deltas = transaction.stats();
    let fetched = in_phase(sink, || {
        fetch::fetch(&mut session, &origin, (&config, &deltas), packs, sink)
    })?;
    let deltas = deltas.report;
    let ending = session.end()?;
    let stats = transaction.commit()?;
    ending.unmark(repo)?;
    if let Some(summary) = mirrored_summary {
        mirror_summary(repo, Some(&summary.bytes), summary.signature.as_deref())?;
    }
    Ok(PullReport {
        refs: ending.refs,
        verified: ending.verified,
        deltas,
        estimate: None,
        metadata_objects: fetched.metadata_objects + deltas.headers,
        content_objects: fetched.content_objects,
        content_bytes_written: stats.content_bytes_written - by_deltas.content_bytes_written,
        network: Some(NetworkReport {
            bytes: origin.fetcher.counters().bytes,
            cached_metadata_objects: fetched.cached_metadata_objects,
            cached_content_objects: fetched.cached_content_objects,
        }),
        elapsed: started.elapsed(),
    })
}

/// A repository on this machine, and how it is pulled from.
struct LocalSource<'a> {
    repo: &'a Repo,
    /// The refs that are meant if none is named.
    branches: &'a [String],
    verifier: &'a RemoteVerifier,
}

fn pull_local_to(
    repo: &Repo,
    from: &LocalSource<'_>,
    destination: &Destination,
    options: &PullOptions,
    sink: &dyn Sink,
) -> Result<PullReport, PullError> {
    let started = Instant::now();
    let source = from.repo;
    let targets = local::resolve(source, options, from.branches, destination, from.verifier)?;
    let commits = targets.commits().to_vec();
    let own = source.config().collection_id.as_ref();
    let collection = options.collection.as_ref().or(own);
    let collection = collection.map(ToString::to_string);
    let transaction = repo.begin(transaction_options(options))?;
    let mut session = Session::new(&transaction, options, targets, collection, from.verifier)?;
    let mut deltas = DeltaReport::default();
    // Copying what lies beside it costs less than unpacking a delta.
    let are_required = options.deltas == DeltaUse::Required;
    if are_required && deltas::why_unwanted(&session, repo)?.is_none() {
        let all = |_| true;
        deltas = deltas::apply_all(&mut session, &LocalDeltas::of(source)?, all, sink)?.report;
    }
    if options.dry_run {
        let estimate = match session.has_turns() {
            true => Some(local::estimate(&mut session, source)?),
            false => None,
        };
        return Ok(dry_run(session, deltas, estimate, started));
    }
    let by_deltas = transaction.stats();
    in_phase(sink, || local::fetch(&mut session, source, sink))
        .map_err(|error| local::explain(error, source, &commits))?;
    let ending = session.end()?;
    let stats = transaction.commit()?;
    ending.unmark(repo)?;
    Ok(PullReport {
        refs: ending.refs,
        verified: ending.verified,
        deltas,
        estimate: None,
        metadata_objects: stats.metadata_objects_written - by_deltas.metadata_objects_written
            + deltas.headers,
        content_objects: stats.content_objects_written - by_deltas.content_objects_written,
        content_bytes_written: stats.content_bytes_written - by_deltas.content_bytes_written,
        network: (deltas.parts > 0).then_some(NetworkReport {
            bytes: deltas.bytes_applied,
            ..NetworkReport::default()
        }),
        elapsed: started.elapsed(),
    })
}

/// What a pull that fetches nothing says.
fn dry_run(
    session: Session<'_>,
    deltas: DeltaReport,
    estimate: Option<Estimate>,
    started: Instant,
) -> PullReport {
    PullReport {
        refs: session.into_refs(),
        estimate,
        verified: Vec::new(),
        deltas,
        metadata_objects: 0,
        content_objects: 0,
        content_bytes_written: 0,
        network: None,
        elapsed: started.elapsed(),
    }
}

fn in_phase<T>(
    sink: &dyn Sink,
    work: impl FnOnce() -> Result<T, PullError>,
) -> Result<T, PullError> {
    let phase = Phase::Pull;
    sink.event(Event::Begin {
        phase,
        objects: None,
        bytes: None,
    });
    let result = work();
    sink.event(Event::End { phase });
    result
}

/// Keeps the remote's summary and its signature as they are; a signature of another summary goes first.
fn mirror_summary(
    repo: &Repo,
    summary: Option<&[u8]>,
    signature: Option<&[u8]>,
) -> Result<(), PullError> {
    let Some(summary) = summary else {
        return Ok(());
    };
    let durability = repo.durability();
    if crate::summary::read_bytes(repo)?.as_deref() != Some(summary) {
        repo.dir().unlink_optional("summary.sig")?;
        repo.dir()
            .write_atomic("summary", summary, 0o644, durability)?;
    }
    match signature {
        Some(signature) => repo
            .dir()
            .write_atomic("summary.sig", signature, 0o644, durability)?,
        None => {
            repo.dir().unlink_optional("summary.sig")?;
        }
    }
    Ok(())
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
