//! Streams unpacked, whichever of the usual ways they are packed in.

use std::io::{self, BufRead, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

/// What unpacking xz may take: that of the highest level is a tenth of it.
const MAX_XZ_MEMORY: u64 = 768 << 20;

/// A stream that cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// Its first bytes cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Its compression is known, but not read here.
    #[error("compressed with {0}, which is not supported")]
    Unsupported(&'static str),
}

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Xz,
    Lzma,
    Zstd,
    Bzip2,
    Unknown(&'static str),
}

/// Unpacks what the first bytes say it is compressed with; what they say nothing of is handed on as it is.
///
/// # Errors
/// [`UnpackError`]; a stream that is damaged is an error of reading.
pub fn unpacked<'a>(mut packed: impl BufRead + 'a) -> Result<Box<dyn Read + 'a>, UnpackError> {
    let compression = detect(packed.fill_buf()?);
    Ok(match compression {
        Compression::None => Box::new(packed),
        Compression::Gzip => Box::new(MultiGzDecoder::new(packed)),
        Compression::Bzip2 => Box::new(MultiBzDecoder::new(packed)),
        Compression::Xz => {
            // Several streams may follow each other.
            let stream = Stream::new_stream_decoder(MAX_XZ_MEMORY, CONCATENATED);
            let stream = stream.map_err(io::Error::from)?;
            Box::new(XzDecoder::new_stream(packed, stream))
        }
        Compression::Lzma => {
            let stream = Stream::new_lzma_decoder(MAX_XZ_MEMORY).map_err(io::Error::from)?;
            Box::new(XzDecoder::new_stream(packed, stream))
        }
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(packed)?),
        Compression::Unknown(name) => return Err(UnpackError::Unsupported(name)),
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
    if is_lzma(start) {
        return Compression::Lzma;
    }
    MAGIC
        .iter()
        .find(|(magic, _)| start.starts_with(magic))
        .map_or(Compression::None, |(_, compression)| *compression)
}

/// There is no magic: the usual properties, and a dictionary of 64 KiB or more, which no tar begins with, be its first name `]`.
fn is_lzma(start: &[u8]) -> bool {
    matches!(start, [0x5d, 0, 0, low, high, ..] if (*low, *high) != (0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tar_whose_first_name_is_a_bracket_is_not_taken_for_lzma() {
        let mut header = [0; 512];
        header[0] = b']';
        assert_eq!(detect(&header), Compression::None);
        // As `xz --format=lzma` begins, at its lowest and its highest level.
        assert_eq!(detect(b"\x5d\0\0\x04\0\xff"), Compression::Lzma);
        assert_eq!(detect(b"\x5d\0\0\0\x04\xff"), Compression::Lzma);
    }
}
