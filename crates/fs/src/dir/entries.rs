//! Listing a directory, in the order of the names' bytes.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;

use super::Dir;
use crate::error::Result;
use crate::metadata::{FileType, Metadata};

/// Bytes asked of the kernel at once.
const BUFFER_BYTES: usize = 64 << 10;

/// One entry of a listing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EntryRef<'a> {
    name: &'a CStr,
    /// The kind; never `Unknown`, as file systems that don't say it in a listing are asked again.
    pub file_type: FileType,
    /// Inode number; of a mount point, that of the directory below the mount.
    pub ino: u64,
}

impl<'a> EntryRef<'a> {
    /// The name as a C string, ready for the kernel.
    pub fn c_name(&self) -> &'a CStr {
        self.name
    }

    /// The name's bytes.
    pub fn name(&self) -> &'a [u8] {
        self.name.to_bytes()
    }

    /// The name as the standard library takes it.
    pub fn os_name(&self) -> &'a OsStr {
        OsStr::from_bytes(self.name.to_bytes())
    }

    /// The name as text; `None` if it is not UTF-8.
    pub fn str_name(&self) -> Option<&'a str> {
        self.name.to_str().ok()
    }
}

impl std::fmt::Debug for EntryRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("EntryRef")
            .field(&self.name)
            .field(&self.file_type)
            .finish()
    }
}

struct Record {
    start: u32,
    length_with_nul: u32,
    file_type: FileType,
    ino: u64,
}

/// A sorted listing; reusable, so that listing many directories does not allocate for each.
#[derive(Default)]
pub struct Entries {
    names: Vec<u8>,
    records: Vec<Record>,
}

impl Entries {
    /// An empty listing, to be filled by [`Dir::entries_into`].
    pub fn new() -> Self {
        Self::default()
    }

    /// The entries, without `.` and `..`, by the bytes of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = EntryRef<'_>> + Clone {
        (0..self.records.len()).map(|index| self.at(index))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether the directory is empty.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(crate) fn at(&self, index: usize) -> EntryRef<'_> {
        let record = &self.records[index];
        let name = CStr::from_bytes_with_nul(&self.names[record.range()])
            .expect("names are stored with their NUL");
        EntryRef {
            name,
            file_type: record.file_type,
            ino: record.ino,
        }
    }

    /// Reads what is left of an open directory's listing; `fd` must stand at its start.
    pub(crate) fn fill(&mut self, fd: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Result<(), Errno> {
        self.names.clear();
        self.records.clear();
        buffer.clear();
        buffer.reserve(BUFFER_BYTES);
        let mut listing = RawDir::new(fd, buffer.spare_capacity_mut());
        while let Some(entry) = listing.next() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let mut file_type = FileType::from(entry.file_type());
            if file_type == FileType::Unknown {
                let stat = rustix::fs::statx(fd, name, Metadata::AT_NAME, Metadata::MASK)?;
                file_type = Metadata::from(stat).file_type;
            }
            let (start, length_with_nul) = (self.names.len(), name.to_bytes_with_nul().len());
            // 4 GiB of names in one directory: no file system here holds as many.
            let start = u32::try_from(start).map_err(|_| Errno::OVERFLOW)?;
            let length_with_nul = u32::try_from(length_with_nul).map_err(|_| Errno::OVERFLOW)?;
            self.names.extend_from_slice(name.to_bytes_with_nul());
            self.records.push(Record {
                start,
                length_with_nul,
                file_type,
                ino: entry.ino(),
            });
        }
        let names = &self.names;
        // With the NUL in the comparison a prefix still sorts first.
        self.records
            .sort_unstable_by(|a, b| names[a.range()].cmp(&names[b.range()]));
        Ok(())
    }
}

impl Record {
    fn range(&self) -> std::ops::Range<usize> {
        self.start as usize..self.start as usize + self.length_with_nul as usize
    }
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Dir {
    /// Lists the directory, sorted by the names' bytes.
    pub fn entries(&self) -> Result<Entries> {
        let mut entries = Entries::new();
        self.entries_into(&mut entries)?;
        Ok(entries)
    }

    /// As [`Dir::entries`], into a listing whose memory is used again.
    pub fn entries_into(&self, entries: &mut Entries) -> Result<()> {
        self.on_self("list", |dir| {
            // A listing of its own: this handle's offset is shared with its clones and other threads.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let listing = rustix::fs::openat(dir, c".", flags, Mode::empty())?;
            entries.fill(listing.as_fd(), &mut Vec::new())
        })
    }
}
