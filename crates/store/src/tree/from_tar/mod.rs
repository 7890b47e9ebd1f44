//! A tar or cpio archive as part of a tree.
//!
//! The archive is a stream that is read once: [`source`] opens and unpacks it, the reader of the format crate makes entries
//! of it, [`import`] places them. Content goes from the stream into an object as it comes; what is held is one buffer, the
//! tree's listings, and the hardlinks whose targets are looked for at the end, because they may follow.
//!
//! Paths are names in the tree and never leave memory: [`path`] refuses `..`, and a leading slash means the tree's root.

mod error;
mod import;
mod links;
mod path;
mod source;

pub use error::ArchiveTreeError;
pub(super) use import::{Import, Onto};
pub use path::{PathFilter, PathFilterError};

use std::io::Read;
use std::path::{Path, PathBuf};

use ostler_format::archive::{ArchiveEntry, ArchiveError, ArchiveReader};

use super::error::TreeError;

/// Files one after the other: an archive, or what somebody has made of one.
///
/// [`Read`] gives the content of the entry that was returned last. Whatever paths and links the entries have, those that lead out of the tree are
/// refused where they are placed.
pub trait Entries: Read {
    /// Goes to the next entry; `None` at the end.
    ///
    /// # Errors
    /// [`ArchiveError`], with which nothing is committed.
    fn next_entry(&mut self) -> Result<Option<ArchiveEntry>, ArchiveError>;
}

impl<R: Read> Entries for ArchiveReader<R> {
    fn next_entry(&mut self) -> Result<Option<ArchiveEntry>, ArchiveError> {
        Self::next_entry(self)
    }
}

/// Where an archive comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveSource {
    /// A file, or anything else with a name that can be read.
    Path(PathBuf),
    /// The standard input.
    Stdin,
}

impl ArchiveSource {
    fn name(&self) -> &Path {
        match self {
            Self::Path(path) => path,
            Self::Stdin => Path::new("-"),
        }
    }
}

/// How archives are placed into the tree.
#[derive(Clone, Debug, Default)]
pub struct ArchiveOptions {
    /// Makes directories that entries are in but the archive and the tree so far lack.
    pub create_parents: bool,
    /// What becomes of paths before anything else looks at them.
    pub filter: Option<PathFilter>,
}

/// Overlays the archive.
pub(super) fn overlay(mut import: Import<'_>, from: &ArchiveSource) -> Result<(), TreeError> {
    let in_archive = |source: ArchiveTreeError| TreeError::Archive {
        archive: from.name().to_owned(),
        source,
    };
    let stream = source::open(from).map_err(in_archive)?;
    let mut entries = ArchiveReader::new(stream).map_err(|e| in_archive(e.into()))?;
    import.run(&mut entries, &in_archive)?;
    // It holds the lock of the standard input.
    drop(entries);
    if *from == ArchiveSource::Stdin {
        // Whoever writes to us is not to find the pipe closed.
        source::drain_stdin().map_err(in_archive)?;
    }
    Ok(())
}

/// Overlays entries; `name` is what they are called in errors.
pub(super) fn overlay_entries(
    mut import: Import<'_>,
    name: &Path,
    entries: &mut dyn Entries,
) -> Result<(), TreeError> {
    let in_archive = |source: ArchiveTreeError| TreeError::Archive {
        archive: name.to_owned(),
        source,
    };
    import.run(entries, &in_archive)
}
