//! The summary: the list of a repository's refs that a server publishes and a client reads first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ostler_format::delta::{DELTAS_KEY, DeltaName};
use ostler_format::{
    Checksum, CollectionId, Commit, CommitId, DirMeta, DirTree, KeyFile, Metadata, ObjectKind,
    ObjectName, RefName, S_IFDIR, Summary, SummaryRef, Value, Xattrs, collection_map_to_value,
};
use ostler_fs::lock::{FileLock, LockMode, Timeout};

use crate::bindings::{COLLECTION_BINDING, REF_BINDING};
use crate::collections::RemoteRefs;
use crate::config::ConfigError;
use crate::error::StoreError;
use crate::refs::RefKey;
use crate::repo::Repo;
use crate::sign::{self, SignError, Signer};
use crate::transaction::TransactionOptions;

/// The ref of a collection whose commits have no files: their metadata is what the summary says of the repository, for those
/// who get the collection's refs from somewhere else.
pub const METADATA_REF: &str = "ostree-metadata";

/// The largest summary that is read.
pub const MAX_SUMMARY_SIZE: u64 = ostler_format::MAX_METADATA_SIZE;

/// Lists the local refs (and those of mirrored collections) and replaces `summary` with it, unsigned.
///
/// `extra` is added to the summary's own keys. The indexes of static deltas are written first, and from then on the
/// repository's `config` says that they are kept up, so that clients look for deltas there. A signature of the old summary is removed first: a client must never
/// see a summary with the signature of another.
///
/// # Errors
/// [`StoreError::ObjectMissing`] if a ref points to a commit that is not here; the old summary stays then.
pub fn regenerate(repo: &Repo, extra: &Metadata) -> Result<Summary, StoreError> {
    let _turn = take_turn(repo)?;
    let summary = prepare(repo, extra)?;
    repo.dir().unlink_optional(sign::summary::SIGNATURE_FILE)?;
    repo.replace_file(
        repo.dir(),
        "summary",
        &summary.to_bytes()?,
        repo.durability(),
    )?;
    Ok(summary)
}

/// As [`regenerate`], with a signature by each signer; a client that verifies sees the old summary or the new one, each
/// with a signature that fits.
///
/// # Errors
/// [`SignError`]; the old summary and its signatures stay then.
pub fn regenerate_signed(
    repo: &Repo,
    extra: &Metadata,
    signers: &[Arc<dyn Signer>],
) -> Result<Summary, SignError> {
    let _turn = take_turn(repo)?;
    let summary = prepare(repo, extra)?;
    let bytes = summary.to_bytes().map_err(StoreError::from)?;
    let signers = signers.iter().map(AsRef::as_ref);
    sign::summary::replace(repo, &bytes, signers)?;
    Ok(summary)
}

/// One process at a time lists the refs and replaces the summary with its signature, so that the last one has seen the refs of
/// all before it. It is not the repository's lock: who writes a transaction holds that shared, and would wait for another such.
fn take_turn(repo: &Repo) -> Result<FileLock, StoreError> {
    let file = repo.dir().open_or_create_file(".summary-lock", 0o660)?;
    Ok(FileLock::acquire(
        file,
        LockMode::Exclusive,
        Timeout::Never,
    )?)
}

/// Lists the refs, and brings what a client looks up beside the summary up to date.
fn prepare(repo: &Repo, extra: &Metadata) -> Result<Summary, StoreError> {
    let deltas = crate::delta::list(repo)?;
    let summary = build(repo, extra, &deltas, SystemTime::now())?;
    crate::delta::reindex_known(repo, &deltas)?;
    promise_indexes(repo)?;
    Ok(summary)
}

/// Reads `summary`; `None` if there is none.
///
/// # Errors
/// [`StoreError::Fs`]; parsing is the caller's, who may want the raw bytes.
pub fn read_bytes(repo: &Repo) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(repo.dir().read_optional("summary", MAX_SUMMARY_SIZE)?)
}

