//! Content that only packs have: where it is, and reading it there.
//!
//! An archive may leave the `.filez` of content out that its packs have. `packs/content.index` then says where each is; it has the form of a
//! commit's index, and names files alone. An object that is in `objects/`, too, is read there.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use ostler_format::pack::{MAX_PACK_INDEX_SIZE, Pack, PackGroup, PackIndex};
use ostler_format::{Checksum, FileHeader, ObjectKind, ObjectName};
use ostler_fs::{Metadata, Timestamp, Trusted};

use super::group::MAX_WINDOW_LOG;
use super::verify::read_group;
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::object::{FileObject, header_error};
use crate::repo::Repo;

/// Objects up to this length are read with their whole group, which the next ones are likely in.
const SMALL: u64 = 1 << 20;
/// Bytes of groups that are remembered, unpacked, for each repository.
const REMEMBERED: usize = 8 << 20;

/// What a repository knows of its own index, as long as that is the same file.
#[derive(Debug, Default)]
pub(crate) struct LeftOut(Mutex<Option<Arc<Places>>>);

/// By what a file that has been replaced is known.
type Stamp = (u64, u64, Timestamp, Timestamp);

fn stamp(stat: &Metadata) -> Stamp {
    (stat.ino, stat.size, stat.mtime, stat.ctime)
}

/// Where content is.
#[derive(Debug)]
pub(crate) struct Places {
    stamp: Stamp,
    index: PackIndex,
    /// By checksum: which group, and which of its objects.
    sorted: Vec<(Checksum, u32, u32)>,
    /// Groups that were unpacked last, the latest at the end.
    unpacked: Mutex<VecDeque<(u32, Arc<[u8]>)>>,
}

/// One object's place: its group, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    group: u32,
    member: u32,
}

impl Repo {
    /// Where content is that is only in packs; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::ContentIndex`] if the index is damaged; [`StoreError::Fs`].
    pub(crate) fn left_out(&self) -> Result<Option<Arc<Places>>, StoreError> {
        let path = Trusted(PackIndex::CONTENT_PATH);
        if self.mode() != RepoMode::Archive {
            return Ok(None);
        }
        let Some(stat) = self.dir().metadata_optional(path)? else {
            return Ok(None);
        };
        let mut known = self.left_out.0.lock().expect("no holder panics");
        if let Some(places) = known.as_ref().filter(|known| known.stamp == stamp(&stat)) {
            return Ok(Some(Arc::clone(places)));
        }
        let Some((file, stat)) = self.dir().open_regular_optional(path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(MAX_PACK_INDEX_SIZE + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| StoreError::io(PackIndex::CONTENT_PATH, error))?;
        let places = Arc::new(Places::parse(&bytes, stamp(&stat))?);
        *known = Some(Arc::clone(&places));
        Ok(Some(places))
    }

    /// Whether a pack of this repository has the content, which is not in `objects/`.
    pub(crate) fn has_left_out(&self, name: &ObjectName) -> Result<bool, StoreError> {
        let places = self.left_out()?;
        Ok(places.is_some_and(|places| places.find(name).is_some()))
    }

    /// Opens content in a pack of this repository.
    pub(crate) fn open_left_out(&self, name: ObjectName) -> Result<Option<FileObject>, StoreError> {
        let Some(places) = self.left_out()? else {
            return Ok(None);
        };
        match places.find(&name) {
            Some(place) => places.open(self, place, name).map(Some),
            None => Ok(None),
        }
    }
}

impl Places {
    fn parse(bytes: &[u8], stamp: Stamp) -> Result<Self, StoreError> {
        let index =
            PackIndex::parse(bytes).map_err(|source| StoreError::ContentIndex { source })?;
        let mut sorted = Vec::new();
        for (group, PackGroup { members, .. }) in (0..).zip(&index.groups) {
            for (member, found) in (0..).zip(members) {
                if let Some(name) = found.name {
                    sorted.push((name.checksum, group, member));
                }
            }
        }
        sorted.sort_unstable();
        Ok(Self {
            stamp,
            index,
            sorted,
            unpacked: Mutex::default(),
        })
    }

    pub(super) fn index(&self) -> &PackIndex {
        &self.index
    }

