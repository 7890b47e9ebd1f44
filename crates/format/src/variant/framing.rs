//! Where the members of a serialized container begin and end.
//!
//! ```text
//! tuple           member 0, pad, member 1, ..., member n-1, [end of member k]...   variable members but the last, in reverse
//! array, fixed    item 0, item 1, ...
//! array, variable item 0, pad, item 1, ..., [end of item 0], [end of item 1], ...
//! ```
//! Ends are little-endian and 1, 2, 4 or 8 bytes wide: the narrowest width in which the whole container's size fits.

use super::error::{VariantError, not_normal};

/// The layout of one type: its alignment in bytes (1, 2, 4 or 8), and its size if that is fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Alignment in bytes, relative to the start of the outermost container.
    pub align: usize,
    /// The size of every value of the type, if they have the same.
    pub fixed: Option<usize>,
}

impl Member {
    /// A fixed-size type.
    pub const fn fixed(align: usize, size: usize) -> Self {
        Self {
            align,
            fixed: Some(size),
        }
    }

    /// A type whose values differ in size.
    pub const fn variable(align: usize) -> Self {
        Self { align, fixed: None }
    }
}

/// The layout of a tuple of these members; the unit `()` is one byte.
pub(crate) fn tuple_layout(members: impl Iterator<Item = Member>) -> Member {
    let mut align = 1;
    let mut size = Some(0);
    for member in members {
        align = align.max(member.align);
        size = size
            .zip(member.fixed)
            .map(|(at, fixed)| align_up(at, member.align) + fixed);
    }
    Member {
        align,
        fixed: size.map(|size| align_up(size, align).max(1)),
    }
}

pub(crate) const fn align_up(at: usize, align: usize) -> usize {
    (at + align - 1) & !(align - 1)
}

/// The width of the framing offsets of a container of `size` bytes, offsets included.
#[inline]
pub(crate) const fn width_of(size: usize) -> usize {
    if size <= 0xff {
        1
    } else if size <= 0xffff {
        2
    } else if size as u64 <= 0xffff_ffff {
        4
    } else {
        8
    }
}

/// The width that a container with `body` bytes and `count` offsets needs.
pub(crate) const fn width_for(body: usize, count: usize) -> usize {
    if count == 0 {
        return 0;
    }
    if body + count <= 0xff {
        1
    } else if body + 2 * count <= 0xffff {
        2
    } else if (body + 4 * count) as u64 <= 0xffff_ffff {
        4
    } else {
        8
    }
}

#[inline]
pub(crate) fn read_end(bytes: &[u8]) -> usize {
    let end = match *bytes {
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_le_bytes([a, b])),
        [a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => u64::MAX,
    };
    usize::try_from(end).unwrap_or(usize::MAX)
}

pub(crate) fn push_end(out: &mut Vec<u8>, width: usize, end: usize) {
    out.extend_from_slice(&(end as u64).to_le_bytes()[..width]);
}

#[inline]
pub(crate) fn zero_padding(padding: &[u8]) -> Result<(), VariantError> {
    if padding.iter().all(|&byte| byte == 0) {
        Ok(())
    } else {
        Err(not_normal("padding is not zero"))
    }
}

/// Calls `visit` with the bytes of each member of a tuple in normal form, in order.
///
/// Everything about the tuple's own frame is checked (padding, order of ends, width, no slack); the members' bytes
/// are not looked at, except that a fixed-size member has its size.
pub(crate) fn walk_tuple<'a, E: From<VariantError>>(
    bytes: &'a [u8],
    members: impl ExactSizeIterator<Item = Member> + Clone,
    mut visit: impl FnMut(&'a [u8]) -> Result<(), E>,
) -> Result<(), E> {
    let width = width_of(bytes.len());
    let last = members.len().wrapping_sub(1);
    let ends = members
        .clone()
        .enumerate()
        .filter(|(i, m)| m.fixed.is_none() && *i != last)
        .count();
    let align = members.clone().map(|m| m.align).max().unwrap_or(1);
    let all_fixed = members.clone().all(|m| m.fixed.is_some());
    let body = ends
        .checked_mul(width)
        .and_then(|frame| bytes.len().checked_sub(frame));
    let body = body.ok_or_else(|| not_normal("a tuple is shorter than its framing"))?;
    if ends > 0 && width_for(body, ends) != width {
        return Err(not_normal("framing offsets are wider than needed").into());
    }
    let mut at = 0;
    let mut frame = bytes.len();
    for (i, member) in members.enumerate() {
        let start = align_up(at, member.align);
        let end = match member.fixed {
            Some(size) => start + size,
            None if i == last => body,
            None => {
                frame -= width;
                read_end(&bytes[frame..frame + width])
            }
        };
        if start > end || end > body {
            // An empty last member after padding that is not there has no bytes to point at.
            return Err(not_normal("a member lies outside its tuple").into());
        }
        zero_padding(&bytes[at..start])?;
        visit(&bytes[start..end])?;
        at = end;
    }
    if all_fixed {
        let size = align_up(at, align).max(1);
        if bytes.len() != size {
            return Err(not_normal("a tuple of fixed size has another").into());
        }
        zero_padding(&bytes[at..])?;
    } else if at != body {
        return Err(not_normal("bytes between a tuple's members and its framing").into());
    }
    Ok(())
}

