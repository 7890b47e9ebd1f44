//! The bytes of an archive, unpacked.

use std::io::{self, BufRead, BufReader, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;
use ostler_format::archive::ArchiveError;

use super::ArchiveSource;
use super::error::ArchiveTreeError;

const BUFFER: usize = 128 * 1024;
/// What unpacking xz may take: that of the highest level is a tenth of it.
const MAX_XZ_MEMORY: u64 = 768 << 20;

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Xz,
    Zstd,
    Bzip2,
    Unknown(&'static str),
}

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

fn unpack(mut packed: impl BufRead + 'static) -> Result<Box<dyn Read>, ArchiveTreeError> {
    let compression = detect(packed.fill_buf().map_err(ArchiveError::Io)?);
    Ok(match compression {
        Compression::None => Box::new(packed),
        Compression::Gzip => Box::new(MultiGzDecoder::new(packed)),
        Compression::Bzip2 => Box::new(MultiBzDecoder::new(packed)),
        Compression::Xz => {
            // Several streams may follow each other.
            let stream = Stream::new_stream_decoder(MAX_XZ_MEMORY, liblzma::stream::CONCATENATED)
                .map_err(|error| ArchiveError::Io(error.into()))?;
            Box::new(XzDecoder::new_stream(packed, stream))
        }
        Compression::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(packed);
            Box::new(decoder.map_err(ArchiveError::Io)?)
        }
        Compression::Unknown(name) => return Err(ArchiveTreeError::Compression(name)),
    })
}

fn detect(start: &[u8]) -> Compression {
    const MAGIC: &[(&[u8], Compression)] = &[
        (b"\x1f\x8b", Compression::Gzip),
        (b"\xfd7zXZ\0", Compression::Xz),
        (b"\x28\xb5\x2f\xfd", Compression::Zstd),
        (b"BZh", Compression::Bzip2),
        (b"\x1f\x9d", Compression::Unknown("compress")),
        (b"LZIP", Compression::Unknown("lzip")),
        (b"\x04\x22\x4d\x18", Compression::Unknown("lz4")),
        (b"\x89LZO", Compression::Unknown("lzop")),
    ];
    MAGIC
        .iter()
        .find(|(magic, _)| start.starts_with(magic))
        .map_or(Compression::None, |(_, compression)| *compression)
}
