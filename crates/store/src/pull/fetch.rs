//! Fetching objects over HTTP: one thread decides, the network's threads receive, the caches' threads import.
//!
//! The deciding thread never waits for one object: it asks for all metadata that it knows of (which goes first) and for a
//! bounded number of content objects, and takes what comes in the order in which it comes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};
use ostler_format::{
    CommitId, DirMeta, DirTreeRef, FileId, MAX_METADATA_SIZE, Metadata, ObjectError, ObjectKind,
    ObjectName, StorageForm,
};
use ostler_http::{Batch, FetchError, FetchFault, Priority, Request};

use super::awaited::{Awaited, Detached};
use super::deltas::ByDeltas;
use super::error::PullError;
use super::estimate::Estimate;
use super::local_caches::{self, Cache};
use super::meter::{Progress, TICK};
use super::origin::{Origin, OriginConfig};
use super::packs::{PackedMetadata, Packs, SegmentSink};
use super::partial::{Keeper, Partials};
use super::plan::Wanted;
use super::receive::{ContentSink, MetadataSink, Shared};
use super::route::route;
use super::session::Session;
use super::want::Want;
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::object::Imported;
use crate::progress::{Event, Sink, Way};
use crate::transaction::Transaction;

/// Requests that wait or run when no more content is asked for.
const CONTENT_QUEUED: usize = 256;
/// Requests that wait or run when no more metadata is asked for.
const METADATA_QUEUED: usize = 1024;
/// Objects that are looked for here before what has arrived is taken.
const CHECKS_AT_ONCE: usize = 512;

/// What came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) metadata_objects: u64,
    pub(crate) content_objects: u64,
    pub(crate) cached_metadata_objects: u64,
    pub(crate) cached_content_objects: u64,
    /// What was, or in a dry run would have been, fetched as content.
    pub(crate) estimate: Estimate,
}

/// What a metadata object was asked for.
#[derive(Clone, Debug)]
pub(super) enum Role {
    Commit(CommitId),
    Detached(CommitId),
    Tombstone,
    Meta,
    Tree(Want),
}

/// What the other threads tell the deciding one.
pub(super) enum Message {
    Packed(PackedMetadata),
    Segment(Box<SegmentSink<Message>>, Result<(), FetchError>),
    Metadata(ObjectName, Result<MetadataSink, FetchError>),
    Content(FileId, Result<(), FetchError>),
    Cached(FileId, Result<Imported, StoreError>),
}

impl From<PackedMetadata> for Message {
    fn from(packed: PackedMetadata) -> Self {
        Self::Packed(packed)
    }
}

/// Fetches what the session asks for; `packs` has the native deltas that were found.
pub(crate) fn fetch(
    session: &mut Session<'_>,
    origin: &Origin,
    (config, deltas): (&OriginConfig, &ByDeltas),
    mut packs: Packs,
    sink: &dyn Sink,
) -> Result<Fetched, PullError> {
    let (sender, receiver) = unbounded();
    let to_planner = sender.clone();
    let on_import = move |id, result| {
        // The receiver is gone only when nobody asks any more.
        let _ = to_planner.send(Message::Cached(id, result));
    };
    let options = session.options;
    let mirrors_archive =
        options.mirror && session.transaction.intake().mode() == RepoMode::Archive;
    let shared = Arc::new(Shared::new(
        session.transaction.intake().clone(),
        options.bare_user_only_files,
        !(options.http_trusted && mirrors_archive),
    ));
    let mut commits = session.missing_commits()?;
    commits.extend(&deltas.incomplete);
    if config.packs && session.takes_packs() {
        packs.open_packs(origin, &commits, sink)?;
    }
    if config.packed_content && !options.commit_only {
        packs.open_content_of(origin, &commits, sink)?;
    }
    let route = route(session, (config, deltas), &packs)?;
    if let Some((way, reason)) = route.clone() {
        sink.event(Event::Route { way, reason });
    }
    thread::scope(|scope| {
        let caches = local_caches::open(scope, session, &on_import)?;
        let session_intake = session.transaction.intake();
        let mut fetch = Fetch {
            transaction: session.transaction,
            session,
            origin,
            config,
            batch: origin.fetcher.batch(),
            shared,
            sender,
            receiver,
            roles: HashMap::new(),
            awaited: HashMap::new(),
            outstanding: 0,
            caches,
            caches_passed: HashMap::new(),
            route,
            packs,
            partials: Partials::of(session_intake)?,
            arrived_in_packs: Arc::default(),
            weighed: false,
            progress: Progress::new(sink),
            done: Fetched::default(),
        };
        for commit in &deltas.incomplete {
            fetch.request_packed_metadata(*commit)?;
        }
        fetch.run()?;
        Ok(fetch.done)
    })
}

