//! What precedes a file's content: in the stream that is checksummed, and in an archive's `.filez`.
//!
//! ```text
//! content stream  u32 BE length of the header | 4 zero bytes | (uuuusa(ayay)) uid gid mode rdev target xattrs  | content
//! .filez          u32 BE length of the header | 4 zero bytes | (tuuuusa(ayay)) content size, then as above      | raw deflate
//! user.ostreemeta (uuua(ayay)) uid gid mode xattrs
//! ```
//! All numbers are big-endian; the mode has its file type; rdev is 0; a symlink has a target and no content.

use std::io::{self, Read};

use thiserror::Error;

use crate::checksum::{FileId, Hasher};
use crate::dirmeta::{self, be_u32, be_u64};
use crate::error::{InObject as _, ObjectError};
use crate::mode::{S_IFLNK, S_IFMT, S_IFREG, check_mode};
use crate::variant::{Member, push_frame, split_str, split_tuple};
use crate::xattrs::Xattrs;

/// Bytes that a file header may have; larger ones are refused before they are read.
pub const MAX_HEADER_SIZE: u64 = 4 * 1024 * 1024;
/// Bytes of length and zeros before a header.
pub const HEADER_PREFIX_LEN: usize = 8;

const OBJECT: &str = "file header";
const USER_META: &str = "user.ostreemeta";
const U32: Member = Member::fixed(4, 4);
const TEXT: Member = Member::variable(1);
const CONTENT_LAYOUT: [Member; 6] = [U32, U32, U32, U32, TEXT, TEXT];
const ARCHIVE_LAYOUT: [Member; 7] = [Member::fixed(8, 8), U32, U32, U32, U32, TEXT, TEXT];

/// Owner, mode, symlink target and xattrs of a regular file or symlink.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileHeader {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permissions, with [`S_IFREG`] or [`S_IFLNK`].
    pub mode: u32,
    /// Where a symlink points; empty for a regular file.
    pub symlink_target: String,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

/// A header that can't be read from a stream.
#[derive(Debug, Error)]
pub enum ReadHeaderError {
    /// The stream failed or ended early.
    #[error("file header: {0}")]
    Io(#[from] io::Error),
    /// The header is broken.
    #[error("{0}")]
    Object(#[from] ObjectError),
}

impl FileHeader {
    /// Whether it is a symlink's; it is a regular file's otherwise.
    pub fn is_symlink(&self) -> bool {
        self.mode & S_IFMT == S_IFLNK
    }

    /// Parses `(uuuusa(ayay))`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        let [uid, gid, mode, rdev, target, xattrs] =
            split_tuple(bytes, &CONTENT_LAYOUT).within(OBJECT)?;
        Self::from_parts([uid, gid, mode, rdev], target, xattrs)
    }

    fn from_parts(numbers: [&[u8]; 4], target: &[u8], xattrs: &[u8]) -> Result<Self, ObjectError> {
        let [uid, gid, mode, rdev] = numbers.map(be_u32);
        if rdev != 0 {
            return Err(field("its device number is not 0"));
        }
        let header = Self {
            uid,
            gid,
            mode,
            symlink_target: split_str(target).within(OBJECT)?.into(),
            xattrs: Xattrs::parse(xattrs)?,
        };
        header.check()?;
        Ok(header)
    }

    fn check(&self) -> Result<(), ObjectError> {
        check_mode(OBJECT, self.mode, &[S_IFREG, S_IFLNK])?;
        match (self.is_symlink(), self.symlink_target.is_empty()) {
            (true, true) => Err(field("a symlink without a target")),
            (false, false) => Err(field("a regular file with a symlink target")),
            _ if self.symlink_target.contains('\0') => Err(field("NUL in a symlink target")),
            _ => Ok(()),
        }
    }

    /// The `(uuuusa(ayay))`.
    ///
    /// # Errors
    /// A mode that is neither a regular file's nor a symlink's, or a target that does not go with it.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ObjectError> {
        let mut out = Vec::with_capacity(18 + self.symlink_target.len());
        self.check()?;
        self.encode(&mut out, 0);
        Ok(out)
    }