/// The bytes of each member of a tuple of known shape.
///
/// The tuple's own frame is checked whole, and that a member of fixed size has it; the members' bytes are not looked at.
pub fn split_tuple<'a, const N: usize>(
    bytes: &'a [u8],
    members: &[Member; N],
) -> Result<[&'a [u8]; N], VariantError> {
    let mut parts: [&[u8]; N] = [&[]; N];
    let mut i = 0;
    walk_tuple::<VariantError>(bytes, members.iter().copied(), |part| {
        parts[i] = part;
        i += 1;
        Ok(())
    })?;
    Ok(parts)
}

/// The items of a serialized array of variable-size items, without an allocation.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    bytes: &'a [u8],
    align: usize,
    width: usize,
    /// Position of the next end to read.
    frame: usize,
    /// End of the item before.
    at: usize,
    /// End of the items, start of the ends.
    body: usize,
}

impl<'a> Items<'a> {
    /// Checks the array's size and framing width; the items' own places are checked as they are reached.
    pub fn new(bytes: &'a [u8], align: usize) -> Result<Self, VariantError> {
        let width = width_of(bytes.len());
        if bytes.is_empty() {
            return Ok(Self {
                bytes,
                align,
                width,
                frame: 0,
                at: 0,
                body: 0,
            });
        }
        let body = read_end(&bytes[bytes.len() - width.min(bytes.len())..]);
        let frame = bytes
            .len()
            .checked_sub(body)
            .filter(|frame| *frame > 0 && frame % width == 0);
        let frame = frame.ok_or_else(|| not_normal("an array's framing is not whole"))?;
        if width_for(body, frame / width) != width {
            return Err(not_normal("framing offsets are wider than needed"));
        }
        Ok(Self {
            bytes,
            align,
            width,
            frame: body,
            at: 0,
            body,
        })
    }

    /// The next item's bytes.
    #[inline]
    pub(crate) fn step(&mut self) -> Result<Option<&'a [u8]>, VariantError> {
        if self.frame >= self.bytes.len() {
            return Ok(None);
        }
        let end = read_end(&self.bytes[self.frame..self.frame + self.width]);
        let start = align_up(self.at, self.align);
        if start > end || end > self.body {
            return Err(not_normal("an array's items are out of order"));
        }
        zero_padding(&self.bytes[self.at..start])?;
        self.frame += self.width;
        self.at = end;
        Ok(Some(&self.bytes[start..end]))
    }

    /// Where the items end and their ends begin.
    pub(crate) fn body(&self) -> usize {
        self.body
    }

    /// Items not yet returned.
    pub fn remaining(&self) -> usize {
        (self.bytes.len() - self.frame) / self.width
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<&'a [u8], VariantError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// The text of a serialized string in normal form.
#[inline]
pub fn split_str(bytes: &[u8]) -> Result<&str, VariantError> {
    let text = match bytes.split_last() {
        Some((0, text)) => text,
        _ => return Err(not_normal("a string does not end with NUL")),
    };
    let text = std::str::from_utf8(text).map_err(|_| not_normal("a string is not UTF-8"))?;
    if text.as_bytes().contains(&0) {
        return Err(not_normal("a string holds NUL"));
    }
    Ok(text)
}
