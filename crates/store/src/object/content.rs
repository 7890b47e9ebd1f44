//! A content object opened for reading, the same in every mode.

use std::fs::File;
use std::io::{self, BufReader, Read};

use flate2::bufread::DeflateDecoder;
use ostler_format::{FileHeader, ObjectName};

/// A content object: its header, its size and a reader of its bytes.
///
/// Reading gives exactly `size` bytes or an error: a deflate stream that is shorter or longer than its header says is
/// [`io::ErrorKind::InvalidData`]. Errors name the object. The checksum is *not* verified here.
pub struct FileObject {
    /// Owner, mode, symlink target and xattrs.
    pub header: FileHeader,
    /// Length of the content in bytes; 0 for a symlink.
    pub size: u64,
    name: ObjectName,
    source: Source,
    left: u64,
}

enum Source {
    Nothing,
    Plain(File),
    Deflated(Box<DeflateDecoder<BufReader<File>>>),
    Packed(Box<dyn Read + Send>),
}

impl FileObject {
    pub(crate) fn without_content(name: ObjectName, header: FileHeader) -> Self {
        Self {
            header,
            size: 0,
            name,
            source: Source::Nothing,
            left: 0,
        }
    }

    pub(crate) fn plain(name: ObjectName, header: FileHeader, file: File, size: u64) -> Self {
        Self {
            header,
            size,
            name,
            source: Source::Plain(file),
            left: size,
        }
    }

    /// `file` is positioned at the start of the deflate stream.
    pub(crate) fn deflated(
        name: ObjectName,
        header: FileHeader,
        file: BufReader<File>,
        size: u64,
    ) -> Self {
        Self {
            header,
            size,
            name,
            source: Source::Deflated(Box::new(DeflateDecoder::new(file))),
            left: size,
        }
    }

    /// `reader` is at the start of the content, and ends with it.
    pub(crate) fn packed(
        name: ObjectName,
        header: FileHeader,
        reader: Box<dyn Read + Send>,
        size: u64,
    ) -> Self {
        Self {
            header,
            size,
            name,
            source: Source::Packed(reader),
            left: size,
        }
    }

    /// The object's own file if its bytes are the content as they are, for hardlinks, reflinks and copies in the kernel.
    #[must_use]
    pub fn plain_file(&self) -> Option<&File> {
        match &self.source {
            Source::Plain(file) => Some(file),
            _ => None,
        }
    }

    /// Whether the content is a symlink's.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.header.is_symlink()
    }
}

impl Read for FileObject {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_bytes(buffer)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.name)))
    }
}

/// Reads a [`FileObject`] with errors that do not name it.
pub(crate) struct Unnamed<'o>(&'o mut FileObject);

impl Read for Unnamed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_bytes(buffer)
    }
}

impl FileObject {
    /// The content, for those who name the object in errors themselves.
    pub(crate) fn unnamed(&mut self) -> Unnamed<'_> {
        Unnamed(self)
    }

    /// As [`Read::read`], with errors that do not name the object.
    pub(crate) fn read_bytes(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let limit = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let got = match &mut self.source {
            Source::Nothing => return Ok(0),
            Source::Plain(file) => {
                if limit == 0 {
                    return Ok(0);
                }
                file.read(&mut buffer[..limit])?
            }
            Source::Deflated(stream) => read_or_end(stream, &mut buffer[..limit])?,
            Source::Packed(stream) => read_or_end(stream, &mut buffer[..limit])?,
        };
        if got == 0 && limit == 0 {
            return Ok(0);
        }
        if got == 0 {
            return Err(invalid("the content is shorter than its header says"));
        }
        self.left -= got as u64;
        Ok(got)
    }
}

/// Reads on; where nothing is left that may come, nothing must.
fn read_or_end(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    if !buffer.is_empty() {
        return stream.read(buffer);
    }
    match stream.read(&mut [0])? {
        0 => Ok(0),
        _ => Err(invalid("the content is longer than its header says")),
    }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
