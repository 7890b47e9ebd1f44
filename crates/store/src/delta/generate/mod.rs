//! Making a static delta.
//!
//! ```text
//! plan      which objects the new commit has and the old one lacks, and which old file each new one is like
//! encode    each such file: whole, pieces of the old one, or a patch                       on all processors
//! parts     objects laid into parts of some MiB, each a payload, compressed                on all processors
//! write     parts first, the superblock last, the folder in one step
//! ```
//! The same commits and options give the same parts, however many processors there are. Memory is held to a budget: what does
//! not fit into it is done in a cheaper way.

pub(super) mod bsdiff;
mod budget;
mod copies;
mod encode;
mod parts;
pub(super) mod plan;
mod write;

use ostler_format::delta::{ByteOrder, DeltaName, ENDIANNESS_KEY, Fallback, Superblock};
use ostler_format::{CommitId, Metadata, ObjectKind, ObjectName, StorageForm, Value};
use ostler_fs::Trusted;

use super::DeltaError;
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::parallel::for_all;
use crate::progress::{Event, Phase, Sink};
use crate::repo::Repo;
use crate::sign::Signer;
use budget::Budget;
use parts::{FinishedPart, Item, Laid, PartMaker, Patches, Planned, lay, part_memory, weight};
use plan::{NewFile, Wanted, plan};
pub use write::Placement;
pub(super) use write::folder_and_name;

/// Parts are made smaller than asked for if there are fewer than this, so that several processors have work; the number is fixed,
/// because the parts must not depend on the machine.
const FAIR_PARTS: u64 = 4;
/// But they are not made smaller than this.
const MIN_CHUNK: u64 = 8 << 20;

/// How a delta is made.
pub struct GenerateOptions {
    /// Whether patches are made.
    pub bsdiff: bool,
    /// The largest file that is patched, in bytes.
    pub max_bsdiff_bytes: u64,
    /// The smallest file without a likeness that is left to be fetched by itself, in bytes; `None` leaves none.
    pub min_fallback_bytes: Option<u64>,
    /// The bytes of objects after which a part is closed.
    pub max_chunk_bytes: u64,
    /// Whether parts lie in the superblock.
    pub inline: bool,
    /// The order of bytes of the sizes.
    pub byte_order: ByteOrder,
    /// Memory that is used at most, in bytes, beside what lists of objects take.
    pub memory_bytes: u64,
    /// Seconds since 1970-01-01 UTC.
    pub timestamp: u64,
    /// Who signs the superblock.
    pub signers: Vec<Box<dyn Signer>>,
    /// Where the files go.
    pub placement: Placement,
}

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Generated {
    /// Metadata objects in the parts.
    pub metadata: u64,
    /// Content objects in the parts.
    pub files: u64,
    /// Files with a likeness in the old commit.
    pub modified: u64,
    /// Files made of pieces of old ones.
    pub from_pieces: u64,
    /// Bytes of those pieces.
    pub piece_bytes: u64,
    /// Files made by patches.
    pub patched: u64,
    /// Objects that are fetched by themselves.
    pub fallbacks: u64,
    /// Bytes of those to download.
    pub fallback_bytes: u64,
    /// How many parts there are.
    pub parts: u64,
    /// Bytes of the parts.
    pub compressed_bytes: u64,
    /// Bytes of the objects in the parts.
    pub uncompressed_bytes: u64,
}

/// Makes the delta to `to`, from `from` or from nothing.
///
/// # Errors
/// [`DeltaError::Store`] if a commit is not whole; what was there before of that name stays then.
pub fn generate(
    repo: &Repo,
    from: Option<CommitId>,
    to: CommitId,
    options: &GenerateOptions,
    sink: &dyn Sink,
) -> Result<Generated, DeltaError> {
    let _lock = repo.lock_shared()?;
    let tmp = repo.dir().create_dir_all("tmp", 0o775);
    let tmp = tmp.map_err(StoreError::from)?;
    let wanted = plan(repo, from, to)?;
    let phase = Phase::Delta;
    let bytes = wanted.files.iter().map(|file| file.size).sum();
    sink.event(Event::Begin {
        phase,
        objects: Some((wanted.metadata.len() + wanted.files.len()) as u64),
        bytes: Some(bytes),
    });
    let budget = Budget::new(options.memory_bytes);
    let patches = Patches::new(&tmp)?;
    let planned = encode_all(repo, &wanted, options, (&budget, &patches), sink)?;
    let (fallbacks, planned) = choose_fallbacks(repo, &wanted, planned, options)?;
    let laid = lay_all(repo, &wanted, &planned, options)?;
    let maker = PartMaker {
        repo,
        files: &wanted.files,
        planned: &planned,
        patches: &patches,
        tmp: &tmp,
    };
    let parts = make_all(&maker, &laid, &budget)?;
    let generated = count(&wanted, &planned, &parts, &fallbacks);
    let superblock = head(repo, DeltaName { from, to }, options, &parts, fallbacks)?;
    write::write(repo, superblock, &parts, options)?;
    sink.event(Event::End { phase });
    Ok(generated)
}

