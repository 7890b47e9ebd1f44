//! Beginnings of large bodies, kept as they come, so that the next pull goes on where a killed one stopped.
//!
//! ```text
//! tmp/staging-<boot id>-<random>/partial/NAME     512 bytes: total length and ETag, as text, filled up with zeros
//!                                                 then the body's bytes, as the server sent them
//! ```
//! A name is an object's, or that of a part of a pack. They are a copy, beside what is made of the bytes at once; a body shorter than [`PIECE`] leaves nothing. The staging directory's
//! lock is theirs, and they go with it. They are asked to be continued by the `ETag`, else by the total length; what they
//! become has to have its checksum, as everything else has. Keeping them is never a reason to fail: where it cannot be
//! done, it is not done.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use ostler_fs::{Access, Dir, Trusted};
use ostler_http::{BodyStart, Resume, Validator};

use crate::error::StoreError;
use crate::transaction::Intake;

/// What is gathered in memory before it is written; a kill loses less than that.
const PIECE: usize = 256 << 10;
/// Length of the head of a file.
const HEAD: u64 = 512;
const MAGIC: &str = "ostler partial 1";
pub(super) const FOLDER: &str = "partial";
/// A body is kept only if so many of its length are free: several come at once, and what is made of them needs room, too.
const ROOM: u64 = 16;

/// What an earlier pull left, by name.
#[derive(Default)]
pub(crate) struct Partials {
    found: HashSet<String>,
}

impl Partials {
    /// Looks what is there.
    pub(crate) fn of(intake: &Intake) -> Result<Self, StoreError> {
        let mut found = HashSet::new();
        if let Some(dir) = intake.staging_dir().open_dir_optional(FOLDER)? {
            for entry in dir.entries()?.iter() {
                found.extend(entry.str_name().map(str::to_owned));
            }
        }
        Ok(Self { found })
    }

    /// What is kept of a body by the name of `name`, which nobody else has asked for.
    pub(crate) fn keep(&mut self, intake: &Intake, name: String) -> Keeper {
        let earlier = if self.found.remove(&name) {
            Earlier::open(intake.staging_dir(), &name)
        } else {
            None
        };
        Keeper {
            intake: intake.clone(),
            name,
            has_file: earlier.is_some(),
            state: earlier.map_or(State::Empty, State::Earlier),
        }
    }
}

/// Keeps the beginning of one body.
pub(crate) struct Keeper {
    intake: Intake,
    name: String,
    state: State,
    /// Whether there is a file by that name.
    has_file: bool,
}

enum State {
    /// Nothing is kept yet.
    Empty,
    /// What an earlier pull left.
    Earlier(Earlier),
    /// Some bytes, not written yet.
    Gathering(Head, Vec<u8>),
    /// All bytes so far are in the file and after it in memory.
    Writing(File, Vec<u8>),
    /// Nothing is kept.
    Off,
}

/// What has to hold for the bytes to be a beginning of today's body.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Head {
    total_bytes: Option<u64>,
    etag: Option<String>,
}

struct Earlier {
    file: File,
    head: Head,
    bytes: u64,
}

impl Keeper {
    /// Keeps nothing.
    pub(crate) fn off(intake: &Intake) -> Self {
        Self {
            intake: intake.clone(),
            name: String::new(),
            state: State::Off,
            has_file: false,
        }
    }

    /// What a request says to go on after an earlier pull; of several mirrors no `ETag` says anything to another one.
    pub(crate) fn resume(&self, has_mirrors: bool) -> Option<Resume> {
        let State::Earlier(earlier) = &self.state else {
            return None;
        };
        let total = earlier.head.total_bytes.map(Validator::TotalBytes);
        let etag = earlier.head.etag.clone().map(Validator::Etag);
        let validator = match has_mirrors {
            true => total.or(etag),
            false => etag.or(total),
        };
        Some(Resume {
            offset: earlier.bytes,
            validator: validator?,
        })
    }

    /// Takes the head of an answer; calls `take` with what an earlier pull had, if the answer goes on after that.
    ///
    /// # Errors
    /// Those of `take`, and [`StoreError::Io`] if what was kept cannot be read.
    pub(crate) fn start(
        &mut self,
        start: &BodyStart,
        mut take: impl FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if start.resumed_at == 0 {
            self.forget();
            self.state = self.beginning(start);
            return Ok(());
        }
        let mut earlier = match std::mem::replace(&mut self.state, State::Off) {
            State::Earlier(earlier) => earlier,
            // It goes on after what this pull had.
            other => {
                self.state = other;
                return Ok(());
            }
        };
        earlier.replay(&mut take)?;
        self.state = State::Writing(earlier.file, Vec::new());
        Ok(())
    }

    fn beginning(&self, start: &BodyStart) -> State {
        let is_short = start.total_bytes.is_some_and(|total| total < PIECE as u64);
        let room = start.total_bytes.unwrap_or(0).saturating_mul(ROOM);
        if self.name.is_empty() || is_short || room > self.intake.free_bytes() {
            return State::Off;
        }
        let head = Head {
            total_bytes: start.total_bytes,
            etag: start.etag.clone(),
        };
        State::Gathering(head, Vec::new())
    }

