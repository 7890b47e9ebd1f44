//! Bytes of a new version, as what differs from those of an old one.
//!
//! ```text
//! control   numbers, three of each region: how many fresh bytes come before it, how many bytes it has,
//!           and where it begins in the old version, from the end of the region before
//! changes   of each byte of a region that is not the old one: how many before it are, a number, and what is added to it
//! fresh     the bytes that are in no region; those behind the last one, too
//! ```
//! A frame has the three one after the other, each compressed by itself, after the lengths of the first two. Here they are read and
//! written as they are before that.
//!
//! Where code has moved, addresses in it change by a few bytes each and often by the same number: what stands between them stays in a region, and
//! the changes are alike.

use std::io::{self, BufRead, Read};

use crate::error::ObjectError;
use crate::varint::{read_varint, write_varint};

const OBJECT: &str = "difference";

/// Bytes of a new version that are those of the old one, or nearly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Where they begin in the old version.
    pub old: usize,
    /// Where they begin in the new version.
    pub new: usize,
    /// How many they are, more than 0.
    pub length: usize,
}

/// What a difference consists of; `T` are bytes, or what reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference<T> {
    /// The regions.
    pub control: T,
    /// What is changed in them.
    pub changes: T,
    /// What is in none.
    pub fresh: T,
}

impl Difference<Vec<u8>> {
    /// What leads from `old` to `new`. Regions are in the order of the new version, do not overlap there, and lie within both.
    pub fn between(old: &[u8], new: &[u8], regions: &[Region]) -> Self {
        let mut difference = Self::default();
        let (mut at, mut ended) = (0, 0);
        // Bytes of regions since the last change.
        let mut same = 0;
        for region in regions {
            let moved = region.old as i64 - ended as i64;
            for number in [
                (region.new - at) as u64,
                region.length as u64,
                zigzag(moved),
            ] {
                write_varint(number, &mut difference.control);
            }
            difference.fresh.extend_from_slice(&new[at..region.new]);
            (at, ended) = (region.new + region.length, region.old + region.length);
            for (new, old) in new[region.new..at].iter().zip(&old[region.old..ended]) {
                if new == old {
                    same += 1;
                } else {
                    write_varint(same, &mut difference.changes);
                    difference.changes.push(new.wrapping_sub(*old));
                    same = 0;
                }
            }
        }
        difference.fresh.extend_from_slice(&new[at..]);
        difference
    }

    /// The bytes of a frame, of parts that have been compressed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_varint(self.control.len() as u64, &mut out);
        write_varint(self.changes.len() as u64, &mut out);
        for part in [&self.control, &self.changes, &self.fresh] {
            out.extend_from_slice(part);
        }
        out
    }
}

impl<'b> Difference<&'b [u8]> {
    /// Takes a frame apart; the parts are still compressed.
    ///
    /// # Errors
    /// It is shorter than its parts.
    pub fn parse(bytes: &'b [u8]) -> Result<Self, ObjectError> {
        let short = || bad("it is shorter than its parts");
        let (control, rest) = read_varint(bytes).ok_or_else(short)?;
        let (changes, rest) = read_varint(rest).ok_or_else(short)?;
        let mut rest = rest;
        let mut part = |length: u64| {
            let (part, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            rest = after;
            Some(part)
        };
        Ok(Self {
            control: part(control).ok_or_else(short)?,
            changes: part(changes).ok_or_else(short)?,
            fresh: rest,
        })
    }
}

impl<T: BufRead> Difference<T> {
    /// Makes the `length` bytes of the new version. No more than that is held in memory, and no more steps are taken, whatever the parts
    /// say.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if a region lies outside the old version or has nothing, or the parts give more or less than
    /// `length`; what reading gives.
    pub fn apply(mut self, old: &[u8], length: usize) -> io::Result<Vec<u8>> {
        let mut new = Vec::with_capacity(length);
        let mut ended = 0_u64;
        let mut next = number_if_any(&mut self.changes)?;
        while let Some(fresh) = number_if_any(&mut self.control)? {
            take_fresh(&mut self.fresh, fresh, length, &mut new)?;
            let count = number(&mut self.control)?;
            let moved = unzigzag(number(&mut self.control)?);
            let begins = ended.checked_add_signed(moved);
            let begins = begins.ok_or_else(|| invalid("a region lies outside the old version"))?;
            let piece = piece(old, begins, count)?;
            if piece.is_empty() || piece.len() > length - new.len() {
                return Err(invalid("a region has nothing, or too much"));
            }
            let at = new.len();
            new.extend_from_slice(piece);
            change(&mut new[at..], &mut next, &mut self.changes)?;
            ended = begins + count;
        }
        let rest = (length - new.len()) as u64;
        take_fresh(&mut self.fresh, rest, length, &mut new)?;
        if next.is_some() || !self.fresh.fill_buf()?.is_empty() {
            return Err(invalid("it has more than the new version"));
        }
        Ok(new)
    }
}

fn piece(old: &[u8], begins: u64, count: u64) -> io::Result<&[u8]> {
    let range = usize::try_from(begins).ok().and_then(|begins| {
        let end = begins.checked_add(usize::try_from(count).ok()?)?;
        old.get(begins..end)
    });
    range.ok_or_else(|| invalid("a region lies outside the old version"))
}

fn take_fresh(
    from: &mut impl BufRead,
    count: u64,
    length: usize,
    new: &mut Vec<u8>,
) -> io::Result<()> {
    if count > (length - new.len()) as u64 {
        return Err(invalid("it has more fresh bytes than the new version"));
    }
    match from.by_ref().take(count).read_to_end(new)? as u64 == count {
        true => Ok(()),
        false => Err(invalid("its fresh bytes end early")),
    }
}

/// Changes bytes of a region; `next` is how many bytes of regions there are before the next change.
fn change(bytes: &mut [u8], next: &mut Option<u64>, changes: &mut impl BufRead) -> io::Result<()> {
    let mut at = 0;
    while let Some(same) = *next {
        let left = (bytes.len() - at) as u64;
        if same >= left {
            *next = Some(same - left);
            return Ok(());
        }
        at += same as usize;
        bytes[at] = bytes[at].wrapping_add(byte_of(changes)?);
        at += 1;
        *next = number_if_any(changes)?;
    }
    Ok(())
}

fn byte_of(from: &mut impl BufRead) -> io::Result<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn number(from: &mut impl BufRead) -> io::Result<u64> {
    number_if_any(from)?.ok_or_else(|| invalid("a region is not whole"))
}

/// A number; `None` where the part ends.
fn number_if_any(from: &mut impl BufRead) -> io::Result<Option<u64>> {
    if from.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let mut bytes = [0; 10];
    for byte in &mut bytes {
        *byte = byte_of(from)?;
        if *byte < 0x80 {
            break;
        }
    }
    match read_varint(&bytes) {
        Some((number, _)) => Ok(Some(number)),
        None => Err(invalid("a number is too long")),
    }
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

fn invalid(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

fn bad(problem: &'static str) -> ObjectError {
    ObjectError::Field {
        object: OBJECT,
        problem,
    }
}
