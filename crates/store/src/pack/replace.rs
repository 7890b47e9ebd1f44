//! Leaving content out of `objects/` that packs have, and putting it back.
//!
//! ```text
//! packs verified and synced -> config: packed-content=true -> packs/content.index -> objects/…filez deleted, one after the other
//! objects/…filez verified and synced -> packs/content.index gone -> config: packed-content=false
//! ```
//! Whenever that ends, each object is in `objects/`, or in a pack that the index names, or in both.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use ostler_format::pack::{MAX_PACK_INDEX_SIZE, Pack, PackGroup, PackIndex};
use ostler_format::{CommitId, ObjectKind, ObjectName};
use ostler_fs::{Durability, Trusted};

use super::catalog::{self, FOLDER};
use super::contents::merge;
use super::left_out::Places;
use super::verify::{PackProblem, verify_members};
use super::write::assemble;
use crate::delta::{self, DeltaFiles};
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::object::{ImportOptions, Importer, Trust};
use crate::repo::Repo;
use crate::transaction::TransactionOptions;

const KEY: &str = "packed-content";

/// Groups by their places in packs.
type Groups = BTreeMap<(Pack, u64), PackGroup>;

/// What was left out, or put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Replaced {
    /// Files in `objects/`.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Deletes the files in `objects/` of the commit's content that packs have. Where packs had it before, other packs of the commit's index take its place.
///
/// Before the first is deleted, its bytes in the pack have been read and have its checksum, and the pack is durable. What a static delta tells
/// clients to fetch by itself stays.
///
/// # Errors
/// [`PackProblem`]; nothing is deleted if a pack is damaged.
pub fn replace_objects(repo: &mut Repo, commit: CommitId) -> Result<Replaced, PackProblem> {
    if repo.mode() != RepoMode::Archive {
        return Err(PackProblem::NoArchive { mode: repo.mode() });
    }
    let index = catalog::read(repo, commit)?.ok_or(PackProblem::NoIndex { commit })?;
    let fallbacks = fallbacks(repo)?;
    let is_kept = |name: &ObjectName| name.kind != ObjectKind::File || fallbacks.contains(name);
    let wanted = content_of(index, is_kept);
    let known = repo.left_out()?;
    let is_known = |key: &(Pack, u64), name: &ObjectName| {
        let known = known.as_deref().and_then(|known| known.place_of(name));
        known.is_some_and(|(pack, offset)| (pack, offset) == *key)
    };
    verify_members(repo, &wanted, is_known)?;
    let _lock = repo.lock_exclusive()?;
    for (pack, _) in wanted.keys() {
        // Somebody may have pruned before the lock was to be had.
        if !catalog::has(repo, pack)? {
            return Err(PackProblem::Absent { pack: *pack });
        }
    }
    let names: HashSet<ObjectName> = wanted.values().flat_map(named).collect();
    let mut groups = repo
        .left_out()?
        .map(|places| content_of(places.index().clone(), |name| names.contains(name)))
        .unwrap_or_default();
    for ((pack, _), group) in wanted {
        merge(&mut groups, pack, group);
    }
    sync_packs(repo)?;
    write_index(repo, groups)?;
    delete(repo, names)
}

/// A pack that was made without syncing is not durable yet.
fn sync_packs(repo: &Repo) -> Result<(), StoreError> {
    if let Some(folder) = repo.dir().open_dir_beneath_optional(FOLDER)? {
        folder.sync_file_system()?;
    }
    Ok(())
}

/// Puts all content into `objects/` that only packs have. The packs stay.
///
/// # Errors
/// [`StoreError::Damaged`] and [`StoreError::ChecksumMismatch`] for content that its pack does not give; [`StoreError::MinFreeSpace`]. Nothing is
/// forgotten then.
pub fn restore_objects(repo: &mut Repo) -> Result<Replaced, StoreError> {
    let mut replaced = Replaced::default();
    loop {
        if let Some(places) = repo.left_out()? {
            restore(repo, &places, &mut replaced)?;
        }
        let lock = repo.lock_exclusive()?;
        let Some(places) = repo.left_out()? else {
            set_key(repo, false)?;
            return Ok(replaced);
        };
        // More may have been left out until the lock was to be had.
        if loose_missing(repo, &places)?.is_empty() {
            repo.dir()
                .unlink_optional(Trusted(PackIndex::CONTENT_PATH))?;
        }
        drop(lock);
    }
}

fn restore(repo: &Repo, places: &Places, replaced: &mut Replaced) -> Result<(), StoreError> {
    let names = loose_missing(repo, places)?;
    let transaction = repo.begin(TransactionOptions {
        // What is forgotten afterwards must be there.
        fsync: Some(true),
        ..TransactionOptions::default()
    })?;
    let options = ImportOptions {
        trust: Trust::Verify,
        ..ImportOptions::default()
    };
    let mut staged = BTreeSet::new();
    {
        let mut importer = Importer::new(&transaction, repo, options)?;
        for name in names {
            importer.stage_copy(name)?;
            replaced.objects += 1;
            replaced.bytes += transaction.stored_bytes(&name)?;
            staged.insert(name);
        }
    }
    transaction.commit_replacing(&staged)
}

