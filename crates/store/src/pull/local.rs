//! Pulling from a repository on this machine.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ostler_format::{CommitId, DirTreeRef, ObjectKind, ObjectName, RefName, Summary};

use super::error::PullError;
use super::estimate::Estimate;
use super::import_pool::ImportPool;
use super::options::{PullOptions, PullTarget};
use super::plan::Wanted;
use super::session::{Destination, Presence, Session, Turn};
use super::targets::Targets;
use crate::error::StoreError;
use crate::object::{ImportOptions, Imported, Importer, Trust};
use crate::progress::{Event, Phase, Sink};
use crate::refs::RefKey;
use crate::repo::Repo;
use crate::sign::RemoteVerifier;
use crate::transaction::Transaction;

/// Finds out which commits of `source` are meant.
pub(crate) fn resolve(
    source: &Repo,
    options: &PullOptions,
    branches: &[String],
    destination: &Destination,
    verifier: &RemoteVerifier,
) -> Result<Targets, PullError> {
    let summary = verified_summary(source, verifier)?;
    let mut wanted = options.targets.clone();
    if wanted.is_empty() {
        for branch in branches {
            wanted.push(branch.parse()?);
        }
    }
    let mut targets = Targets::default();
    for target in &wanted {
        match target {
            PullTarget::Commit(id) => targets.add_commit(*id),
            PullTarget::RefAt(name, id) => targets.add_ref(destination, name, *id),
            PullTarget::Ref(name) => {
                let found = look_up(source, summary.as_ref(), name)?;
                let id = found.ok_or_else(|| StoreError::RefNotFound {
                    refspec: name.to_string(),
                })?;
                targets.add_ref(destination, name, id);
            }
        }
    }
    if wanted.is_empty()
        && let Some(summary) = &summary
    {
        for entry in &summary.refs {
            let name = RefName::new(entry.name.as_str()).map_err(StoreError::from)?;
            targets.add_ref(destination, &name, entry.commit);
        }
    } else if wanted.is_empty() {
        for (key, id) in source.list_refs(None)? {
            match &key {
                RefKey::Head(name) => targets.add_ref(destination, name, id),
                // Under which name would it be written?
                _ => return Err(PullError::ForeignRef { key }),
            }
        }
    }
    Ok(targets)
}

/// The commit that a ref of `source` points to, by its summary if that must be signed.
pub(crate) fn read_ref(
    source: &Repo,
    name: &RefName,
    verifier: &RemoteVerifier,
) -> Result<Option<CommitId>, PullError> {
    look_up(source, verified_summary(source, verifier)?.as_ref(), name)
}

fn look_up(
    source: &Repo,
    summary: Option<&Summary>,
    name: &RefName,
) -> Result<Option<CommitId>, PullError> {
    match summary {
        Some(summary) => Ok(summary.find(name.as_str()).map(|entry| entry.commit)),
        None => Ok(source.read_ref(&RefKey::Head(name.clone()))?),
    }
}

/// Reads the summary of `source` if it must be signed, and verifies that it is: what refs are is then its to say.
fn verified_summary(
    source: &Repo,
    verifier: &RemoteVerifier,
) -> Result<Option<Summary>, PullError> {
    if !verifier.asks_of_summaries() {
        return Ok(None);
    }
    let Some(bytes) = crate::summary::read_bytes(source)? else {
        verifier.no_summary()?;
        return Ok(None);
    };
    let signature = crate::sign::summary::read_bytes(source)?;
    verifier.summary(&bytes, signature.as_deref())?;
    let parsed = Summary::parse(&bytes).map_err(|source_error| PullError::Summary {
        remote: source.path().display().to_string(),
        source: source_error,
    })?;
    Ok(Some(parsed))
}

