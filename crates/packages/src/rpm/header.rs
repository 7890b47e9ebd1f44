//! rpm's header: an index of fields and the data that it leads into, as the database keeps it, without magic.

use std::borrow::Cow;

use crate::error::PackagesError;

/// The largest header that is read, rpm's own limit.
pub const MAX_BYTES: u64 = 256 << 20;
/// The most entries that an index has, rpm's own limit.
const MAX_ENTRIES: usize = 0xffff;
const ENTRY_BYTES: usize = 16;

/// What kind of value a field has, as numbered in the index.
mod kind {
    pub(super) const INT8: u32 = 2;
    pub(super) const INT16: u32 = 3;
    pub(super) const INT32: u32 = 4;
    pub(super) const INT64: u32 = 5;
    pub(super) const STRING: u32 = 6;
    pub(super) const BYTES: u32 = 7;
    pub(super) const STRINGS: u32 = 8;
    pub(super) const TRANSLATED: u32 = 9;
}

/// A header, of which fields are read as they are asked for.
///
/// Whatever the bytes are, reading a field takes no more memory than some times their length.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    index: &'a [u8],
    data: &'a [u8],
}

/// One entry of the index.
struct Entry {
    kind: u32,
    offset: usize,
    count: usize,
}

impl<'a> Header<'a> {
    /// Splits a header into its index and its data.
    ///
    /// # Errors
    /// [`PackagesError`] if it is too large, or not as long as it says.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PackagesError> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(PackagesError::TooLarge {
                found: bytes.len() as u64,
                max: MAX_BYTES,
            });
        }
        let Some((counts, rest)) = bytes.split_at_checked(8) else {
            return Err(PackagesError::at_byte(0, "it ends within its counts"));
        };
        let (entries, length) = (be_u32(counts, 0) as usize, be_u32(counts, 4) as usize);
        if entries > MAX_ENTRIES {
            return Err(PackagesError::at_byte(0, "its index is too long"));
        }
        let Some((index, data)) = rest.split_at_checked(entries * ENTRY_BYTES) else {
            return Err(PackagesError::at_byte(8, "it ends within its index"));
        };
        if data.len() != length {
            let problem = "its data is not as long as it says";
            return Err(PackagesError::at_byte(4, problem));
        }
        Ok(Self { index, data })
    }

    fn entry(&self, tag: u32) -> Option<Entry> {
        let mut entries = self.index.chunks_exact(ENTRY_BYTES);
        let entry = entries.find(|entry| be_u32(entry, 0) == tag)?;
        Some(Entry {
            kind: be_u32(entry, 4),
            offset: be_u32(entry, 8) as usize,
            count: be_u32(entry, 12) as usize,
        })
    }

    /// Whether the field is there.
    #[must_use]
    pub fn has(&self, tag: u32) -> bool {
        self.entry(tag).is_some()
    }

    /// Reads a text; `None` if the field is absent. Of a translated one, the first.
    ///
    /// # Errors
    /// The field is no text, or not UTF-8.
    pub fn text(&self, tag: u32) -> Result<Option<&'a str>, PackagesError> {
        let Some(entry) = self.entry(tag) else {
            return Ok(None);
        };
        if !matches!(entry.kind, kind::STRING | kind::TRANSLATED) {
            return Err(wrong_kind(&entry));
        }
        let (bytes, _) = self.string_at(entry.offset)?;
        let text = std::str::from_utf8(bytes);
        let text = text.map_err(|_| PackagesError::at_byte(entry.offset, "text that is not UTF-8"));
        text.map(Some)
    }

    /// Reads a list of texts, empty if the field is absent; what is no UTF-8 is replaced.
    ///
    /// # Errors
    /// The field is no list of texts.
    pub fn texts(&self, tag: u32) -> Result<Vec<Cow<'a, str>>, PackagesError> {
        let list = self.byte_strings(tag)?.into_iter();
        Ok(list.map(String::from_utf8_lossy).collect())
    }

    /// Reads a list of texts as they are, without their NULs; empty if the field is absent.
    ///
    /// # Errors
    /// The field is no list of texts.
    pub fn byte_strings(&self, tag: u32) -> Result<Vec<&'a [u8]>, PackagesError> {
        let Some(entry) = self.entry(tag) else {
            return Ok(Vec::new());
        };
        let count = match entry.kind {
            kind::STRING => 1,
            kind::STRINGS | kind::TRANSLATED => entry.count,
            _ => return Err(wrong_kind(&entry)),
        };
        let mut at = entry.offset;
        // A hostile count ends at the end of the data; each text has one byte at least.
        let mut list = Vec::with_capacity(count.min(self.data.len()));
        for _ in 0..count {
            let (bytes, next) = self.string_at(at)?;
            list.push(bytes);
            at = next;
        }
        Ok(list)
    }

    /// Reads a list of numbers of any width, empty if the field is absent.
    ///
    /// # Errors
    /// The field is no list of numbers, or leads beyond the data.
    pub fn numbers(&self, tag: u32) -> Result<Vec<u64>, PackagesError> {
        let Some(entry) = self.entry(tag) else {
            return Ok(Vec::new());
        };
        let width = match entry.kind {
            kind::INT8 => 1,
            kind::INT16 => 2,
            kind::INT32 => 4,
            kind::INT64 => 8,
            _ => return Err(wrong_kind(&entry)),
        };
        let bytes = self.slice(entry.offset, entry.count.checked_mul(width))?;
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        Ok(bytes.chunks_exact(width).map(number).collect())
    }

    /// Reads the first number of a field.
    ///
    /// # Errors
    /// As [`Header::numbers`].
    pub fn number(&self, tag: u32) -> Result<Option<u64>, PackagesError> {
        Ok(self.numbers(tag)?.first().copied())
    }

    /// Reads bytes; `None` if the field is absent.
    ///
    /// # Errors
    /// The field is of another kind, or leads beyond the data.
    pub fn bytes(&self, tag: u32) -> Result<Option<&'a [u8]>, PackagesError> {
        let Some(entry) = self.entry(tag) else {
            return Ok(None);
        };
        match entry.kind {
            kind::BYTES => self.slice(entry.offset, Some(entry.count)).map(Some),
            _ => Err(wrong_kind(&entry)),
        }
    }

    fn slice(&self, offset: usize, length: Option<usize>) -> Result<&'a [u8], PackagesError> {
        length
            .and_then(|length| offset.checked_add(length))
            .and_then(|end| self.data.get(offset..end))
            .ok_or_else(|| PackagesError::at_byte(offset, "a field beyond the data"))
    }

    /// The text at an offset, and where the next one begins.
    fn string_at(&self, offset: usize) -> Result<(&'a [u8], usize), PackagesError> {
        let rest = self.data.get(offset..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == 0);
        let end = end.ok_or_else(|| PackagesError::at_byte(offset, "text without an end"))?;
        Ok((&rest[..end], offset + end + 1))
    }
}

fn wrong_kind(entry: &Entry) -> PackagesError {
    PackagesError::at_byte(entry.offset, "a field of the wrong kind")
}

/// The caller has checked that four bytes are there.
fn be_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