/// Whether a failed import is no reason to fail: the next cache or the server may have the object whole. (Where it was not the cache's
/// disk but that of the repository, the next attempt says so.)
pub(super) fn is_of_cache(error: &StoreError) -> bool {
    error.is_damage() || error.is_disk_error()
}

pub(super) struct Fetch<'f, 'a, 'scope> {
    pub(super) session: &'f mut Session<'a>,
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) origin: &'f Origin,
    pub(super) config: &'f OriginConfig,
    pub(super) batch: Batch,
    pub(super) shared: Arc<Shared>,
    pub(super) sender: Sender<Message>,
    receiver: Receiver<Message>,
    /// What the metadata objects that are on their way are for.
    pub(super) roles: HashMap<ObjectName, Vec<Role>>,
    pub(super) awaited: HashMap<CommitId, Awaited>,
    /// Messages that will come.
    pub(super) outstanding: usize,
    pub(super) caches: Vec<Cache<'scope>>,
    /// How many caches at the front are of no use for content of which the last of them was damaged.
    caches_passed: HashMap<FileId, usize>,
    /// By which way objects come.
    pub(super) route: Option<(Way, String)>,
    pub(super) packs: Packs,
    pub(super) partials: Partials,
    /// Content objects that came in packs, not counted yet.
    pub(super) arrived_in_packs: Arc<AtomicU64>,
    /// Whether all listings have come and the content that is left is known not to be here.
    weighed: bool,
    pub(super) progress: Progress<'f>,
    pub(super) done: Fetched,
}

