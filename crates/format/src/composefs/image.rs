//! The bytes of an image.

use super::BLOCK;
use super::inode::{Content, ENTRY_HEADER, Entry, Inode, list, stub_names};
use super::layout::{Layout, SLOT};
use super::tree::{Directory, ImageError};
use super::xattr::{Xattr, share};

/// Set in the header of composefs if any file has an access control list.
const HAS_ACL: u32 = 1;
/// Features of the superblock that a reader may ignore: times of inodes, filters of attributes' names.
const FEATURES: u32 = 0x2 | 0x4;
/// How content is found: in blocks, behind the inode, in chunks.
const PLAIN: u16 = 0;
const INLINE: u16 = 4;
const CHUNKS: u16 = 8;

/// Writes the image of a tree, as libcomposefs does in its format version 0.
///
/// # Errors
/// [`ImageError`] if something of the tree has no place in an image.
pub fn to_image(root: &Directory) -> Result<Vec<u8>, ImageError> {
    let stubs = stub_names();
    let mut inodes = list(root, &stubs)?;
    let has_acl = inodes
        .iter()
        .any(|inode| inode.xattrs.own.iter().any(Xattr::is_acl));
    let mut attributes: Vec<_> = inodes.iter_mut().map(|inode| &mut inode.xattrs).collect();
    let shared = share(&mut attributes);
    let layout = Layout::of(&inodes, &shared)?;
    let mut image = Image {
        out: Vec::with_capacity(layout.end),
        layout: &layout,
    };
    image.heads(inodes.len(), has_acl);
    for (number, inode) in inodes.iter().enumerate() {
        image.inode(number, inode);
    }
    image.pad_to(layout.inodes_end);
    for xattr in &shared {
        xattr.write(&mut image.out);
    }
    for (number, inode) in inodes.iter().enumerate() {
        image.blocks(number, inode);
    }
    image.pad_to(layout.end);
    Ok(image.out)
}

struct Image<'l> {
    out: Vec<u8>,
    layout: &'l Layout,
}

impl Image<'_> {
    fn pad_to(&mut self, end: usize) {
        debug_assert!(self.out.len() <= end, "nothing is longer than was planned");
        self.out.resize(end, 0);
    }

    fn put16(&mut self, number: u16) {
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    fn put32(&mut self, number: u32) {
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    fn put64(&mut self, number: u64) {
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    /// The header of composefs, and the superblock of EROFS.
    fn heads(&mut self, inode_count: usize, has_acl: bool) {
        self.put32(0xd078_629a);
        self.put32(1);
        self.put32(if has_acl { HAS_ACL } else { 0 });
        // The version of composefs's format: 0, which lasts to the next field that is not zero.
        self.pad_to(1024);
        self.put32(0xe0f5_e1e2);
        self.put32(0);
        self.put32(FEATURES);
        self.out.extend_from_slice(&[12, 0]);
        let root = self.layout.inodes[0] / SLOT;
        self.put16(u16::try_from(root).expect("the root comes first"));
        self.put64(inode_count as u64);
        // The time of all inodes.
        self.put64(0);
        self.put32(0);
        self.put32(block(self.layout.end));
        self.put32(0);
        self.put32(block(self.layout.inodes_end));
        self.pad_to(1024 + 128);
    }

    fn inode(&mut self, number: usize, inode: &Inode<'_>) {
        self.pad_to(self.layout.inodes[number]);
        let (layout, union) = self.data_layout(number, inode);
        let number = u32::try_from(number).expect("there are fewer than 2^32 blocks of inodes");
        let mode = inode.file_type.mode_bits() | inode.permissions;
        let is_compact = inode.is_compact();
        self.put16(layout | u16::from(!is_compact));
        self.put16(inode.xattr_words());
        self.put16(mode);
        let small = |number: u64| u16::try_from(number).expect("a compact inode has small numbers");
        let (uid, gid) = (inode.attributes.uid, inode.attributes.gid);
        if is_compact {
            self.put16(small(inode.links));
            self.put32(u32::try_from(inode.size).expect("a compact inode is small"));
            self.put32(0);
            self.put32(union);
            self.put32(number);
            self.put16(small(uid.into()));
            self.put16(small(gid.into()));
            self.put32(0);
        } else {
            self.put16(0);
            self.put64(inode.size);
            self.put32(union);
            self.put32(number);
            self.put32(uid);
            self.put32(gid);
            // Seconds and nanoseconds of the time.
            self.put64(0);
            self.put32(0);
            self.put32(u32::try_from(inode.links).expect("there are fewer directories"));
            self.out.extend_from_slice(&[0; 16]);
        }
        let layout = self.layout;
        let reference = |index| layout.shared_reference(index);
        inode.xattrs.write(&mut self.out, reference);
        match &inode.content {
            Content::Directory { tail, .. } => self.entries(tail),
            // The one chunk is nowhere.
            Content::Backed => self.put32(u32::MAX),
            Content::Symlink(target) if inode.block_count() == 0 => {
                self.out.extend_from_slice(target.as_bytes());
            }
            Content::Symlink(_) | Content::Nothing => {}
        }
    }

    /// The data layout and what the inode's union field says of it.
    fn data_layout(&self, number: usize, inode: &Inode<'_>) -> (u16, u32) {
        let first_block = match inode.block_count() {
            0 => 0,
            _ => block(self.layout.blocks[number]),
        };
        match &inode.content {
            Content::Backed => (CHUNKS, chunk_bits(inode.size) - 12),
            Content::Nothing => (PLAIN, 0),
            Content::Directory { .. } | Content::Symlink(_) => match inode.tail_len() {
                0 => (PLAIN, first_block),
                _ => (INLINE, first_block),
            },
        }
    }

    fn blocks(&mut self, number: usize, inode: &Inode<'_>) {
        if inode.block_count() == 0 {
            return;
        }
        self.pad_to(self.layout.blocks[number]);
        match &inode.content {
            Content::Directory { blocks, .. } => {
                for (index, entries) in blocks.iter().enumerate() {
                    self.pad_to(self.layout.blocks[number] + index * BLOCK);
                    self.entries(entries);
                }
            }
            Content::Symlink(target) => self.out.extend_from_slice(target.as_bytes()),
            Content::Backed | Content::Nothing => {}
        }
    }

    /// Entries of one block: all headers, then all names.
    fn entries(&mut self, entries: &[Entry<'_>]) {
        let mut name_at = ENTRY_HEADER * entries.len();
        for entry in entries {
            self.put64((self.layout.inodes[entry.inode] / SLOT) as u64);
            self.put16(u16::try_from(name_at).expect("a block is smaller"));
            self.out.extend_from_slice(&[entry.file_type as u8, 0]);
            name_at += entry.name.len();
        }
        for entry in entries {
            self.out.extend_from_slice(entry.name.as_bytes());
        }
    }
}

fn block(offset: usize) -> u32 {
    u32::try_from(offset / BLOCK).expect("the number of blocks was checked")
}

/// How many bits count the bytes of the one chunk of a file, at least a block.
fn chunk_bits(size: u64) -> u32 {
    let bits = match size {
        0 | 1 => 1,
        size => u64::BITS - (size - 1).leading_zeros(),
    };
    bits.max(12)
}
