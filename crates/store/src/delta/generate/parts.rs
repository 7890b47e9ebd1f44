//! Laying objects into parts, and parts into files.

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use liblzma::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};
use ostler_format::delta::{Compression, FileOwner, Operation, PartBuilder, PartHeader};
use ostler_format::{Checksum, FileHeader, ObjectName, Xattrs};
use ostler_fs::{Dir, TempFile};

use super::encode::{Encoding, content};
use super::plan::NewFile;
use crate::error::StoreError;
use crate::repo::Repo;

/// The compression preset; its dictionary is replaced by one that fits.
const PRESET: u32 = 8;
/// The largest dictionary: a reader's memory, and a twelfth of a writer's.
const MAX_DICTIONARY: u32 = 32 << 20;
/// The smallest.
const MIN_DICTIONARY: u32 = 1 << 20;
/// Patches up to this length stay in memory.
const IN_MEMORY: usize = 64 << 10;

/// An object on its way into a part.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    /// A metadata object.
    Metadata(ObjectName),
    /// The file of this number in the plan.
    File(usize),
}

/// Patches that wait for their part, in a file without a name.
pub(super) struct Patches {
    file: TempFile,
    end: Mutex<u64>,
}

/// How a file is made, with its patch put away.
#[derive(Debug)]
pub(super) enum Planned {
    /// As [`Encoding::Whole`].
    Whole,
    /// As [`Encoding::Pieces`].
    Pieces(Vec<super::copies::Piece>),
    /// A patch in memory.
    Patch(Vec<u8>),
    /// A patch in the file: where, and how long.
    Stored(u64, usize),
}

impl Patches {
    pub(super) fn new(tmp: &Dir) -> Result<Self, StoreError> {
        Ok(Self {
            file: TempFile::new(tmp, 0o600)?,
            end: Mutex::new(0),
        })
    }

    /// Puts a patch away.
    pub(super) fn store(&self, encoding: Encoding) -> Result<Planned, StoreError> {
        Ok(match encoding {
            Encoding::Whole => Planned::Whole,
            Encoding::Pieces(pieces) => Planned::Pieces(pieces),
            Encoding::Patch(patch) if patch.len() <= IN_MEMORY => Planned::Patch(patch),
            Encoding::Patch(patch) => {
                let at = {
                    let mut end = self.end.lock().expect("no holder of the end panics");
                    let at = *end;
                    *end += patch.len() as u64;
                    at
                };
                self.file
                    .file()
                    .write_all_at(&patch, at)
                    .map_err(|error| StoreError::io("writing a patch", error))?;
                Planned::Stored(at, patch.len())
            }
        })
    }

    fn read(&self, at: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let mut patch = vec![0; length];
        self.file
            .file()
            .read_exact_at(&mut patch, at)
            .map_err(|error| StoreError::io("reading a patch", error))?;
        Ok(patch)
    }
}

/// What goes into a part.
#[derive(Debug, Default)]
pub(super) struct Laid {
    pub(super) items: Vec<Item>,
    /// What they count for, in bytes.
    pub(super) bytes: u64,
}

/// Lays items into parts: a part is closed when its objects have this many bytes.
pub(super) fn lay(items: impl IntoIterator<Item = (Item, u64)>, chunk_bytes: u64) -> Vec<Laid> {
    let mut parts = Vec::new();
    let mut part = Laid::default();
    for (item, bytes) in items {
        if part.bytes > 0 && part.bytes + bytes > chunk_bytes {
            parts.push(std::mem::take(&mut part));
        }
        part.items.push(item);
        part.bytes += bytes;
    }
    parts.push(part);
    parts
}

/// Memory that making a part of so many bytes takes: payload, its copy in one piece, and the encoder.
pub(super) fn part_memory(bytes: u64) -> u64 {
    bytes
        .saturating_mul(3)
        .saturating_add(12 * u64::from(dictionary(bytes)))
}

fn dictionary(bytes: u64) -> u32 {
    let fitting = u32::try_from(bytes.next_power_of_two()).unwrap_or(MAX_DICTIONARY);
    fitting.clamp(MIN_DICTIONARY, MAX_DICTIONARY)
}

/// A finished part: its head, and its file without a name.
pub(super) struct FinishedPart {
    pub(super) head: PartHeader,
    pub(super) file: TempFile,
}

impl FinishedPart {
    /// The whole file.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; self.head.compressed_size as usize];
        self.file
            .file()
            .read_exact_at(&mut bytes, 0)
            .map_err(|error| StoreError::io("reading a part", error))?;
        Ok(bytes)
    }
}

/// What a part is made of.
pub(super) struct PartMaker<'p> {
    pub(super) repo: &'p Repo,
    pub(super) files: &'p [NewFile],
    pub(super) planned: &'p [Option<Planned>],
    pub(super) patches: &'p Patches,
    pub(super) tmp: &'p Dir,
}

