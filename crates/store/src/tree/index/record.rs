//! What is known of the files of one directory, in the form that the database keeps.
//!
//! ```text
//! 96 bytes a file, by inode number, all numbers little-endian
//! u64 inode | u64 size | i64 mtime s | u32 mtime ns | i64 ctime s | u32 ctime ns | u32 mode, uid, gid as found
//! u32 mode, uid, gid as committed | 32 bytes id
//! ```

use ostler_format::{Checksum, FileId};
use ostler_fs::Metadata;

use super::super::modifier::Attributes;

const RECORD_BYTES: usize = 96;
/// Where the id begins; all before it is compared.
const ID: usize = 64;

/// One file as it was found, what was committed of it, and its id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct FileRecord([u8; RECORD_BYTES]);

impl FileRecord {
    /// Puts together what identifies a file's state and what it gave.
    pub(in super::super) fn new(stat: &Metadata, committed: Attributes, id: FileId) -> Self {
        let mut bytes = [0; RECORD_BYTES];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        put(&stat.ino.to_le_bytes());
        put(&stat.size.to_le_bytes());
        for time in [stat.mtime, stat.ctime] {
            put(&time.seconds.to_le_bytes());
            put(&time.nanoseconds.to_le_bytes());
        }
        for number in [
            stat.mode,
            stat.uid,
            stat.gid,
            committed.mode,
            committed.uid,
            committed.gid,
        ] {
            put(&number.to_le_bytes());
        }
        put(id.checksum().as_bytes());
        Self(bytes)
    }

    fn ino(&self) -> u64 {
        ino(&self.0)
    }
}

/// The files of one directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Records(Vec<u8>);

impl Records {
    /// Puts records in order.
    pub(in super::super) fn from_files(mut files: Vec<FileRecord>) -> Self {
        files.sort_unstable_by_key(FileRecord::ino);
        files.dedup_by_key(|file| file.ino());
        Self(files.iter().flat_map(|file| file.0).collect())
    }

    /// Takes the stored form; `None` if it is not whole.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes
            .len()
            .is_multiple_of(RECORD_BYTES)
            .then(|| Self(bytes.to_vec()))
    }

    /// The stored form.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many files there are.
    pub(in super::super) fn len(&self) -> usize {
        self.0.len() / RECORD_BYTES
    }

    /// The id of a file that is as it was, and is to be committed as it was.
    pub(in super::super) fn find(&self, stat: &Metadata, committed: Attributes) -> Option<FileId> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let record = &self.0[middle * RECORD_BYTES..(middle + 1) * RECORD_BYTES];
            match ino(record).cmp(&stat.ino) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let id = Checksum::from_slice(&record[ID..]).ok()?.into();
                    return (FileRecord::new(stat, committed, id).0[..] == *record).then_some(id);
                }
            }
        }
        None
    }
}

fn ino(record: &[u8]) -> u64 {
    record
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