/// Imports what the session asks for from `source`.
pub(crate) fn fetch(
    session: &mut Session<'_>,
    source: &Repo,
    sink: &dyn Sink,
) -> Result<(), PullError> {
    let options = ImportOptions {
        trust: session.trust(),
        bare_user_only_files: session.options.bare_user_only_files,
    };
    let failure = Failure::default();
    let transaction = session.transaction;
    let on_import = |_, result| match result {
        Ok(imported) => sink.event(Event::Advance {
            phase: Phase::Pull,
            objects: 1,
            bytes: match imported {
                Imported::Written(bytes) => bytes,
                Imported::Present | Imported::Linked => 0,
            },
        }),
        Err(error) => failure.note(error),
    };
    let walked = thread::scope(|scope| {
        let pool = ImportPool::start(scope, transaction, source, options, &on_import)?;
        let importer = Importer::new(transaction, source, options)?;
        Walk {
            session,
            transaction,
            source,
            importer,
            pool,
            failure: &failure,
            sink,
        }
        .run()
    });
    // What a thread of the pool met comes first: the walk only ended because of it.
    failure.into_result()?;
    walked
}

/// Adds up what a pull from `source` would import; nothing is written.
pub(crate) fn estimate(session: &mut Session<'_>, source: &Repo) -> Result<Estimate, PullError> {
    let mut estimate = Estimate {
        free_bytes: session.transaction.free_bytes(),
        ..Estimate::default()
    };
    while let Some(turn) = session.next_commit() {
        let name = ObjectName::from(turn.id);
        let presence = session.presence(turn.id)?;
        let bytes = match presence {
            Presence::Absent => match source.read_metadata_optional(&name)? {
                Some(bytes) => bytes,
                None if !turn.requested => continue,
                None => return Err(StoreError::ObjectMissing { name }.into()),
            },
            Presence::Partial | Presence::Whole => session.read_commit(turn.id)?,
        };
        let detached = ObjectName::new(turn.id.checksum(), ObjectKind::CommitMeta);
        let detached = source.read_metadata_optional(&detached)?;
        session.accept_commit(turn, presence, &bytes, detached.as_deref(), || Ok(()))?;
        while let Some(wanted) = session.plan.next_metadata() {
            let (name, want) = match wanted {
                Wanted::Meta(id) => (ObjectName::from(id), None),
                Wanted::Tree(id, want) => (ObjectName::from(id), Some(want)),
            };
            let here = session.transaction.read_metadata_optional(&name)?;
            estimate.metadata_objects += u64::from(here.is_none());
            let Some(want) = want else {
                continue;
            };
            let bytes = match here {
                Some(bytes) => bytes,
                None => source.read_metadata(&name)?,
            };
            let tree = DirTreeRef::parse(&bytes)
                .map_err(|source| StoreError::Malformed { name, source })?;
            session.plan.add_entries(&tree, &want);
        }
    }
    session.weigh_content()?;
    for id in session.plan.wanted_content() {
        estimate.content_objects += 1;
        let size = source.open_file_object(id)?.size;
        estimate.written_bytes = estimate.written_bytes.saturating_add(size);
    }
    estimate.local_objects = estimate.content_objects;
    Ok(estimate)
}

/// The first failure of any thread.
#[derive(Default)]
struct Failure {
    noted: AtomicBool,
    first: Mutex<Option<StoreError>>,
}

impl Failure {
    fn note(&self, error: StoreError) {
        let mut first = self.first.lock().expect("no holder of the error panics");
        first.get_or_insert(error);
        self.noted.store(true, Ordering::Relaxed);
    }

    fn is_noted(&self) -> bool {
        self.noted.load(Ordering::Relaxed)
    }

    fn into_result(self) -> Result<(), StoreError> {
        let first = self.first.into_inner();
        first
            .expect("no holder of the error panics")
            .map_or(Ok(()), Err)
    }
}

/// The walk over commits and trees, on the calling thread.
struct Walk<'w, 'a, 'scope> {
    session: &'w mut Session<'a>,
    transaction: &'scope Transaction<'scope>,
    source: &'scope Repo,
    importer: Importer<'scope>,
    pool: ImportPool,
    failure: &'w Failure,
    sink: &'w dyn Sink,
}

