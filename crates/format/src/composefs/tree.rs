//! What goes into an image.

use std::collections::BTreeMap;

use crate::checksum::Checksum;
use crate::xattrs::Xattrs;

/// The longest name that EROFS has.
pub(super) const MAX_NAME: usize = 255;
/// The longest target of a symlink.
pub(super) const MAX_TARGET: usize = 4095;
/// The largest file that one chunk of an image stands for.
pub(super) const MAX_FILE: u64 = 1 << 43;

/// Owner, permissions and extended attributes; times are zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permissions; bits of the file type are ignored.
    pub mode: u32,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

/// Where the content of a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backing {
    /// Its path below the folder of objects.
    pub path: String,
    /// Its fs-verity digest, where opening the file is to check it.
    pub digest: Option<Checksum>,
}

/// A directory and all that is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Its owner, permissions and extended attributes.
    pub attributes: Attributes,
    /// What is in it, by name.
    pub entries: BTreeMap<String, Node>,
}

/// What an entry of a directory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory(Directory),
    /// A regular file.
    File {
        /// Its owner, permissions and extended attributes.
        attributes: Attributes,
        /// Bytes of content.
        size: u64,
        /// Where they are; not looked at if there are none.
        backing: Option<Backing>,
    },
    /// A symlink.
    Symlink {
        /// Its owner, permissions and extended attributes.
        attributes: Attributes,
        /// Where it points to.
        target: String,
    },
}

/// A tree that no image can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// A name is longer than EROFS allows.
    #[error("`{name}` is longer than {MAX_NAME} bytes")]
    Name {
        /// The name.
        name: String,
    },
    /// A symlink's target is longer than a path may be.
    #[error("`{name}`: the target of the symlink is longer than {MAX_TARGET} bytes")]
    Target {
        /// The symlink's name.
        name: String,
    },
    /// A file is larger than any.
    #[error("`{name}` has {size} bytes, more than {MAX_FILE}")]
    Size {
        /// The file's name.
        name: String,
        /// Bytes.
        size: u64,
    },
    /// The extended attributes of one file do not fit.
    #[error("the extended attributes of `{name}` do not fit into an EROFS image")]
    Xattrs {
        /// The file's name.
        name: String,
    },
    /// There is more of it than 32-bit block numbers can count.
    #[error("the image would have more than 2^32 blocks")]
    Blocks,
}