/// What has no file in `objects/`, in the order of the packs.
fn loose_missing(repo: &Repo, places: &Places) -> Result<Vec<ObjectName>, StoreError> {
    let mut missing = Vec::new();
    for name in places.index().groups.iter().flat_map(named) {
        if !repo.has_loose_object(&name)? {
            missing.push(name);
        }
    }
    Ok(missing)
}

fn named(group: &PackGroup) -> impl Iterator<Item = ObjectName> + use<'_> {
    group.members.iter().filter_map(|member| member.name)
}

/// The groups that have content, by their places; the names of what is passed over are gone.
fn content_of(index: PackIndex, is_passed_over: impl Fn(&ObjectName) -> bool) -> Groups {
    let mut groups = BTreeMap::new();
    for mut group in index.groups {
        for member in &mut group.members {
            member.name = member.name.filter(|name| !is_passed_over(name));
        }
        if named(&group).next().is_some() {
            groups.insert((index.packs[group.pack], group.offset), group);
        }
    }
    groups
}

/// What static deltas tell clients to fetch by itself.
fn fallbacks(repo: &Repo) -> Result<HashSet<ObjectName>, StoreError> {
    let mut names = HashSet::new();
    for name in delta::list(repo)?.into_keys() {
        // One that cannot be read is of no use to clients either.
        if let Ok(files) = DeltaFiles::of_repo(repo, &name) {
            names.extend(files.superblock.fallbacks.iter().map(|item| item.object));
        }
    }
    Ok(names)
}

fn write_index(repo: &mut Repo, groups: Groups) -> Result<(), PackProblem> {
    let groups = groups.into_iter().map(|((pack, _), group)| (pack, group));
    let bytes = assemble(groups.collect()).to_bytes();
    if bytes.len() as u64 > MAX_PACK_INDEX_SIZE {
        return Err(PackProblem::TooMuch);
    }
    // Clients look for the index where this says that there is one.
    set_key(repo, true)?;
    replace_index(repo, &bytes)?;
    Ok(())
}

fn replace_index(repo: &Repo, bytes: &[u8]) -> Result<(), StoreError> {
    let (folder, name) = PackIndex::CONTENT_PATH
        .rsplit_once('/')
        .expect("it lies in a folder");
    let folder = repo.dir().create_dir_all(folder, 0o775)?;
    repo.replace_file(&folder, name, bytes, Durability::Synced)
}

fn set_key(repo: &mut Repo, value: bool) -> Result<(), StoreError> {
    if repo.config().packed_content == value {
        return Ok(());
    }
    repo.change_config(|file| file.set_boolean("ostler", KEY, value))
}

fn delete(repo: &Repo, names: HashSet<ObjectName>) -> Result<Replaced, PackProblem> {
    let mut replaced = Replaced::default();
    let mut paths: Vec<String> = names
        .iter()
        .map(|name| name.loose_path(repo.mode().storage_form()))
        .collect();
    paths.sort_unstable();
    for path in &paths {
        let objects = repo.objects();
        let stat = objects.metadata_optional(Trusted(path));
        let Some(stat) = stat.map_err(StoreError::from)? else {
            continue;
        };
        objects
            .unlink_optional(Trusted(path))
            .map_err(StoreError::from)?;
        replaced.objects += 1;
        replaced.bytes += stat.size;
    }
    Ok(replaced)
}

/// Forgets the places of content that `keep` does not name; returns how much there was that is not in `objects/`, and how much of that is
/// forgotten (or would be, in a dry run). The caller holds the exclusive lock.
pub(crate) fn forget(
    repo: &Repo,
    dry_run: bool,
    keep: impl Fn(&ObjectName) -> bool,
) -> Result<(u64, u64), StoreError> {
    let Some(places) = repo.left_out()? else {
        return Ok((0, 0));
    };
    let (mut total, mut gone) = (0, 0);
    for name in loose_missing(repo, &places)? {
        total += 1;
        gone += u64::from(!keep(&name));
    }
    let stays = |name: &ObjectName| keep(name);
    let is_same = places
        .index()
        .groups
        .iter()
        .flat_map(named)
        .all(|name| stays(&name));
    if !(dry_run || is_same) {
        let groups = content_of(places.index().clone(), |name| !stays(name));
        let groups = groups.into_iter().map(|((pack, _), group)| (pack, group));
        replace_index(repo, &assemble(groups.collect()).to_bytes())?;
    }
    Ok((total, gone))
}