impl Walk<'_, '_, '_> {
    fn run(mut self) -> Result<(), PullError> {
        // Of commits that came by deltas.
        self.tree()?;
        while let Some(turn) = self.session.next_commit() {
            self.commit(turn)?;
            self.tree()?;
            if self.failure.is_noted() {
                break;
            }
            self.sink.event(Event::Total {
                phase: Phase::Pull,
                objects: self.session.plan.named(),
                bytes: 0,
            });
        }
        Ok(())
    }

    fn commit(&mut self, turn: Turn) -> Result<(), PullError> {
        let name = ObjectName::from(turn.id);
        let presence = self.session.presence(turn.id)?;
        let bytes = match presence {
            Presence::Absent => match self.source.read_metadata_optional(&name)? {
                Some(bytes) => bytes,
                // The source's own history ends here.
                None if !turn.requested => return Ok(()),
                None => return Err(StoreError::ObjectMissing { name }.into()),
            },
            Presence::Partial | Presence::Whole => self.session.read_commit(turn.id)?,
        };
        let detached = ObjectName::new(turn.id.checksum(), ObjectKind::CommitMeta);
        let detached = self.source.read_metadata_optional(&detached)?;
        let detached = detached.as_deref();
        let (importer, transaction) = (&mut self.importer, self.transaction);
        let trust = self.session.trust();
        self.session
            .accept_commit(turn, presence, &bytes, detached, || match trust {
                // What was checked is what is written: the source may change between two looks.
                Trust::Verify => transaction.write_metadata_expected(name, &bytes),
                Trust::Trusted => importer.import(name).map(drop),
            })?;
        // After the commit was accepted: what is believed already is not replaced by what is not.
        match (trust, detached) {
            (Trust::Verify, Some(detached)) => {
                transaction.write_detached_metadata_bytes(turn.id, detached)?;
            }
            (Trust::Verify, None) => {}
            (Trust::Trusted, _) => {
                self.importer.import_detached_metadata(turn.id)?;
            }
        }
        Ok(())
    }

    fn tree(&mut self) -> Result<(), PullError> {
        while let Some(wanted) = self.session.plan.next_metadata() {
            match wanted {
                Wanted::Meta(id) => {
                    self.importer.import(id.into())?;
                }
                Wanted::Tree(id, want) => {
                    let name = ObjectName::from(id);
                    let bytes = self.read_tree(name)?;
                    let tree = DirTreeRef::parse(&bytes)
                        .map_err(|source| StoreError::Malformed { name, source })?;
                    // After parsing: a listing with hostile names does not come in.
                    self.importer.import(name)?;
                    self.session.plan.add_entries(&tree, &want);
                }
            }
            self.advance();
            while let Some(id) = self.session.plan.next_content() {
                self.pool.import(id);
            }
            if self.failure.is_noted() {
                break;
            }
        }
        Ok(())
    }

    fn read_tree(&self, name: ObjectName) -> Result<Vec<u8>, StoreError> {
        match self.transaction.read_metadata_optional(&name)? {
            Some(bytes) => Ok(bytes),
            None => self.source.read_metadata(&name),
        }
    }

    fn advance(&self) {
        self.sink.event(Event::Advance {
            phase: Phase::Pull,
            objects: 1,
            bytes: 0,
        });
    }
}

/// Whether the source has the commit only in part, which explains a missing object.
pub(crate) fn explain(error: PullError, source: &Repo, commits: &[CommitId]) -> PullError {
    if !matches!(error, PullError::Store(StoreError::ObjectMissing { .. })) {
        return error;
    }
    let partial = commits
        .iter()
        .find(|id| source.is_partial(**id).unwrap_or(false));
    match partial {
        Some(id) => PullError::SourcePartial { commit: *id },
        None => error,
    }
}
