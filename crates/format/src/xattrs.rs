//! Extended attributes as objects hold them: `a(ayay)`, each name with a NUL after it.

use crate::error::{InObject as _, ObjectError};
use crate::variant::framing::{Items, Member};
use crate::variant::{push_frame, split_tuple};

/// Bytes in an xattr's name, at most (Linux's XATTR_NAME_MAX).
pub const MAX_XATTR_NAME: usize = 255;
/// Bytes in an xattr's value, at most (Linux's XATTR_SIZE_MAX).
pub const MAX_XATTR_VALUE: usize = 65536;

const OBJECT: &str = "xattrs";
const PAIR: [Member; 2] = [Member::variable(1), Member::variable(1)];

/// A set of xattrs: no name twice, in the order that is part of an object's bytes. Names are held without the NUL that follows
/// them in objects.
///
/// The order is by name but where libostree labelled a file: it puts `security.selinux` last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Xattrs(Vec<(Vec<u8>, Vec<u8>)>);

impl Xattrs {
    /// The empty set.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Sorts the pairs of name and value that a file has and checks them.
    ///
    /// Pairs without a value are left out: libostree does not see them on a file, so an object with one would never verify.
    ///
    /// # Errors
    /// A name that is repeated, empty, over [`MAX_XATTR_NAME`] or holds NUL; a value over [`MAX_XATTR_VALUE`].
    pub fn from_pairs(mut pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Self, ObjectError> {
        pairs.retain(|(_, value)| !value.is_empty());
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, value) in &pairs {
            check(name, value)?;
        }
        match pairs.windows(2).find(|two| two[0].0 == two[1].0) {
            Some(two) => Err(order(&two[1].0)),
            None => Ok(Self(pairs)),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (&name[..], &value[..]))
    }

    /// The value under `name`.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let mut pairs = self.0.iter();
        pairs.find_map(|(n, value)| (n[..] == *name).then_some(&value[..]))
    }

    /// The same set without the names that `keep` refuses.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        self.0.retain(|(name, value)| keep(name, value));
    }

    /// Adds an xattr before the first whose name is greater, in the place of one of that name; checks as
    /// [`Xattrs::from_pairs`] does.
    pub fn insert(&mut self, name: &[u8], value: &[u8]) -> Result<(), ObjectError> {
        check(name, value)?;
        self.0.retain(|(n, _)| n[..] != *name);
        let greater = self.0.iter().position(|(n, _)| n[..] > *name);
        let index = greater.unwrap_or(self.0.len());
        self.0.insert(index, (name.into(), value.into()));
        Ok(())
    }

    /// Moves the xattr of that name, if it is there, to the end.
    pub fn move_last(&mut self, name: &[u8]) {
        if let Some(index) = self.0.iter().position(|(n, _)| n[..] == *name) {
            self.0[index..].rotate_left(1);
        }
    }

    /// Parses `a(ayay)` in normal form, with no name twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        if bytes.is_empty() {
            return Ok(Self::new());
        }
        let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for pair in Items::new(bytes, 1).within(OBJECT)? {
            let [name, value] = split_tuple(pair.within(OBJECT)?, &PAIR).within(OBJECT)?;
            let Some((0, name)) = name.split_last() else {
                return Err(bad(name, "its name does not end with NUL"));
            };
            check(name, value)?;
            pairs.push((name.into(), value.into()));
        }
        // Over references: a hostile object may have many.
        let mut names: Vec<&[u8]> = pairs.iter().map(|(name, _)| &name[..]).collect();
        names.sort_unstable();
        match names.windows(2).find(|two| two[0] == two[1]) {
            Some(two) => Err(order(two[1])),
            None => Ok(Self(pairs)),
        }
    }

    /// The `a(ayay)`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    /// Appends the `a(ayay)`, which needs no alignment.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let mut ends = Vec::with_capacity(self.0.len());
        for (name, value) in &self.0 {
            let pair = out.len();
            out.extend_from_slice(name);
            out.push(0);
            let end = out.len();
            out.extend_from_slice(value);
            push_frame(out, pair, [end].into_iter());
            ends.push(out.len());
        }
        push_frame(out, start, ends.into_iter());
    }
}

fn check(name: &[u8], value: &[u8]) -> Result<(), ObjectError> {
    if name.is_empty() {
        Err(bad(name, "its name is empty"))
    } else if name.len() > MAX_XATTR_NAME {
        Err(bad(name, "its name is longer than 255 bytes"))
    } else if name.contains(&0) {
        Err(bad(name, "its name holds NUL"))
    } else if value.len() > MAX_XATTR_VALUE {
        Err(bad(name, "its value is longer than 65536 bytes"))
    } else {
        Ok(())
    }
}

fn bad(name: &[u8], problem: &'static str) -> ObjectError {
    ObjectError::Xattr {
        name: text(name),
        problem,
    }
}

fn order(name: &[u8]) -> ObjectError {
    ObjectError::Order {
        object: OBJECT,
        name: text(name),
    }
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(MAX_XATTR_NAME)]).into_owned()
}