/// Commits `extra` to [`METADATA_REF`], bound to the repository's collection; nothing is done where it has none.
///
/// # Errors
/// [`SignError`]; the ref stays as it was then.
pub fn commit_metadata(
    repo: &Repo,
    extra: &Metadata,
    signers: &[Arc<dyn Signer>],
) -> Result<Option<CommitId>, SignError> {
    let Some(collection) = &repo.config().collection_id else {
        return Ok(None);
    };
    let key = RefKey::Head(RefName::new(METADATA_REF).map_err(StoreError::from)?);
    let mut metadata = extra.clone();
    metadata.push(REF_BINDING, Value::strings([METADATA_REF]));
    metadata.push(COLLECTION_BINDING, collection.as_str());
    let dirmeta = DirMeta {
        uid: 0,
        gid: 0,
        mode: S_IFDIR | 0o755,
        xattrs: Xattrs::new(),
    };
    let transaction = repo.begin(TransactionOptions::default())?;
    let tree = DirTree::default().to_bytes().map_err(StoreError::from)?;
    let tree = transaction.write_metadata(ObjectKind::DirTree, &tree)?;
    let meta = dirmeta.to_bytes().map_err(StoreError::from)?;
    let meta = transaction.write_metadata(ObjectKind::DirMeta, &meta)?;
    let commit = Commit {
        metadata: metadata.into_hash_order(),
        parent: repo.read_ref(&key)?,
        related: Vec::new(),
        subject: String::new(),
        body: String::new(),
        timestamp: seconds(SystemTime::now()),
        tree: tree.into(),
        meta: meta.into(),
    };
    let bytes = commit.to_bytes().map_err(StoreError::from)?;
    let mut signatures = Metadata::new();
    sign::commit::add(&bytes, &mut signatures, signers.iter().map(AsRef::as_ref))?;
    let id = transaction.write_commit(&commit)?;
    if !signatures.is_empty() {
        transaction.write_detached_metadata(id, &signatures)?;
    }
    transaction.set_ref(key, Some(id));
    transaction.commit()?;
    Ok(Some(id))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// Sets `core.indexed-deltas`.
fn promise_indexes(repo: &Repo) -> Result<(), StoreError> {
    // Read anew: another process may have added a remote since the repository was opened.
    let text = repo.dir().read("config", KeyFile::MAX_BYTES as u64)?;
    let mut file = KeyFile::parse(&text).map_err(ConfigError::from)?;
    let set = file
        .boolean("core", "indexed-deltas")
        .map_err(ConfigError::from)?;
    if set != Some(true) {
        file.set_boolean("core", "indexed-deltas", true)
            .map_err(ConfigError::from)?;
        repo.replace_file(repo.dir(), "config", &file.to_bytes(), repo.durability())?;
    }
    Ok(())
}

fn build(
    repo: &Repo,
    extra: &Metadata,
    deltas: &BTreeMap<DeltaName, Checksum>,
    now: SystemTime,
) -> Result<Summary, StoreError> {
    let mut refs = Vec::new();
    for (key, id) in repo.list_refs(None)? {
        if let RefKey::Head(name) = key {
            refs.push(summary_ref(repo, name.as_str(), id)?);
        }
    }
    let config = repo.config();
    let seconds = seconds(now);
    let mut metadata = extra.clone();
    let without_deltas = config
        .file()
        .boolean("core", "no-deltas-in-summary")
        .map_err(ConfigError::from)?;
    if !deltas.is_empty() && without_deltas != Some(true) {
        let deltas = deltas
            .iter()
            .map(|(entry, superblock)| (*entry, *superblock));
        metadata.insert(DELTAS_KEY, crate::delta::to_value(deltas));
    }
    metadata.insert(
        "ostree.summary.last-modified",
        Value::from(seconds.swap_bytes()),
    );
    metadata.insert("ostree.summary.mode", Value::from(repo.mode().as_config()));
    metadata.insert(
        "ostree.summary.tombstone-commits",
        Value::from(config.tombstone_commits),
    );
    metadata.insert("ostree.summary.indexed-deltas", Value::from(true));
    if let Some(id) = &config.collection_id {
        metadata.insert("ostree.summary.collection-id", Value::from(id.as_str()));
    }
    if let Some(map) = collection_map(repo)? {
        metadata.insert("ostree.summary.collection-map", map);
    }
    Ok(Summary {
        refs,
        metadata: metadata.into_hash_order(),
    })
}

/// The refs of other collections than the repository's own, by collection; `None` if there are none.
fn collection_map(repo: &Repo) -> Result<Option<Value>, StoreError> {
    let mut by_collection: BTreeMap<CollectionId, Vec<SummaryRef>> = BTreeMap::new();
    for (named, target) in repo.list_collection_refs(RemoteRefs::Included)? {
        if Some(&named.collection) != repo.config().collection_id.as_ref() {
            let entry = summary_ref(repo, named.name.as_str(), target.commit)?;
            by_collection
                .entry(named.collection)
                .or_default()
                .push(entry);
        }
    }
    if by_collection.is_empty() {
        return Ok(None);
    }
    let entries = by_collection.iter();
    Ok(Some(collection_map_to_value(entries.map(
        |(collection, refs)| (collection.as_str(), refs.as_slice()),
    ))))
}

fn summary_ref(repo: &Repo, name: &str, id: CommitId) -> Result<SummaryRef, StoreError> {
    let object = ObjectName::new(id.checksum(), ObjectKind::Commit);
    let bytes = repo.read_metadata(&object)?;
    let commit = ostler_format::Commit::parse(&bytes).map_err(|source| StoreError::Malformed {
        name: object,
        source,
    })?;
    let mut metadata = Metadata::default();
    if let Some(version) = commit.metadata.get_str("version") {
        metadata.insert("ostree.commit.version", Value::from(version));
    }
    metadata.insert(
        "ostree.commit.timestamp",
        Value::from(commit.timestamp.swap_bytes()),
    );
    Ok(SummaryRef {
        name: name.to_owned(),
        commit_size: bytes.len() as u64,
        commit: id,
        metadata,
    })
}
