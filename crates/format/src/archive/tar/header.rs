//! One block of 512 bytes that says what follows it.

use super::{BLOCK, number};

/// Which fields a header has beyond those of the oldest tar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// None.
    Oldest,
    /// POSIX's: the field before the name.
    Ustar,
    /// GNU's: a sparse map.
    Gnu,
}

/// A header's fields as numbers and bytes.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) dialect: Dialect,
    pub(super) typeflag: u8,
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    /// Permissions alone.
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) size: u64,
}

impl Header {
    /// Parses a block; `None` for one of zeros, which ends an archive.
    pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Option<Self>, String> {
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        check_sum(block)?;
        let dialect = match &block[257..265] {
            b"ustar  \0" => Dialect::Gnu,
            magic if magic.starts_with(b"ustar") => Dialect::Ustar,
            _ => Dialect::Oldest,
        };
        let mut name = text(&block[..100]).to_owned();
        let before = text(&block[345..500]);
        if dialect == Dialect::Ustar && !before.is_empty() {
            name = [before, b"/", &name].concat();
        }
        let field = |what: &str, bytes: &[u8]| {
            number::parse(bytes).map_err(|problem| format!("its {what}: {problem}"))
        };
        Ok(Some(Self {
            dialect,
            typeflag: block[156],
            name,
            link: text(&block[157..257]).to_owned(),
            mode: (field("mode", &block[100..108])? & 0o7777) as u32,
            uid: field("owner", &block[108..116])?,
            gid: field("group", &block[116..124])?,
            size: field("size", &block[124..136])?,
        }))
    }
}

/// The bytes before the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The sum is of all bytes, those of the sum itself as spaces; some old programs took bytes for signed.
fn check_sum(block: &[u8; BLOCK]) -> Result<(), String> {
    let found = number::parse(&block[148..156]).map_err(|problem| format!("its sum: {problem}"))?;
    let (before, after) = (&block[..148], &block[156..]);
    let unsigned: u64 = before.iter().chain(after).map(|b| u64::from(*b)).sum();
    let signed: i64 = before
        .iter()
        .chain(after)
        .map(|b| i64::from(*b as i8))
        .sum();
    let spaces = 8 * u64::from(b' ');
    if found == unsigned + spaces || i64::try_from(found) == Ok(signed + 8 * i64::from(b' ')) {
        Ok(())
    } else {
        Err("its sum is not that of its bytes".into())
    }
}
