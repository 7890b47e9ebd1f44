//! Extended attributes as EROFS stores them: those of several inodes once, in a table of their own.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use xxhash_rust::xxh32::xxh32;

/// Prefixes that are stored as a number. (EROFS knows `lustre.`, 5, too; libcomposefs does not use it.)
const PREFIXES: [(u8, &[u8]); 6] = [
    (1, b"user."),
    (2, b"system.posix_acl_access"),
    (3, b"system.posix_acl_default"),
    (4, b"trusted."),
    (6, b"security."),
    (0, b""),
];
/// What the hashes of names in an inode's filter begin with.
const FILTER_SEED: u32 = 0x25bb_e08f;
/// Bytes of the header before an inode's extended attributes.
pub(super) const HEADER: usize = 12;

/// One attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Xattr<'t> {
    name: Cow<'t, [u8]>,
    value: Cow<'t, [u8]>,
}

impl<'t> Xattr<'t> {
    pub(super) fn new(name: impl Into<Cow<'t, [u8]>>, value: impl Into<Cow<'t, [u8]>>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }

    fn prefix_and_suffix(&self) -> (u8, &[u8]) {
        let mut found = PREFIXES.iter().filter_map(|(number, prefix)| {
            let suffix = self.name.strip_prefix(*prefix)?;
            Some((*number, suffix))
        });
        found.next().expect("every name begins with nothing")
    }

    pub(super) fn is_acl(&self) -> bool {
        matches!(self.prefix_and_suffix().0, 2 | 3)
    }

    /// Whether the lengths fit into their fields.
    pub(super) fn fits(&self) -> bool {
        let (_, suffix) = self.prefix_and_suffix();
        u8::try_from(suffix.len()).is_ok() && u16::try_from(self.value.len()).is_ok()
    }

    /// Bytes, with the zeros after it.
    pub(super) fn stored_len(&self) -> usize {
        let (_, suffix) = self.prefix_and_suffix();
        (4 + suffix.len() + self.value.len()).next_multiple_of(4)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let (number, suffix) = self.prefix_and_suffix();
        let end = out.len() + self.stored_len();
        let length = |bytes: &[u8]| u16::try_from(bytes.len()).expect("lengths were checked");
        out.extend_from_slice(&[length(suffix).to_le_bytes()[0], number]);
        out.extend_from_slice(&length(&self.value).to_le_bytes());
        out.extend_from_slice(suffix);
        out.extend_from_slice(&self.value);
        out.resize(end, 0);
    }

    /// The bit of the name in an inode's filter.
    fn filter_bit(&self) -> u32 {
        let (number, suffix) = self.prefix_and_suffix();
        1 << (xxh32(suffix, FILTER_SEED + u32::from(number)) % 32)
    }

    /// By whole names, then by lengths of values before their bytes.
    fn order(&self, other: &Self) -> Ordering {
        let by_name = self.name.cmp(&other.name);
        let by_length = || self.value.len().cmp(&other.value.len());
        by_name
            .then_with(by_length)
            .then_with(|| self.value.cmp(&other.value))
    }
}

/// The attributes of one inode.
#[derive(Clone, Debug, Default)]
pub(super) struct InodeXattrs<'t> {
    /// Those that are its own.
    pub(super) own: Vec<Xattr<'t>>,
    /// Indexes in the table of those that it shares.
    pub(super) shared: Vec<usize>,
    pub(super) filter: u32,
}

impl InodeXattrs<'_> {
    /// Bytes between the inode and its content.
    pub(super) fn stored_len(&self) -> usize {
        if self.own.is_empty() && self.shared.is_empty() {
            return 0;
        }
        let own: usize = self.own.iter().map(Xattr::stored_len).sum();
        HEADER + 4 * self.shared.len() + own
    }

    /// `reference` gives the number by which inodes refer to a shared attribute.
    pub(super) fn write(&self, out: &mut Vec<u8>, reference: impl Fn(usize) -> u32) {
        if self.own.is_empty() && self.shared.is_empty() {
            return;
        }
        out.extend_from_slice(&(!self.filter).to_le_bytes());
        out.push(u8::try_from(self.shared.len()).expect("the count was checked"));
        out.extend_from_slice(&[0; 7]);
        for index in &self.shared {
            out.extend_from_slice(&reference(*index).to_le_bytes());
        }
        for xattr in &self.own {
            xattr.write(out);
        }
    }
}

/// Sorts the attributes of each inode and takes those that several have out of them, into the table that is returned.
pub(super) fn share<'t>(inodes: &mut [&mut InodeXattrs<'t>]) -> Vec<Xattr<'t>> {
    let mut uses: HashMap<Xattr<'t>, usize> = HashMap::new();
    for inode in inodes.iter_mut() {
        inode.own.sort_by(Xattr::order);
        inode.filter = inode.own.iter().fold(0, |bits, it| bits | it.filter_bit());
        for xattr in &inode.own {
            *uses.entry(xattr.clone()).or_default() += 1;
        }
    }
    uses.retain(|_, count| *count > 1);
    let mut table: Vec<_> = uses.into_keys().collect();
    table.sort_by(|a, b| b.order(a));
    let indexes: HashMap<&Xattr<'t>, usize> = table.iter().zip(0..).collect();
    for inode in inodes.iter_mut() {
        let own = std::mem::take(&mut inode.own);
        for xattr in own {
            match indexes.get(&xattr) {
                Some(index) => inode.shared.push(*index),
                None => inode.own.push(xattr),
            }
        }
    }
    table
}
