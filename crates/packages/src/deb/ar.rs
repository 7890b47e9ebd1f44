//! `ar`, the container of a Debian package: a header of sixty bytes before each member, read from start to end.

use std::io::{self, Read};

use super::file::DebError;

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER_BYTES: usize = 60;

/// A member's name and length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Bytes of its content.
    pub size: u64,
}

/// Reads members one after the other; [`Read`] gives the content of the one that was found last.
#[derive(Debug)]
pub struct ArReader<R> {
    inner: R,
    left: u64,
    /// Whether a byte that evens the content is to come.
    padded: bool,
}

impl<R: Read> ArReader<R> {
    /// Begins to read.
    ///
    /// # Errors
    /// It is no `ar`.
    pub fn new(mut inner: R) -> Result<Self, DebError> {
        let mut magic = [0; MAGIC.len()];
        read_exact(&mut inner, &mut magic)?;
        if magic != *MAGIC {
            return Err(DebError::NoDeb);
        }
        Ok(Self {
            inner,
            left: 0,
            padded: false,
        })
    }

    /// Goes to the next member; `None` at the end.
    ///
    /// # Errors
    /// The file ends within a member, or a header is broken.
    pub fn next_member(&mut self) -> Result<Option<Member>, DebError> {
        let skip = self.left + u64::from(self.padded);
        let skipped = io::copy(&mut (&mut self.inner).take(skip), &mut io::sink())?;
        // The last member may lack what evens it.
        if skipped < self.left {
            return Err(DebError::Truncated);
        }
        let mut header = Vec::with_capacity(HEADER_BYTES);
        (&mut self.inner)
            .take(HEADER_BYTES as u64)
            .read_to_end(&mut header)?;
        if header.is_empty() {
            return Ok(None);
        }
        if header.len() < HEADER_BYTES {
            return Err(DebError::Truncated);
        }
        let member = parse(&header)?;
        (self.left, self.padded) = (member.size, member.size % 2 == 1);
        Ok(Some(member))
    }
}

impl<R: Read> Read for ArReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if limit == 0 {
            return Ok(0);
        }
        let got = self.inner.read(&mut buffer[..limit])?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= got as u64;
        Ok(got)
    }
}

fn parse(header: &[u8]) -> Result<Member, DebError> {
    let text = |from: usize, to: usize| std::str::from_utf8(&header[from..to]).map(str::trim_end);
    let (Ok(name), Ok(size), b"`\n") = (text(0, 16), text(48, 58), &header[58..]) else {
        return Err(DebError::Member);
    };
    let name = name.strip_suffix('/').unwrap_or(name);
    let is_number = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit());
    match size.parse() {
        Ok(size) if is_number && !name.is_empty() => Ok(Member {
            name: name.to_owned(),
            size,
        }),
        _ => Err(DebError::Member),
    }
}

/// As [`Read::read_exact`], with this module's error for an early end.
fn read_exact(from: &mut impl Read, buffer: &mut [u8]) -> Result<(), DebError> {
    from.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => DebError::NoDeb,
        _ => DebError::Io(error),
    })
}
