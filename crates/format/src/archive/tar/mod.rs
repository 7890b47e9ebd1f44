//! Tar: blocks of 512 bytes, a header before each entry's content.
//!
//! What does not fit into a header's fields precedes it as an entry of its own: GNU's long names (`L`, `K`), POSIX's extended
//! headers (`x`). Sparse files come in GNU's old form (`S`) and as three versions of pax records.

mod header;
mod number;
mod pax;
mod reader;
mod sparse;
mod write;

pub(super) use reader::next_entry;
pub(super) use sparse::SparseMap;
pub use write::{TarHeader, TarKind, TarWriteError, tar_end, tar_padding, write_tar_entry};

/// Bytes in a block.
const BLOCK: usize = 512;

/// Bytes from the end of `size` bytes of content to the next block.
fn padding(size: u64) -> u64 {
    let block = BLOCK as u64;
    (block - size % block) % block
}
