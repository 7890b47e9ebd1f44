//! What a part of a delta has inside.

use ostler_format::delta::{Operation, parse_owners};

use super::apply::{Payload, Room, Steps};
use super::{DeltaError, DeltaFiles};
use crate::error::StoreError;
use crate::repo::Repo;

/// Numbers of a part's tables and operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PartStats {
    /// Entries in the table of owners and modes.
    pub owners: u64,
    /// Entries in the table of xattrs.
    pub xattrs: u64,
    /// Bytes of data.
    pub data_bytes: u64,
    /// Bytes of operations.
    pub operation_bytes: u64,
    /// Objects written whole.
    pub splices: u64,
    /// Files opened.
    pub opens: u64,
    /// Pieces appended.
    pub writes: u64,
    /// Sources set.
    pub set_sources: u64,
    /// Sources unset.
    pub unset_sources: u64,
    /// Files closed.
    pub closes: u64,
    /// Patches applied.
    pub patches: u64,
}

/// Unpacks a part and counts what it has; nothing is applied.
///
/// # Errors
/// [`DeltaError`] if its file is absent or damaged.
pub fn part_stats(repo: &Repo, files: &DeltaFiles, number: usize) -> Result<PartStats, DeltaError> {
    let head = &files.superblock.parts[number];
    let tmp = repo.dir().create_dir_all("tmp", 0o775);
    let tmp = tmp.map_err(StoreError::from)?;
    let payload = Payload::unpack(Room::Folder(&tmp), number, head, &mut files.part(number)?)?;
    let bad = |problem: String| DeltaError::Part {
        part: number,
        problem,
    };
    let layout = &payload.layout;
    let owners = payload.table(&layout.owners);
    let owners = owners.map_err(|error| StoreError::io("reading a delta", error))?;
    let owners = parse_owners(&owners).map_err(|error| bad(error.to_string()))?;
    let mut stats = PartStats {
        owners: owners.len() as u64,
        xattrs: payload.xattrs_table(number)?.len() as u64,
        data_bytes: layout.data.end - layout.data.start,
        operation_bytes: layout.operations.end - layout.operations.start,
        ..PartStats::default()
    };
    let mut steps = Steps::new(&payload, number, &head.objects);
    while let Some((operation, _)) = steps.next()? {
        let count = match operation {
            Operation::WriteMetadata { .. } | Operation::WriteFile { .. } => &mut stats.splices,
            Operation::Open { .. } => &mut stats.opens,
            Operation::Write { .. } => &mut stats.writes,
            Operation::SetSource { .. } => &mut stats.set_sources,
            Operation::UnsetSource => &mut stats.unset_sources,
            Operation::Close => &mut stats.closes,
            Operation::Patch { .. } => &mut stats.patches,
        };
        *count += 1;
    }
    Ok(stats)
}
