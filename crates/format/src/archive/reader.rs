//! Reading an archive's entries one after another.

use std::io::{self, Cursor, Read};

use super::ArchiveEntry;
use super::content::Content;
use super::cpio;
use super::error::ArchiveError;
use super::source::Source;
use super::tar;

/// Bytes that tell cpio from tar.
const MAGIC_BYTES: usize = 6;

/// Reads a stream of entries; after [`ArchiveReader::next_entry`] it gives that entry's content as a [`Read`].
#[derive(Debug)]
pub struct ArchiveReader<R> {
    source: Source<io::Chain<Cursor<Vec<u8>>, R>>,
    form: Form,
    content: Content,
    ended: bool,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Tar,
    Newc,
    Odc,
}

impl<R: Read> ArchiveReader<R> {
    /// Looks at the first bytes; no bytes at all are an archive without entries.
    ///
    /// # Errors
    /// [`ArchiveError::Io`].
    pub fn new(mut inner: R) -> Result<Self, ArchiveError> {
        let mut magic = Vec::with_capacity(MAGIC_BYTES);
        (&mut inner)
            .take(MAGIC_BYTES as u64)
            .read_to_end(&mut magic)?;
        let form = match &magic[..] {
            b"070701" | b"070702" => Form::Newc,
            b"070707" => Form::Odc,
            _ => Form::Tar,
        };
        Ok(Self {
            source: Source::new(Cursor::new(magic).chain(inner)),
            form,
            content: Content::default(),
            ended: false,
        })
    }

    /// Leaves the content of the entry before, and reads the header of the next one; `None` at the end.
    ///
    /// # Errors
    /// [`ArchiveError`]; nothing can be read after it.
    pub fn next_entry(&mut self) -> Result<Option<ArchiveEntry>, ArchiveError> {
        if self.ended {
            return Ok(None);
        }
        self.ended = true;
        self.content.skip(&mut self.source)?;
        let found = match self.form {
            Form::Tar => tar::next_entry(&mut self.source)?,
            Form::Newc => cpio::next_newc(&mut self.source)?,
            Form::Odc => cpio::next_odc(&mut self.source)?,
        };
        Ok(found.map(|(entry, content)| {
            self.ended = false;
            self.content = content;
            entry
        }))
    }

    /// Gives the stream back, at whatever comes after what has been read.
    pub fn into_inner(self) -> R {
        self.source.into_inner().into_inner().1
    }
}

impl<R: Read> Read for ArchiveReader<R> {
    /// Reads the content of the last entry, exactly as many bytes as it declares.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.content.read(&mut self.source, buffer)
    }
}