    /// Keeps the next bytes, which have been taken.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let (State::Gathering(_, memory) | State::Writing(_, memory)) = &mut self.state else {
            return;
        };
        memory.extend_from_slice(bytes);
        if memory.len() >= PIECE {
            let pieces = memory.len() - memory.len() % PIECE;
            self.write_out(pieces);
        }
    }

    /// Writes the first `length` bytes that are gathered.
    fn write_out(&mut self, length: usize) {
        let written = match std::mem::replace(&mut self.state, State::Off) {
            State::Gathering(head, memory) => self
                .create(&head)
                .and_then(|file| written(file, memory, length)),
            State::Writing(file, memory) => written(file, memory, length),
            other => {
                self.state = other;
                return;
            }
        };
        match written {
            Ok((file, rest)) => self.state = State::Writing(file, rest),
            Err(_) => self.forget(),
        }
    }

    fn create(&mut self, head: &Head) -> io::Result<File> {
        let dir = self.intake.staging_dir().create_dir_all(FOLDER, 0o700)?;
        dir.unlink_optional(&*self.name)?;
        self.has_file = true;
        let mut file = dir.create_file(&*self.name, 0o600)?;
        file.write_all(&head.to_bytes().ok_or(io::ErrorKind::InvalidInput)?)?;
        Ok(file)
    }

    /// Drops what is kept: it is of no use, or no longer needed.
    pub(crate) fn forget(&mut self) {
        if std::mem::take(&mut self.has_file) {
            let path = format!("{FOLDER}/{}", self.name);
            // What stays is judged by its head, or goes with the staging directory.
            let _ = self.intake.staging_dir().unlink_optional(Trusted(&path));
        }
        self.state = State::Off;
    }
}

/// A body that did not end is kept as far as it came.
impl Drop for Keeper {
    fn drop(&mut self) {
        if let State::Writing(_, memory) = &self.state {
            let length = memory.len();
            self.write_out(length);
        }
    }
}

fn written(mut file: File, mut memory: Vec<u8>, length: usize) -> io::Result<(File, Vec<u8>)> {
    file.write_all(&memory[..length])?;
    memory.drain(..length);
    Ok((file, memory))
}

impl Head {
    /// `None` if an `ETag` is longer than there is room for.
    fn to_bytes(&self) -> Option<Vec<u8>> {
        let total = self.total_bytes.map_or("-".to_owned(), |n| n.to_string());
        let etag = self.etag.as_deref().unwrap_or("-");
        let mut bytes = format!("{MAGIC}\n{total}\n{etag}\n").into_bytes();
        let fits = bytes.len() as u64 <= HEAD && !etag.contains('\n');
        bytes.resize(usize::try_from(HEAD).ok()?, 0);
        fits.then_some(bytes)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\0');
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (magic, total, etag) = (lines.next()?, lines.next()?, lines.next()?);
        if magic != MAGIC || lines.next().is_some() {
            return None;
        }
        let total_bytes = match total {
            "-" => None,
            number => Some(number.parse().ok()?),
        };
        let etag = (etag != "-").then(|| etag.to_owned());
        // A weak one says that two bodies mean the same, not that they are.
        let etag = etag.filter(|etag| etag.starts_with('"'));
        Some(Self { total_bytes, etag })
    }
}

impl Earlier {
    /// `None` if it is not what this module wrote; it is removed then.
    fn open(staging: &Dir, name: &str) -> Option<Self> {
        let dir = staging.open_dir_optional(FOLDER).ok()??;
        let opened = Self::read(&dir, name);
        if opened.is_none() {
            let _ = dir.unlink_optional(name);
        }
        opened
    }

    fn read(dir: &Dir, name: &str) -> Option<Self> {
        let mut file = dir.open_file(name, Access::ReadWrite).ok()?;
        let stat = ostler_fs::file::metadata(&file).ok()?;
        let mut bytes = stat.is_file().then(|| stat.size.checked_sub(HEAD))??;
        let mut head = vec![0; usize::try_from(HEAD).ok()?];
        file.read_exact(&mut head).ok()?;
        let head = Head::parse(&head)?;
        if let Some(total) = head.total_bytes {
            // Of a body that is here as a whole the last byte is asked for again: there is no range without a byte.
            let most = total.checked_sub(1)?;
            if bytes > most {
                bytes = most;
                file.set_len(HEAD + bytes).ok()?;
            }
        }
        (bytes > 0).then_some(Self { file, head, bytes })
    }

    fn replay(
        &mut self,
        take: &mut impl FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let unreadable = |error| StoreError::io("reading what an earlier pull had", error);
        self.file.seek(SeekFrom::Start(HEAD)).map_err(unreadable)?;
        let mut piece = vec![0; PIECE];
        let mut left = self.bytes;
        while left > 0 {
            let most = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = self.file.read(&mut piece[..most]).map_err(unreadable)?;
            if count == 0 {
                return Err(unreadable(io::ErrorKind::UnexpectedEof.into()));
            }
            take(&piece[..count])?;
            left -= count as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written_and_anything_else_is_none() {
        for (total_bytes, etag) in [(None, None), (Some(7), Some("\"a b\"".to_owned()))] {
            let head = Head { total_bytes, etag };
            assert_eq!(Head::parse(&head.to_bytes().unwrap()), Some(head));
        }
        let weak = Head {
            total_bytes: Some(7),
            etag: Some("W/\"a\"".to_owned()),
        };
        let read = Head::parse(&weak.to_bytes().unwrap()).unwrap();
        assert_eq!((read.total_bytes, read.etag), (Some(7), None));
        let long = Head {
            total_bytes: None,
            etag: Some("x".repeat(600)),
        };
        assert_eq!(long.to_bytes(), None);
        for bad in [
            "",
            "ostler partial 1\n",
            "ostler partial 2\n-\n-\n",
            "ostler partial 1\nx\n-\n",
            "ostler partial 1\n-\n-\n-\n",
        ] {
            assert_eq!(Head::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