    /// Appends the members after the size to a tuple that began at `start`.
    fn encode(&self, out: &mut Vec<u8>, start: usize) {
        for number in [self.uid, self.gid, self.mode, 0] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(self.symlink_target.as_bytes());
        out.push(0);
        let target_end = out.len();
        self.xattrs.encode(out);
        push_frame(out, start, [target_end].into_iter());
    }

    /// The bytes before the content in the stream whose SHA-256 is the [`FileId`].
    pub fn content_prefix(&self) -> Result<Vec<u8>, ObjectError> {
        let mut out = Vec::with_capacity(HEADER_PREFIX_LEN + 18 + self.symlink_target.len());
        self.write_content_prefix(&mut out)?;
        Ok(out)
    }

    /// As [`FileHeader::content_prefix`], into a buffer that is cleared first, so that it can be used again.
    pub fn write_content_prefix(&self, out: &mut Vec<u8>) -> Result<(), ObjectError> {
        self.check()?;
        out.clear();
        out.extend_from_slice(&[0; HEADER_PREFIX_LEN]);
        self.encode(out, HEADER_PREFIX_LEN);
        set_length(out)
    }

    /// A hasher that has taken the prefix and waits for the content.
    pub fn hasher(&self) -> Result<Hasher, ObjectError> {
        let mut hasher = Hasher::new();
        hasher.update(&self.content_prefix()?);
        Ok(hasher)
    }

    /// The id of a symlink, which has no content.
    pub fn file_id_of_symlink(&self) -> Result<FileId, ObjectError> {
        if !self.is_symlink() {
            return Err(ObjectError::Mode {
                object: OBJECT,
                mode: self.mode,
            });
        }
        Ok(self.hasher()?.finish().into())
    }

    /// The bytes before the deflate stream in a `.filez`; `size` is the uncompressed size, 0 for a symlink.
    pub fn archive_prefix(&self, size: u64) -> Result<Vec<u8>, ObjectError> {
        self.check()?;
        self.check_content_size(size)?;
        let mut out = Vec::with_capacity(HEADER_PREFIX_LEN + 26 + self.symlink_target.len());
        out.extend_from_slice(&[0; HEADER_PREFIX_LEN]);
        out.extend_from_slice(&size.to_be_bytes());
        self.encode(&mut out, HEADER_PREFIX_LEN);
        set_length(&mut out)?;
        Ok(out)
    }

    fn check_content_size(&self, size: u64) -> Result<(), ObjectError> {
        if self.is_symlink() && size != 0 {
            return Err(field("a symlink with content"));
        }
        Ok(())
    }

    fn parse_archive_header(bytes: &[u8]) -> Result<(Self, u64), ObjectError> {
        let [size, uid, gid, mode, rdev, target, xattrs] =
            split_tuple(bytes, &ARCHIVE_LAYOUT).within(OBJECT)?;
        let header = Self::from_parts([uid, gid, mode, rdev], target, xattrs)?;
        let size = be_u64(size);
        header.check_content_size(size)?;
        Ok((header, size))
    }

    /// Where the header at the start of a `.filez` ends; `None` if its length has not come yet.
    ///
    /// # Errors
    /// It is longer than [`MAX_HEADER_SIZE`].
    pub fn archive_prefix_end(bytes: &[u8]) -> Result<Option<usize>, ObjectError> {
        let prefix = bytes.first_chunk();
        prefix
            .map(|prefix| Ok(HEADER_PREFIX_LEN + header_len(prefix)?))
            .transpose()
    }