/// How each file is made; large ones are begun first.
fn encode_all(
    repo: &Repo,
    wanted: &Wanted,
    options: &GenerateOptions,
    (budget, patches): (&Budget, &Patches),
    sink: &dyn Sink,
) -> Result<Vec<Planned>, StoreError> {
    let mut order: Vec<usize> = (0..wanted.files.len()).collect();
    order.sort_by_key(|number| std::cmp::Reverse(wanted.files[*number].size));
    let encoded = for_all(order.len(), |index| {
        let file = &wanted.files[order[index]];
        let encoding = encode::encode(repo, file, options, budget)?;
        sink.event(Event::Advance {
            phase: Phase::Delta,
            objects: 1,
            bytes: file.size,
        });
        patches.store(encoding)
    })?;
    let mut numbered: Vec<_> = order.into_iter().zip(encoded).collect();
    numbered.sort_by_key(|(number, _)| *number);
    Ok(numbered.into_iter().map(|(_, planned)| planned).collect())
}

/// Large files without a likeness are fetched by themselves: `None` in the plan.
fn choose_fallbacks(
    repo: &Repo,
    wanted: &Wanted,
    planned: Vec<Planned>,
    options: &GenerateOptions,
) -> Result<(Vec<Fallback>, Vec<Option<Planned>>), DeltaError> {
    let mut fallbacks = Vec::new();
    let mut kept = Vec::with_capacity(planned.len());
    for (file, planned) in wanted.files.iter().zip(planned) {
        let is_whole = matches!(planned, Planned::Whole) && !file.is_symlink;
        let is_large = options
            .min_fallback_bytes
            .is_some_and(|min| file.size > min);
        // Only an archive's objects can be fetched.
        if is_whole
            && is_large
            && repo.mode() == RepoMode::Archive
            && let Some(fallback) = fallback(repo, file)?
        {
            fallbacks.push(fallback);
            kept.push(None);
            continue;
        }
        if is_whole && file.size.saturating_mul(3) > options.memory_bytes {
            return Err(DeltaError::Memory {
                object: file.id.into(),
                size: file.size,
            });
        }
        kept.push(Some(planned));
    }
    Ok((fallbacks, kept))
}

/// An object that clients are to fetch by itself; `None` of one that only packs have.
fn fallback(repo: &Repo, file: &NewFile) -> Result<Option<Fallback>, StoreError> {
    let object = ObjectName::from(file.id);
    let path = object.loose_path(StorageForm::Archive);
    for repo in repo.chain() {
        if let Some(stat) = repo.objects().metadata_optional(Trusted(&path))? {
            return Ok(Some(Fallback {
                object,
                compressed_size: stat.size,
                uncompressed_size: file.size,
            }));
        }
    }
    Ok(None)
}

fn lay_all(
    repo: &Repo,
    wanted: &Wanted,
    planned: &[Option<Planned>],
    options: &GenerateOptions,
) -> Result<Vec<Laid>, StoreError> {
    let mut items = Vec::new();
    for name in &wanted.metadata {
        let bytes = repo.read_metadata(name)?.len() as u64;
        items.push((Item::Metadata(*name), bytes));
    }
    for (number, file) in wanted.files.iter().enumerate() {
        if let Some(planned) = &planned[number] {
            items.push((Item::File(number), weight(file, planned)));
        }
    }
    let total: u64 = items.iter().map(|(_, bytes)| bytes).sum();
    let fair = total.div_ceil(FAIR_PARTS).max(MIN_CHUNK);
    Ok(lay(items, fair.min(options.max_chunk_bytes)))
}

fn make_all(
    maker: &PartMaker<'_>,
    laid: &[Laid],
    budget: &Budget,
) -> Result<Vec<FinishedPart>, StoreError> {
    for_all(laid.len(), |number| {
        let part = &laid[number];
        let _share = budget.take(part_memory(part.bytes));
        maker.make(&part.items)
    })
}

fn head(
    repo: &Repo,
    name: DeltaName,
    options: &GenerateOptions,
    parts: &[FinishedPart],
    fallbacks: Vec<Fallback>,
) -> Result<Superblock, DeltaError> {
    let mut metadata = Metadata::new();
    metadata.push(ENDIANNESS_KEY, Value::Byte(options.byte_order.mark()));
    if let Some(detached) = repo.read_detached_metadata(name.to)? {
        metadata.push(name.detached_metadata_key(), detached.to_value());
    }
    let commit = repo.read_metadata(&ObjectName::new(name.to.checksum(), ObjectKind::Commit))?;
    Ok(Superblock {
        metadata,
        timestamp: options.timestamp,
        name,
        commit,
        prerequisites: Vec::new(),
        parts: parts.iter().map(|part| part.head.clone()).collect(),
        fallbacks,
        byte_order: options.byte_order,
    })
}

fn count(
    wanted: &Wanted,
    planned: &[Option<Planned>],
    parts: &[FinishedPart],
    fallbacks: &[Fallback],
) -> Generated {
    let mut generated = Generated {
        metadata: wanted.metadata.len() as u64,
        modified: wanted.modified as u64,
        fallbacks: fallbacks.len() as u64,
        parts: parts.len() as u64,
        ..Generated::default()
    };
    generated.fallback_bytes = fallbacks.iter().map(|item| item.compressed_size).sum();
    for planned in planned.iter().flatten() {
        generated.files += 1;
        match planned {
            Planned::Pieces(pieces) => {
                generated.from_pieces += 1;
                let bytes: usize = pieces.iter().map(|piece| piece.length).sum();
                generated.piece_bytes += bytes as u64;
            }
            Planned::Patch(_) | Planned::Stored(..) => generated.patched += 1,
            Planned::Whole => {}
        }
    }
    for part in parts {
        generated.compressed_bytes += part.head.compressed_size;
        generated.uncompressed_bytes += part.head.uncompressed_size;
    }
    generated
}
