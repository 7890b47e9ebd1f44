//! The bytes of an archive, unpacked.

use std::io::{self, BufRead, BufReader, Read};

use ostler_format::archive::ArchiveError;

use super::ArchiveSource;
use super::error::ArchiveTreeError;
use crate::unpack::{UnpackError, unpacked};

const BUFFER: usize = 128 * 1024;

/// Opens an archive and unpacks what its first bytes say it is compressed with.
pub(super) fn open(from: &ArchiveSource) -> Result<Box<dyn Read>, ArchiveTreeError> {
    match from {
        ArchiveSource::Stdin => unpack(BufReader::with_capacity(BUFFER, io::stdin().lock())),
        ArchiveSource::Path(path) => {
            let file = ostler_fs::file::open_stream(path)?;
            unpack(BufReader::with_capacity(BUFFER, file))
        }
    }
}

/// Reads the rest of the standard input for nothing.
pub(super) fn drain_stdin() -> Result<(), ArchiveTreeError> {
    let drained = io::copy(&mut io::stdin().lock(), &mut io::sink());
    drained.map_err(ArchiveError::Io)?;
    Ok(())
}

fn unpack(packed: impl BufRead + 'static) -> Result<Box<dyn Read>, ArchiveTreeError> {
    unpacked(packed).map_err(|error| match error {
        UnpackError::Io(error) => ArchiveError::Io(error).into(),
        UnpackError::Unsupported(name) => ArchiveTreeError::Compression(name),
    })
}