    /// Parses the start of a `.filez`: the header, the uncompressed size, and where the deflate stream begins.
    ///
    /// The size is what the writer says; whoever unpacks must hold the stream to it.
    pub fn parse_archive_prefix(bytes: &[u8]) -> Result<(Self, u64, usize), ObjectError> {
        let prefix = bytes.first_chunk().ok_or_else(|| field("it ends early"))?;
        let end = HEADER_PREFIX_LEN + header_len(prefix)?;
        let header = bytes
            .get(HEADER_PREFIX_LEN..end)
            .ok_or_else(|| field("it ends early"))?;
        let (header, size) = Self::parse_archive_header(header)?;
        Ok((header, size, end))
    }

    /// Reads the start of a `.filez` and leaves the reader where the deflate stream begins.
    ///
    /// Memory grows with what the reader really gives, up to [`MAX_HEADER_SIZE`].
    pub fn read_archive_prefix(reader: &mut impl Read) -> Result<(Self, u64), ReadHeaderError> {
        Ok(Self::parse_archive_header(&read_header(reader)?)?)
    }

    /// Reads the start of a content stream and leaves the reader where the content begins.
    ///
    /// Memory grows with what the reader really gives, up to [`MAX_HEADER_SIZE`].
    pub fn read_content_prefix(reader: &mut impl Read) -> Result<Self, ReadHeaderError> {
        Ok(Self::parse(&read_header(reader)?)?)
    }

    /// The value of the xattr `user.ostreemeta`, in which `bare-user` keeps what the file system does not.
    pub fn to_user_meta(&self) -> Result<Vec<u8>, ObjectError> {
        check_mode(USER_META, self.mode, &[S_IFREG, S_IFLNK])?;
        Ok(dirmeta::encode(self.uid, self.gid, self.mode, &self.xattrs))
    }

    /// Parses `user.ostreemeta`. A symlink's target is not in it but in the file, so it comes back empty.
    pub fn parse_user_meta(bytes: &[u8]) -> Result<Self, ObjectError> {
        let [uid, gid, mode, xattrs] = split_tuple(bytes, &dirmeta::LAYOUT).within(USER_META)?;
        let mode = be_u32(mode);
        check_mode(USER_META, mode, &[S_IFREG, S_IFLNK])?;
        Ok(Self {
            uid: be_u32(uid),
            gid: be_u32(gid),
            mode,
            symlink_target: String::new(),
            xattrs: Xattrs::parse(xattrs)?,
        })
    }
}

fn field(problem: &'static str) -> ObjectError {
    ObjectError::Field {
        object: OBJECT,
        problem,
    }
}

/// Writes the length of what follows the prefix into it.
fn set_length(out: &mut [u8]) -> Result<(), ObjectError> {
    let found = (out.len() - HEADER_PREFIX_LEN) as u64;
    match u32::try_from(found) {
        Ok(length) if found <= MAX_HEADER_SIZE => {
            out[..4].copy_from_slice(&length.to_be_bytes());
            Ok(())
        }
        _ => Err(ObjectError::TooLarge {
            object: OBJECT,
            found,
            limit: MAX_HEADER_SIZE,
        }),
    }
}

fn header_len(prefix: &[u8; HEADER_PREFIX_LEN]) -> Result<usize, ObjectError> {
    let found = u64::from(be_u32(&prefix[..4]));
    if prefix[4..] != [0; 4] {
        return Err(field("the bytes after its length are not zero"));
    }
    match usize::try_from(found) {
        Ok(length) if found <= MAX_HEADER_SIZE => Ok(length),
        _ => Err(ObjectError::TooLarge {
            object: OBJECT,
            found,
            limit: MAX_HEADER_SIZE,
        }),
    }
}

fn read_header(reader: &mut impl Read) -> Result<Vec<u8>, ReadHeaderError> {
    let mut prefix = [0; HEADER_PREFIX_LEN];
    reader.read_exact(&mut prefix)?;
    let length = header_len(&prefix)?;
    let mut header = Vec::with_capacity(length.min(4096));
    reader.take(length as u64).read_to_end(&mut header)?;
    if header.len() != length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(header)
}
