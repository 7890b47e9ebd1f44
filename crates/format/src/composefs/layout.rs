//! Where everything lies in an image.

use super::BLOCK;
use super::inode::{Content, Inode};
use super::tree::ImageError;
use super::xattr::{HEADER as XATTR_HEADER, Xattr};

/// Inodes begin at multiples of this.
pub(super) const SLOT: usize = 32;
/// Bytes of the header of composefs, the zeros after it, and the superblock.
const FIRST_INODE: usize = 1024 + 128;
const COMPACT: usize = 32;
const EXTENDED: usize = 64;

/// Offsets in bytes from the image's start.
#[derive(Debug)]
pub(super) struct Layout {
    /// Of each inode.
    pub(super) inodes: Vec<usize>,
    /// Of what follows the last inode: the table of shared attributes.
    pub(super) inodes_end: usize,
    /// Of each shared attribute.
    pub(super) shared: Vec<usize>,
    /// Of the blocks of each inode that has some.
    pub(super) blocks: Vec<usize>,
    /// Of the end.
    pub(super) end: usize,
}

impl Layout {
    pub(super) fn of(inodes: &[Inode<'_>], shared: &[Xattr<'_>]) -> Result<Self, ImageError> {
        let mut at = FIRST_INODE;
        let mut starts = Vec::with_capacity(inodes.len());
        for inode in inodes {
            check_xattrs(inode)?;
            at = start(inode, at.next_multiple_of(SLOT));
            starts.push(at);
            at += inode.head_len() + inode.tail_len();
        }
        let inodes_end = at.next_multiple_of(SLOT);
        at = inodes_end;
        let mut table = Vec::with_capacity(shared.len());
        for xattr in shared {
            table.push(at);
            at += xattr.stored_len();
        }
        at = at.next_multiple_of(BLOCK);
        let mut blocks = Vec::with_capacity(inodes.len());
        for inode in inodes {
            blocks.push(at);
            at += inode.block_count() * BLOCK;
        }
        if u32::try_from(at / BLOCK).is_err() {
            return Err(ImageError::Blocks);
        }
        Ok(Self {
            inodes: starts,
            inodes_end,
            shared: table,
            blocks,
            end: at,
        })
    }

    /// The number by which inodes refer to a shared attribute: words from the block in which the table begins.
    pub(super) fn shared_reference(&self, index: usize) -> u32 {
        let first_block = self.inodes_end / BLOCK * BLOCK;
        u32::try_from((self.shared[index] - first_block) / 4).expect("the image has fewer bytes")
    }
}

fn check_xattrs(inode: &Inode<'_>) -> Result<(), ImageError> {
    let words = inode.xattrs.stored_len() / 4;
    if u8::try_from(inode.xattrs.shared.len()).is_ok() && u16::try_from(words).is_ok() {
        return Ok(());
    }
    let name = match inode.content {
        Content::Symlink(target) => format!("-> {target}"),
        _ => format!("{} bytes", inode.size),
    };
    Err(ImageError::Xattrs { name })
}

/// Where the inode begins, at `at` or after it: what lies behind it must not cross a block.
fn start(inode: &Inode<'_>, at: usize) -> usize {
    if let Content::Symlink(target) = inode.content {
        // Older kernels want all of a symlink in one block.
        let end = at % BLOCK + inode.head_len() + target.len();
        return match end > BLOCK {
            true => at.next_multiple_of(BLOCK),
            false => at,
        };
    }
    let left = (BLOCK - (at + inode.head_len()) % BLOCK) % BLOCK;
    match left < inode.tail_len() {
        true => at + left.next_multiple_of(SLOT),
        false => at,
    }
}

impl Inode<'_> {
    /// Whether the small form will do; times are those of the superblock anyway.
    pub(super) fn is_compact(&self) -> bool {
        let fits = |number: u32| u16::try_from(number).is_ok();
        fits(self.attributes.uid)
            && fits(self.attributes.gid)
            && u16::try_from(self.links).is_ok()
            && u32::try_from(self.size).is_ok()
    }

    /// Bytes of the inode itself and its attributes.
    pub(super) fn head_len(&self) -> usize {
        let itself = if self.is_compact() { COMPACT } else { EXTENDED };
        itself + self.xattrs.stored_len()
    }

    /// Bytes that lie behind the inode.
    pub(super) fn tail_len(&self) -> usize {
        match &self.content {
            Content::Directory { blocks, .. } => {
                usize::try_from(self.size).expect("was a usize") - blocks.len() * BLOCK
            }
            Content::Backed => 4,
            Content::Symlink(target) if self.block_count() == 0 => target.len(),
            Content::Nothing | Content::Symlink(_) => 0,
        }
    }

    /// Blocks that it has elsewhere.
    pub(super) fn block_count(&self) -> usize {
        match &self.content {
            Content::Directory { blocks, .. } => blocks.len(),
            Content::Symlink(target) => usize::from(self.head_len() + target.len() >= BLOCK),
            Content::Backed | Content::Nothing => 0,
        }
    }

    /// The count of words that the inode says its attributes take.
    pub(super) fn xattr_words(&self) -> u16 {
        match self.xattrs.stored_len() {
            0 => 0,
            bytes => u16::try_from(1 + (bytes - XATTR_HEADER) / 4).expect("the size was checked"),
        }
    }
}