impl Fetch<'_, '_, '_> {
    fn run(&mut self) -> Result<(), PullError> {
        loop {
            while let Some(turn) = self.session.next_commit() {
                self.start_commit(turn)?;
            }
            let more_metadata = self.start_metadata()?;
            if !(more_metadata || self.weighed) && self.roles.is_empty() {
                self.weigh()?;
                if self.session.options.dry_run {
                    return Ok(());
                }
            }
            let more = more_metadata | self.start_content()?;
            for cache in &mut self.caches {
                cache.pool.flush();
            }
            if self.weighed && !more {
                for segment in self.packs.take_wanted() {
                    self.request_segment(segment, Priority::Content);
                }
            }
            if !more && self.outstanding == 0 {
                let bytes = self.origin.fetcher.counters().bytes;
                self.progress.tell_all(self.session, bytes);
                return Ok(());
            }
            if !more && let Ok(message) = self.receiver.recv_timeout(TICK) {
                self.take(message)?;
            }
            while let Ok(message) = self.receiver.try_recv() {
                self.take(message)?;
            }
            for news in self.origin.content.take_news() {
                self.progress.notice(news);
            }
            let arrived = self.arrived_in_packs.swap(0, Ordering::Relaxed);
            self.done.content_objects += arrived;
            self.progress.advance(arrived);
            let bytes = self.origin.fetcher.counters().bytes;
            self.progress.tell(self.session, bytes);
        }
    }

    /// Finds out which content is left to be fetched, and whether there is room for it.
    fn weigh(&mut self) -> Result<(), PullError> {
        let here = self.session.weigh_content()?;
        self.progress.advance(here);
        self.weighed = true;
        let estimate = self.estimate_doubting()?;
        if estimate.objects_of_unknown_size == 0 {
            let come = self.origin.fetcher.counters().bytes;
            self.session.expect_download(come + estimate.download_bytes);
        }
        self.done.estimate = estimate;
        Ok(())
    }

    fn take(&mut self, message: Message) -> Result<(), PullError> {
        if let Message::Packed(PackedMetadata { name, bytes }) = message {
            self.done.metadata_objects += 1;
            self.progress.advance(1);
            return self.take_packed(name, &bytes);
        }
        self.outstanding -= 1;
        match message {
            Message::Packed(_) => {}
            Message::Segment(sink, result) => return self.end_segment(&sink, result),
            Message::Metadata(name, result) => {
                self.done.metadata_objects += 1;
                self.take_metadata(name, result)?;
            }
            Message::Content(id, Err(error))
                if self.config.packed_content && error.is_not_found() =>
            {
                return self.take_absent(id, error);
            }
            Message::Content(id, result) => {
                result.map_err(|error| object_error(id.into(), error))?;
                self.done.content_objects += 1;
            }
            Message::Cached(_, Ok(_)) => {
                self.done.cached_content_objects += 1;
            }
            Message::Cached(id, Err(error)) if is_of_cache(&error) => {
                let from = self.caches_passed.remove(&id).unwrap_or(0);
                if let Some(damaged) = self.cache_with(id, from)? {
                    self.caches_passed.insert(id, damaged + 1);
                    if self.import_cached(id, damaged + 1)? {
                        return Ok(());
                    }
                }
                return self.request_content(id);
            }
            Message::Cached(_, Err(error)) => return Err(error.into()),
        }
        self.progress.advance(1);
        Ok(())
    }

    /// Asks for trees and directories' metadata; whether there is more to ask for at once.
    fn start_metadata(&mut self) -> Result<bool, PullError> {
        for _ in 0..CHECKS_AT_ONCE {
            if self.outstanding >= METADATA_QUEUED {
                return Ok(false);
            }
            let Some(wanted) = self.session.plan.next_metadata() else {
                return Ok(false);
            };
            let (name, role) = match wanted {
                Wanted::Meta(id) => (ObjectName::from(id), Role::Meta),
                Wanted::Tree(id, want) => (ObjectName::from(id), Role::Tree(want)),
            };
            let present = match self.transaction.read_metadata_optional(&name)? {
                Some(bytes) => Some(bytes),
                None => self.cached_metadata(name)?,
            };
            match present {
                Some(bytes) => {
                    self.accept(name, &bytes, role)?;
                    self.progress.advance(1);
                }
                None => self.request_metadata(name, role),
            }
        }
        Ok(true)
    }

    fn cached_metadata(&mut self, name: ObjectName) -> Result<Option<Vec<u8>>, PullError> {
        for cache in &mut self.caches {
            if !cache.repo.has_object(&name)? {
                continue;
            }
            match cache.importer.import(name) {
                Ok(_) => {
                    self.done.cached_metadata_objects += 1;
                    return Ok(self.transaction.read_metadata_optional(&name)?);
                }
                Err(error) if is_of_cache(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Asks for content; whether there is more to ask for at once.
    fn start_content(&mut self) -> Result<bool, PullError> {
        let waits = self.session.options.dry_run || !self.packs.is_empty();
        if waits && !self.weighed {
            // What packs say of all content is weighed before any of it is asked for.
            return Ok(false);
        }
        for _ in 0..CHECKS_AT_ONCE {
            if self.outstanding >= CONTENT_QUEUED {
                return Ok(false);
            }
            let Some(id) = self.session.plan.next_content() else {
                return Ok(false);
            };
            let name = ObjectName::from(id);
            if !self.weighed && self.transaction.has(&name)? {
                self.progress.advance(1);
                continue;
            }
            if !self.import_cached(id, 0)? && !self.packs.want(name) {
                self.request_content(id)?;
            }
        }
        Ok(true)
    }

    /// The first cache that has the content, of those from number `from` on.
    pub(super) fn cache_with(&self, id: FileId, from: usize) -> Result<Option<usize>, StoreError> {
        for (number, cache) in self.caches.iter().enumerate().skip(from) {
            if cache.repo.has_object(&id.into())? {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// Has the content imported from that cache; false if there is none.
    fn import_cached(&mut self, id: FileId, from: usize) -> Result<bool, StoreError> {
        let Some(number) = self.cache_with(id, from)? else {
            return Ok(false);
        };
        self.caches[number].pool.import(id);
        self.outstanding += 1;
        Ok(true)
    }

    pub(super) fn request_metadata(&mut self, name: ObjectName, role: Role) {
        let roles = self.roles.entry(name).or_default();
        roles.push(role);
        if roles.len() > 1 || self.packs.brings(&name) {
            // It is on its way already.
            return;
        }
        self.request_metadata_object(name);
    }

    pub(super) fn request_metadata_object(&mut self, name: ObjectName) {
        self.outstanding += 1;
        // Signatures come from where the refs do, whatever serves the content.
        let mirrors = match name.kind {
            ObjectKind::CommitMeta => &self.origin.metadata,
            _ => &self.origin.content,
        };
        let cap_bytes = match name.kind {
            ObjectKind::Commit => self.session.commit_cap(name.checksum.into()),
            _ => MAX_METADATA_SIZE,
        };
        let mut request = Request::new(mirrors.clone(), object_path(name), cap_bytes);
        request.priority = Priority::Metadata;
        let sender = self.sender.clone();
        let sink = MetadataSink::new(Arc::clone(&self.shared), name);
        self.batch.submit(request, sink, move |sink, result| {
            let _ = sender.send(Message::Metadata(name, result.map(|_| sink)));
        });
    }

    pub(super) fn request_content(&mut self, id: FileId) -> Result<(), PullError> {
        let name = ObjectName::from(id);
        self.outstanding += 1;
        // The sink holds the body to the size that the object's header claims.
        let mut request = Request::new(self.origin.content.clone(), object_path(name), u64::MAX);
        request.size_hint_bytes = self.session.size_hint(id);
        let sender = self.sender.clone();
        let intake = self.transaction.intake();
        let keeper = match self.shared.keeps() {
            true => self.partials.keep(intake, name.to_string()),
            false => Keeper::off(intake),
        };
        request.resume = keeper.resume(self.origin.content.urls().count() > 1);
        let sink = ContentSink::new(Arc::clone(&self.shared), name, keeper);
        self.batch.submit(request, sink, move |sink, result| {
            // Before the message: when all have come, nothing is left that holds a file.
            drop(sink);
            let _ = sender.send(Message::Content(id, result.map(drop)));
        });
        Ok(())
    }

    fn take_metadata(
        &mut self,
        name: ObjectName,
        result: Result<MetadataSink, FetchError>,
    ) -> Result<(), PullError> {
        let roles = self.roles.remove(&name).unwrap_or_default();
        let bytes = match result {
            Ok(sink) => sink.into_bytes()?,
            Err(error) if error.is_not_found() => {
                for role in roles {
                    if !self.do_without(&role)? {
                        return Err(object_error(name, error));
                    }
                }
                return Ok(());
            }
            Err(error) => return Err(object_error(name, error)),
        };
        for role in roles {
            self.accept(name, &bytes, role)?;
        }
        Ok(())
    }

    /// Takes a metadata object whose checksum is right, here already or just come.
    pub(super) fn accept(
        &mut self,
        name: ObjectName,
        bytes: &[u8],
        role: Role,
    ) -> Result<(), PullError> {
        let malformed = |source: ObjectError| StoreError::Malformed { name, source };
        match role {
            Role::Meta => {
                DirMeta::parse(bytes).map_err(malformed)?;
                self.transaction.write_metadata_named(name, bytes)?;
            }
            Role::Tree(want) => {
                // Before writing: a listing with hostile names does not come in.
                let tree = DirTreeRef::parse(bytes).map_err(malformed)?;
                self.transaction.write_metadata_named(name, bytes)?;
                self.session.plan.add_entries(&tree, &want);
            }
            Role::Tombstone => {
                Metadata::parse(bytes).map_err(malformed)?;
                if !self.session.options.dry_run {
                    self.transaction.write_metadata_named(name, bytes)?;
                }
            }
            Role::Detached(id) => {
                let parsed = Metadata::parse(bytes);
                let detached = match parsed {
                    Ok(_) => Detached::Bytes(bytes.to_vec()),
                    Err(_) => Detached::Malformed(bytes.to_vec()),
                };
                if let Some(awaited) = self.awaited.get_mut(&id) {
                    awaited.detached = Some(detached);
                }
                self.accept_commit(id)?;
            }
            Role::Commit(id) => {
                if let Some(awaited) = self.awaited.get_mut(&id) {
                    awaited.bytes = Some(bytes.to_vec());
                }
                self.accept_commit(id)?;
            }
        }
        Ok(())
    }
}

pub(crate) fn object_path(name: ObjectName) -> String {
    format!("objects/{}", name.loose_path(StorageForm::Archive))
}

/// Finds the cause: a wrong object, a fault on this side, or the network.
pub(crate) fn object_error(name: ObjectName, error: FetchError) -> PullError {
    let FetchError {
        url,
        attempts,
        fault,
    } = error;
    let fault = match fault {
        FetchFault::Wrong(cause) => match cause.downcast::<StoreError>() {
            Ok(source) => {
                return PullError::Corrupted { url, source };
            }
            Err(cause) => FetchFault::Wrong(cause),
        },
        FetchFault::Sink(cause) => match cause.downcast::<StoreError>() {
            Ok(source) => return (*source).into(),
            Err(cause) => FetchFault::Sink(cause),
        },
        other => other,
    };
    PullError::FetchObject {
        name,
        source: FetchError {
            url,
            attempts,
            fault,
        },
    }
}
