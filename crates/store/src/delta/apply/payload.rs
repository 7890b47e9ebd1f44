//! A part's file, unpacked.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use liblzma::read::XzDecoder;
use liblzma::stream::Stream;
use ostler_format::Hasher;
use ostler_format::delta::{Compression, MAX_TABLE_SIZE, PartHeader, PartLayout, XattrsTable};
use ostler_fs::{Dir, TempFile};

use super::super::DeltaError;
use crate::error::StoreError;
use crate::transaction::Transaction;

/// Memory that the decoder may take: the highest preset needs 65 MiB.
const MAX_DECODER_MEMORY: u64 = 128 << 20;
/// What is unpacked at once.
const CHUNK: usize = 256 << 10;

/// A payload in a file without a name.
pub(crate) struct Payload {
    file: File,
    pub(crate) layout: PartLayout,
}

impl Payload {
    /// Checks the length and checksum of a part's file, and unpacks it.
    pub(crate) fn unpack(
        room: Room<'_>,
        part: usize,
        head: &PartHeader,
        file: &mut dyn Read,
    ) -> Result<Self, DeltaError> {
        let bad = |problem: String| DeltaError::Part { part, problem };
        let mut packed = Packed {
            inner: file,
            hasher: Hasher::new(),
            read: 0,
        };
        let mut spool = Spool::new(room)?;
        let unpacked = spool.fill(&mut packed, limit(head));
        // The checksum says more than whatever broken bytes do to the decoder.
        packed.check(part, head)?;
        unpacked?.map_err(bad)?;
        let size = spool.size;
        let file = spool.into_file();
        let layout = layout(&file, size).map_err(|error| bad(error.to_string()))?;
        Ok(Self { file, layout })
    }

    /// Reads the table of xattrs.
    pub(crate) fn xattrs_table(&self, part: usize) -> Result<XattrsTable, DeltaError> {
        let bytes = self.table(&self.layout.xattrs);
        let bytes = bytes.map_err(|error| StoreError::io("reading a delta", error))?;
        XattrsTable::parse(bytes).map_err(|error| DeltaError::Part {
            part,
            problem: error.to_string(),
        })
    }

    /// Reads a table.
    pub(crate) fn table(&self, range: &Range<u64>) -> io::Result<Vec<u8>> {
        // `PartLayout::parse` has seen that it is not larger.
        debug_assert!(range.end - range.start <= MAX_TABLE_SIZE);
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.file.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes)
    }

    /// Fills `buffer` with the data at `offset`.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if it lies outside the data.
    pub(super) fn data(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.member(&self.layout.data, offset, buffer)
    }

    /// Fills `buffer` with the operations at `offset`.
    pub(super) fn operations(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.member(&self.layout.operations, offset, buffer)
    }

    fn member(&self, member: &Range<u64>, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = member.start.checked_add(offset);
        let end = start.and_then(|start| start.checked_add(buffer.len() as u64));
        match (start, end) {
            (Some(start), Some(end)) if end <= member.end => self.file.read_exact_at(buffer, start),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it refers to data outside of the part",
            )),
        }
    }
}

/// A payload has the new content at most once, or patches that are little longer, and its tables.
fn limit(head: &PartHeader) -> u64 {
    head.uncompressed_size
        .saturating_mul(2)
        .saturating_add(2 * MAX_TABLE_SIZE)
        .saturating_add(64 << 20)
}

fn layout(file: &File, size: u64) -> io::Result<PartLayout> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let frame_len = PartLayout::frame_len(size).map_err(invalid)?;
    let mut frame = vec![0; frame_len];
    let start = size.checked_sub(frame_len as u64);
    let start = start.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "it is shorter than its framing")
    })?;
    file.read_exact_at(&mut frame, start)?;
    PartLayout::parse(size, &frame).map_err(invalid)
}

/// A part's file as it is read.
struct Packed<'p> {
    inner: &'p mut dyn Read,
    hasher: Hasher,
    read: u64,
}

impl Read for Packed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..got]);
        self.read += got as u64;
        Ok(got)
    }
}

impl Packed<'_> {
    /// Reads what is left, and compares all with the superblock.
    fn check(mut self, part: usize, head: &PartHeader) -> Result<(), DeltaError> {
        // One byte more than there may be is enough to know.
        let left = head
            .compressed_size
            .saturating_add(1)
            .saturating_sub(self.read);
        io::copy(&mut (&mut self).take(left), &mut io::sink())
            .map_err(|error| StoreError::io(format!("part {part}"), error))?;
        DeltaError::check_part(part, head, self.read, self.hasher.finish())
    }
}

/// Where files without a name are made.
#[derive(Clone, Copy)]
pub(crate) enum Room<'r> {
    /// In the staging directory, within the room that the repository has.
    Transaction(&'r Transaction<'r>),
    /// In this folder.
    Folder(&'r Dir),
}

/// A file without a name that takes room of the repository while it is there.
pub(super) struct Spool<'t> {
    room: Room<'t>,
    temp: TempFile,
    pub(super) size: u64,
}

impl<'t> Spool<'t> {
    pub(super) fn new(room: Room<'t>) -> Result<Self, StoreError> {
        let temp = match room {
            Room::Transaction(transaction) => transaction.intake().new_temp(0o600)?,
            Room::Folder(folder) => TempFile::new(folder, 0o600)?,
        };
        Ok(Self {
            room,
            temp,
            size: 0,
        })
    }

    /// Unpacks a part's file; the inner error says what is wrong with it.
    fn fill(
        &mut self,
        packed: &mut Packed<'_>,
        limit: u64,
    ) -> Result<Result<(), String>, StoreError> {
        let mut first = [0];
        if let Err(error) = packed.read_exact(&mut first) {
            return Ok(Err(error.to_string()));
        }
        let compression = match Compression::from_byte(first[0]) {
            Ok(compression) => compression,
            Err(error) => return Ok(Err(error.to_string())),
        };
        match compression {
            Compression::None => self.copy(packed, limit),
            Compression::Xz => {
                let stream = match Stream::new_stream_decoder(MAX_DECODER_MEMORY, 0) {
                    Ok(stream) => stream,
                    Err(error) => return Ok(Err(error.to_string())),
                };
                self.copy(&mut XzDecoder::new_stream(packed, stream), limit)
            }
        }
    }

    /// Appends what `from` gives, up to `limit` bytes in all.
    pub(super) fn copy(
        &mut self,
        from: &mut dyn Read,
        limit: u64,
    ) -> Result<Result<(), String>, StoreError> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let got = match from.read(&mut buffer) {
                Ok(0) => return Ok(Ok(())),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Err(format!("it cannot be unpacked: {error}"))),
            };
            if self.size + got as u64 > limit {
                return Ok(Err(format!("it unpacks to more than {limit} bytes")));
            }
            if let Room::Transaction(transaction) = self.room {
                transaction.intake().take_space(got as u64)?;
            }
            self.size += got as u64;
            self.temp
                .write_all(&buffer[..got])
                .map_err(|error| StoreError::io("unpacking a delta", error))?;
        }
    }

    /// The file, whose room counts as free again: it goes before the transaction ends.
    pub(super) fn into_file(self) -> File {
        self.temp
            .file()
            .try_clone()
            .expect("a descriptor can be had for a file that is about to be closed")
    }
}

impl Drop for Spool<'_> {
    fn drop(&mut self) {
        if let Room::Transaction(transaction) = self.room {
            transaction.intake().give_space_back(self.size);
        }
    }
}
