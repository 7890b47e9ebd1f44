//! composefs: a tree's metadata as one EROFS image whose files are objects of a repository, named by path and fs-verity digest.
//!
//! Mounted as the upper of two overlayfs layers, the image says what there is, and the repository's `.file` objects give the
//! content. Where objects carry fs-verity, the digest of the image covers all of the tree: that digest is what a commit
//! records under [`DIGEST_KEY`]. Images are those of libcomposefs, format version 0, byte for byte; `spec/composefs.md` says
//! how they are laid out.
//!
//! | module | |
//! |---|---|
//! | `verity` | the digest that the kernel's fs-verity has of a file |
//! | `tree` | what goes into an image |
//! | `inode` | the tree as a list of inodes, in the order in which they are written |
//! | `xattr` | extended attributes as EROFS stores them, shared ones once |
//! | `layout` | where everything lies |
//! | `image` | the bytes |

mod image;
mod inode;
mod layout;
#[cfg(test)]
mod tests;
mod tree;
mod verity;
mod xattr;

pub use image::to_image;
pub use tree::{Attributes, Backing, Directory, ImageError, Node};
pub use verity::VerityHasher;

/// Metadata key of a commit for the fs-verity digest of its image, `ay` of 32 bytes.
pub const DIGEST_KEY: &str = "ostree.composefs.digest.v0";

/// Bytes of a block, of images and of fs-verity.
const BLOCK: usize = 4096;
