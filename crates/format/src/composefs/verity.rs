//! The digest that the kernel's fs-verity has of a file: a Merkle tree over its blocks.

use crate::checksum::{CHECKSUM_LEN, Checksum};

use super::BLOCK;

/// Computes the fs-verity digest (SHA-256, blocks of 4096 bytes, no salt) of what is given to it.
///
/// The memory is a block for each level of the tree: 4 KiB for every factor of 128 in size.
#[derive(Debug, Default)]
pub struct VerityHasher {
    /// The data of the block that is not whole yet.
    block: Vec<u8>,
    size: u64,
    /// Of each level of the tree the hashes of its block that is not whole yet; the lowest level, of data blocks, first.
    levels: Vec<Vec<u8>>,
}

impl VerityHasher {
    /// A hasher that was given nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes of the file.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let take = bytes.len().min(BLOCK - self.block.len());
            self.block.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if self.block.len() == BLOCK {
                self.end_block();
            }
        }
    }

    /// The digest of the whole file.
    #[must_use]
    pub fn finish(mut self) -> Checksum {
        if !self.block.is_empty() {
            self.end_block();
        }
        Checksum::of(&self.descriptor())
    }

    fn end_block(&mut self) {
        self.block.resize(BLOCK, 0);
        let hash = Checksum::of(&self.block);
        self.block.clear();
        self.add(0, hash);
    }

    fn add(&mut self, level: usize, hash: Checksum) {
        if self.levels.len() == level {
            self.levels.push(Vec::with_capacity(BLOCK));
        }
        self.levels[level].extend_from_slice(hash.as_bytes());
        if self.levels[level].len() == BLOCK {
            self.end_level(level);
        }
    }

    fn end_level(&mut self, level: usize) {
        self.levels[level].resize(BLOCK, 0);
        let hash = Checksum::of(&self.levels[level]);
        self.levels[level].clear();
        self.add(level + 1, hash);
    }

    /// The hash of the topmost block; zeros for an empty file.
    fn root(&mut self) -> [u8; CHECKSUM_LEN] {
        let mut level = 0;
        while level < self.levels.len() {
            let is_top = level + 1 == self.levels.len();
            if is_top && self.levels[level].len() == CHECKSUM_LEN {
                break;
            }
            if !self.levels[level].is_empty() {
                self.end_level(level);
            }
            level += 1;
        }
        let mut root = [0; CHECKSUM_LEN];
        if let Some(top) = self.levels.last() {
            root.copy_from_slice(&top[..CHECKSUM_LEN]);
        }
        root
    }

    /// The kernel's `struct fsverity_descriptor`, without a signature.
    fn descriptor(&mut self) -> [u8; 256] {
        let mut descriptor = [0; 256];
        // Version 1, SHA-256, blocks of 2^12 bytes.
        descriptor[..3].copy_from_slice(&[1, 1, 12]);
        descriptor[8..16].copy_from_slice(&self.size.to_le_bytes());
        descriptor[16..16 + CHECKSUM_LEN].copy_from_slice(&self.root());
        descriptor
    }
}