impl PartMaker<'_> {
    /// Makes the payload and compresses it.
    pub(super) fn make(&self, items: &[Item]) -> Result<FinishedPart, StoreError> {
        let mut builder = PartBuilder::new();
        let mut objects = Vec::with_capacity(items.len());
        let mut uncompressed_size = 0;
        for item in items {
            match item {
                Item::Metadata(name) => {
                    uncompressed_size += self.metadata(*name, &mut builder)?;
                    objects.push(*name);
                }
                Item::File(number) => {
                    let file = &self.files[*number];
                    self.file(*number, file, &mut builder)?;
                    uncompressed_size += file.size;
                    objects.push(file.id.into());
                }
            }
        }
        let payload = builder.finish().map_err(StoreError::from)?;
        let mut file = TempFile::new(self.tmp, 0o644)?;
        let compressed = compress(&payload, &mut file)?;
        Ok(FinishedPart {
            head: PartHeader {
                checksum: compressed.0,
                compressed_size: compressed.1,
                uncompressed_size,
                objects,
            },
            file,
        })
    }

    fn metadata(&self, name: ObjectName, builder: &mut PartBuilder) -> Result<u64, StoreError> {
        let bytes = self.repo.read_metadata(&name)?;
        let size = bytes.len() as u64;
        let offset = builder.push_data(&bytes);
        builder.push(&Operation::WriteMetadata { size, offset });
        Ok(size)
    }

    fn file(
        &self,
        number: usize,
        file: &NewFile,
        builder: &mut PartBuilder,
    ) -> Result<(), StoreError> {
        let header = self.repo.open_file_object_as_named(file.id)?.header;
        let (owner, xattrs) = indexes(builder, &header);
        let planned = self.planned[number].as_ref();
        let source = file.old.map(|old| old.id);
        let (Some(planned), Some(source)) = (
            planned.filter(|planned| !matches!(planned, Planned::Whole)),
            source,
        ) else {
            let bytes = match file.is_symlink {
                true => header.symlink_target.into_bytes(),
                false => content(self.repo, file.id)?,
            };
            let size = bytes.len() as u64;
            let offset = builder.push_data(&bytes);
            builder.push(&Operation::WriteFile {
                owner,
                xattrs,
                size,
                offset,
            });
            return Ok(());
        };
        builder.push(&Operation::Open {
            owner,
            xattrs,
            size: file.size,
        });
        let source = builder.push_data(source.checksum().as_bytes());
        let patch = match planned {
            Planned::Pieces(pieces) => {
                self.pieces(file, pieces, source, builder)?;
                builder.push(&Operation::Close);
                return Ok(());
            }
            Planned::Stored(at, length) => &self.patches.read(*at, *length)?,
            Planned::Patch(patch) => patch,
            Planned::Whole => unreachable!("such a file has been written"),
        };
        builder.push(&Operation::SetSource { offset: source });
        let size = patch.len() as u64;
        let offset = builder.push_data(patch);
        builder.push(&Operation::Patch { offset, size });
        builder.push(&Operation::UnsetSource);
        builder.push(&Operation::Close);
        Ok(())
    }

    /// Pieces come from the source, what is between them from the data.
    fn pieces(
        &self,
        file: &NewFile,
        pieces: &[super::copies::Piece],
        source: u64,
        builder: &mut PartBuilder,
    ) -> Result<(), StoreError> {
        let new = content(self.repo, file.id)?;
        let literal = |bytes: &[u8], builder: &mut PartBuilder| {
            if !bytes.is_empty() {
                let offset = builder.push_data(bytes);
                let size = bytes.len() as u64;
                builder.push(&Operation::Write { size, offset });
            }
        };
        let mut at = 0;
        for piece in pieces {
            literal(&new[at..piece.new], builder);
            builder.push(&Operation::SetSource { offset: source });
            builder.push(&Operation::Write {
                size: piece.length as u64,
                offset: piece.old as u64,
            });
            builder.push(&Operation::UnsetSource);
            at = piece.new + piece.length;
        }
        literal(&new[at..], builder);
        Ok(())
    }
}

fn indexes(builder: &mut PartBuilder, header: &FileHeader) -> (u64, u64) {
    let owner = builder.owner_index(FileOwner {
        uid: header.uid,
        gid: header.gid,
        mode: header.mode,
    });
    let xattrs: &Xattrs = &header.xattrs;
    (owner, builder.xattrs_index(xattrs))
}

/// Writes the file of a part and returns its checksum and length.
fn compress(payload: &[u8], file: &mut TempFile) -> Result<(Checksum, u64), StoreError> {
    let failed = |error: std::io::Error| StoreError::io("compressing a part", error);
    let broken = |error: liblzma::stream::Error| failed(std::io::Error::from(error));
    let mut options = LzmaOptions::new_preset(PRESET).map_err(broken)?;
    options.dict_size(dictionary(payload.len() as u64));
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let mut stream = Stream::new_stream_encoder(&filters, Check::Crc32).map_err(broken)?;
    let mut hasher = ostler_format::Hasher::new();
    let first = [Compression::Xz.byte()];
    hasher.update(&first);
    file.write_all(&first).map_err(failed)?;
    let mut size = 1;
    let mut out: Vec<u8> = Vec::with_capacity(256 << 10);
    loop {
        out.clear();
        let at = stream.total_in() as usize;
        let status = stream
            .process_vec(&payload[at..], &mut out, Action::Finish)
            .map_err(broken)?;
        hasher.update(&out);
        file.write_all(&out).map_err(failed)?;
        size += out.len() as u64;
        if status == Status::StreamEnd {
            return Ok((hasher.finish(), size));
        }
    }
}

/// What a file counts for when parts are laid.
pub(super) fn weight(file: &NewFile, planned: &Planned) -> u64 {
    match planned {
        Planned::Pieces(pieces) => {
            let copied: usize = pieces.iter().map(|piece| piece.length).sum();
            file.size.saturating_sub(copied as u64)
        }
        Planned::Patch(patch) => patch.len() as u64,
        Planned::Stored(_, length) => *length as u64,
        Planned::Whole => file.size,
    }
}
