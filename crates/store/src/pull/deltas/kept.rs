//! What is kept of a delta until it has been applied, so that a pull after a kill does not fetch it again.
//!
//! ```text
//! tmp/staging-<boot id>-<random>/partial/superblock-SHA256    as it was served
//!                                        part-NUMBER-SHA256   a part's file, as far as it came
//! ```
//! The names say what the bytes must be, so nothing here is believed: what has another checksum is fetched again. All of
//! it goes with the staging directory, whose lock is held.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use ostler_format::delta::PartHeader;
use ostler_format::{Checksum, Hasher, MAX_METADATA_SIZE};
use ostler_fs::{Access, Dir};

use crate::error::StoreError;
use crate::pull::partial::FOLDER;
use crate::transaction::Intake;

/// What is read or written at once.
const PIECE: usize = 256 << 10;

/// Reads a superblock that is kept, if it is whole.
pub(super) fn superblock(intake: &Intake, expected: Checksum) -> Option<Vec<u8>> {
    let dir = intake.staging_dir().open_dir_optional(FOLDER).ok()??;
    let name = superblock_name(expected);
    let bytes = dir.read_optional(&*name, MAX_METADATA_SIZE).ok()??;
    (Checksum::of(&bytes) == expected).then_some(bytes)
}

/// Keeps a superblock. Where that cannot be done, it is not done.
pub(super) fn keep_superblock(intake: &Intake, checksum: Checksum, bytes: &[u8]) {
    let keep = || -> io::Result<()> {
        let dir = intake.staging_dir().create_dir_all(FOLDER, 0o700)?;
        let name = superblock_name(checksum);
        dir.unlink_optional(&*name)?;
        dir.create_file(&*name, 0o600)?.write_all(bytes)
    };
    // The file may be cut then, which its checksum says.
    let _ = keep();
}

fn superblock_name(checksum: Checksum) -> String {
    format!("superblock-{checksum}")
}

/// The file of a part, from its first byte on; where there is one already, what it has is a beginning.
pub(super) struct PartFile {
    dir: Dir,
    name: String,
    file: File,
    hasher: Hasher,
    /// Bytes that it has.
    pub(super) length: u64,
}

impl PartFile {
    /// Opens the file of part `number`, or makes it; one that is too long is emptied.
    pub(super) fn open(
        intake: &Intake,
        number: usize,
        head: &PartHeader,
    ) -> Result<Self, StoreError> {
        let dir = intake.staging_dir().create_dir_all(FOLDER, 0o700)?;
        let name = format!("part-{number}-{}", head.checksum);
        let file = match dir.open_file_optional(&*name, Access::ReadWrite)? {
            Some(file) => file,
            None => dir.create_file(&*name, 0o600)?,
        };
        let mut part = Self {
            dir,
            name,
            file,
            hasher: Hasher::new(),
            length: 0,
        };
        part.hash_what_is_there(head.compressed_size)
            .map_err(|error| StoreError::io("reading a part", error))?;
        Ok(part)
    }

    fn hash_what_is_there(&mut self, most: u64) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            match self.file.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(got) => {
                    self.hasher.update(&piece[..got]);
                    self.length += got as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.length > most {
                return self.empty();
            }
        }
    }

    /// Drops what it has.
    pub(super) fn empty(&mut self) -> io::Result<()> {
        self.hasher = Hasher::new();
        self.length = 0;
        self.file.set_len(0)?;
        self.file.rewind()
    }

    /// Appends what came.
    pub(super) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// The checksum of what it has.
    pub(super) fn checksum(&self) -> Checksum {
        self.hasher.clone().finish()
    }

    /// The file, from its first byte on.
    pub(super) fn read(&mut self) -> io::Result<&mut File> {
        self.file.seek(SeekFrom::Start(0))?;
        Ok(&mut self.file)
    }

    /// Removes the file: its objects are staged, or it is of no use.
    pub(super) fn remove(self) {
        // What stays is judged by its checksum, or goes with the staging directory.
        let _ = self.dir.unlink_optional(&*self.name);
    }
}