    /// The content's place.
    pub(crate) fn find(&self, name: &ObjectName) -> Option<Place> {
        if name.kind != ObjectKind::File {
            return None;
        }
        let found = self
            .sorted
            .binary_search_by_key(&name.checksum, |(checksum, ..)| *checksum);
        let (_, group, member) = self.sorted[found.ok()?];
        Some(Place { group, member })
    }

    /// The pack and the offset of the content's group.
    pub(super) fn place_of(&self, name: &ObjectName) -> Option<(Pack, u64)> {
        let group = &self.index.groups[self.find(name)?.group as usize];
        Some((self.index.packs[group.pack], group.offset))
    }

    /// What the object takes on disk: its share of its group.
    pub(crate) fn packed_bytes(&self, place: Place) -> u64 {
        let group = &self.index.groups[place.group as usize];
        let size = group.members[place.member as usize].size;
        let share = u128::from(group.packed) * u128::from(size) / u128::from(group.unpacked());
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    fn open(&self, repo: &Repo, place: Place, name: ObjectName) -> Result<FileObject, StoreError> {
        let group = &self.index.groups[place.group as usize];
        let size = group.members[place.member as usize].size;
        let mut reader: Box<dyn Read + Send> = if group.members.len() > 1 || size <= SMALL {
            let before = &group.members[..place.member as usize];
            let begins: u64 = before.iter().map(|member| member.size).sum();
            let mut bytes = Cursor::new(self.unpack(repo, place.group, name)?);
            bytes.set_position(begins);
            Box::new(bytes.take(size))
        } else {
            let file = self.open_pack(repo, group, name)?;
            Box::new(stream(file, group).map_err(|error| StoreError::io(name.to_string(), error))?)
        };
        let (header, size) = FileHeader::read_archive_prefix(&mut reader)
            .map_err(|source| header_error(name, source))?;
        Ok(match header.is_symlink() {
            true => FileObject::without_content(name, header),
            false => FileObject::packed(name, header, reader, size),
        })
    }

    fn open_pack(
        &self,
        repo: &Repo,
        group: &PackGroup,
        name: ObjectName,
    ) -> Result<File, StoreError> {
        let path = self.index.packs[group.pack].path();
        let file = repo.dir().open_file_beneath_optional(&*path)?;
        file.ok_or_else(|| damaged(name, format!("`{path}`, which has it, is not here")))
    }

    /// Unpacks a group of small objects.
    fn unpack(&self, repo: &Repo, number: u32, name: ObjectName) -> Result<Arc<[u8]>, StoreError> {
        let find = |groups: &VecDeque<(u32, Arc<[u8]>)>| {
            let found = groups.iter().rev().find(|(known, _)| *known == number);
            found.map(|(_, bytes)| Arc::clone(bytes))
        };
        if let Some(bytes) = find(&self.unpacked.lock().expect("no holder panics")) {
            return Ok(bytes);
        }
        let group = &self.index.groups[number as usize];
        let file = self.open_pack(repo, group, name)?;
        let mut bytes = Vec::new();
        read_group(&file, &group.clone().into(), |piece| {
            bytes.extend_from_slice(piece.bytes);
            Ok::<_, io::Error>(())
        })
        .map_err(|error| group_error(name, error))?;
        let bytes: Arc<[u8]> = bytes.into();
        let mut groups = self.unpacked.lock().expect("no holder panics");
        groups.push_back((number, Arc::clone(&bytes)));
        let mut total: usize = groups.iter().map(|(_, bytes)| bytes.len()).sum();
        while total > REMEMBERED
            && let Some((_, bytes)) = groups.pop_front()
        {
            total -= bytes.len();
        }
        Ok(bytes)
    }
}

fn group_error(name: ObjectName, error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            damaged(name, format!("its pack is: {error}"))
        }
        _ => StoreError::io(name.to_string(), error),
    }
}

fn damaged(name: ObjectName, reason: String) -> StoreError {
    StoreError::Damaged { name, reason }
}

/// Reads a large object, which is a group by itself.
fn stream(file: File, group: &PackGroup) -> io::Result<impl Read + Send + use<>> {
    let range = Range {
        file,
        at: group.offset,
        end: group.offset + group.packed,
    };
    let mut decoder = zstd::Decoder::with_buffer(BufReader::with_capacity(64 << 10, range))?;
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    Ok(decoder)
}

/// A part of a file.
struct Range {
    file: File,
    at: u64,
    end: u64,
}

impl Read for Range {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        let got = self.file.read_at(&mut buffer[..length], self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}
