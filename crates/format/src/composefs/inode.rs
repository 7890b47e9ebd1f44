//! The tree as a list of inodes, level by level: all entries of a directory before what is below any of them.

use std::collections::VecDeque;

use super::BLOCK;
use super::tree::{
    Attributes, Backing, Directory, ImageError, MAX_FILE, MAX_NAME, MAX_TARGET, Node,
};
use super::xattr::{InodeXattrs, Xattr};

/// Bytes of a directory entry before its name.
pub(super) const ENTRY_HEADER: usize = 12;
/// Where directories of composefs keep the whiteouts that overlayfs looks up for the folders of objects.
const STUB_NAMES: usize = 256;

/// A file type, as directory entries number them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileType {
    Regular = 1,
    Directory = 2,
    CharacterDevice = 3,
    Symlink = 7,
}

impl FileType {
    /// The bits of `st_mode`.
    pub(super) fn mode_bits(self) -> u16 {
        match self {
            Self::Regular => 0o100_000,
            Self::Directory => 0o040_000,
            Self::CharacterDevice => 0o020_000,
            Self::Symlink => 0o120_000,
        }
    }
}

/// An entry of a directory, `.` and `..` among them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'t> {
    pub(super) name: &'t str,
    /// Its index in the list of inodes.
    pub(super) inode: usize,
    pub(super) file_type: FileType,
}

/// What an inode holds.
#[derive(Debug)]
pub(super) enum Content<'t> {
    Directory {
        /// Entries that fill a block each.
        blocks: Vec<Vec<Entry<'t>>>,
        /// Those that lie behind the inode.
        tail: Vec<Entry<'t>>,
    },
    /// A file whose content is elsewhere.
    Backed,
    /// An empty file, or a device.
    Nothing,
    Symlink(&'t str),
}

/// One inode.
#[derive(Debug)]
pub(super) struct Inode<'t> {
    pub(super) attributes: &'t Attributes,
    /// Permissions, where they are not those of `attributes`.
    pub(super) permissions: u16,
    pub(super) file_type: FileType,
    pub(super) xattrs: InodeXattrs<'t>,
    pub(super) content: Content<'t>,
    pub(super) links: u64,
    pub(super) size: u64,
}

/// The names of the folders of objects, `00` to `ff`.
pub(super) fn stub_names() -> Vec<String> {
    (0..STUB_NAMES).map(|n| format!("{n:02x}")).collect()
}

/// Lists the inodes; the root is the first.
///
/// The root gets an overlayfs whiteout for each folder of objects that it has no entry of the name of: where the repository
/// is a layer below, its folders must not show.
pub(super) fn list<'t>(
    root: &'t Directory,
    stubs: &'t [String],
) -> Result<Vec<Inode<'t>>, ImageError> {
    let mut inodes = vec![directory("/", &root.attributes)?];
    let opaque = Xattr::new(&b"trusted.overlay.opaque"[..], &b"y"[..]);
    inodes[0].xattrs.own.push(opaque);
    let mut queue = VecDeque::from([(root, 0, 0)]);
    while let Some((dir, me, parent)) = queue.pop_front() {
        let mut children: Vec<(&str, Option<&Node>)> = dir
            .entries
            .iter()
            .map(|(name, node)| (name.as_str(), Some(node)))
            .collect();
        if me == 0 {
            let missing = stubs.iter().filter(|it| !dir.entries.contains_key(*it));
            children.extend(missing.map(|name| (name.as_str(), None)));
            children.sort_unstable_by_key(|(name, _)| *name);
        }
        let itself = |name, inode| Entry {
            name,
            inode,
            file_type: FileType::Directory,
        };
        let mut entries = vec![itself(".", me), itself("..", parent)];
        for (name, node) in children {
            let inode = match node {
                Some(node) => inode_of(name, node)?,
                None => stub(&root.attributes),
            };
            entries.push(Entry {
                name,
                inode: inodes.len(),
                file_type: inode.file_type,
            });
            if let Some(Node::Directory(below)) = node {
                queue.push_back((below, inodes.len(), me));
            }
            inodes.push(inode);
        }
        entries.sort_unstable_by_key(|entry| entry.name);
        fill(&mut inodes[me], entries);
    }
    Ok(inodes)
}

fn directory<'t>(name: &str, attributes: &'t Attributes) -> Result<Inode<'t>, ImageError> {
    let content = Content::Directory {
        blocks: Vec::new(),
        tail: Vec::new(),
    };
    inode(name, attributes, FileType::Directory, content, 0)
}

fn inode_of<'t>(name: &str, node: &'t Node) -> Result<Inode<'t>, ImageError> {
    if name.len() > MAX_NAME {
        return Err(ImageError::Name { name: name.into() });
    }
    match node {
        Node::Directory(dir) => directory(name, &dir.attributes),
        Node::Symlink { attributes, target } => {
            if target.len() > MAX_TARGET {
                return Err(ImageError::Target { name: name.into() });
            }
            let content = Content::Symlink(target);
            let size = target.len() as u64;
            inode(name, attributes, FileType::Symlink, content, size)
        }
        Node::File {
            attributes,
            size,
            backing,
        } => {
            let content = match size {
                0 => Content::Nothing,
                1..=MAX_FILE => Content::Backed,
                size => {
                    return Err(ImageError::Size {
                        name: name.into(),
                        size: *size,
                    });
                }
            };
            let mut inode = inode(name, attributes, FileType::Regular, content, *size)?;
            if let Some(backing) = backing.as_ref().filter(|_| *size > 0) {
                inode.xattrs.own.extend(redirect(backing));
            }
            Ok(inode)
        }
    }
}

fn inode<'t>(
    name: &str,
    attributes: &'t Attributes,
    file_type: FileType,
    content: Content<'t>,
    size: u64,
) -> Result<Inode<'t>, ImageError> {
    let own = escaped(attributes);
    if own.iter().any(|it| !it.fits()) {
        return Err(ImageError::Xattrs { name: name.into() });
    }
    Ok(Inode {
        attributes,
        permissions: u16::try_from(attributes.mode & 0o7777).expect("twelve bits"),
        file_type,
        xattrs: InodeXattrs {
            own,
            ..InodeXattrs::default()
        },
        content,
        links: 1,
        size,
    })
}

/// The attributes under names that mean nothing to the overlayfs that the image is mounted by.
fn escaped(attributes: &Attributes) -> Vec<Xattr<'_>> {
    let escape = |(name, value)| match <[u8]>::strip_prefix(name, b"trusted.overlay.") {
        Some(rest) => Xattr::new([b"trusted.overlay.overlay.", rest].concat(), value),
        None => Xattr::new(name, value),
    };
    attributes.xattrs.iter().map(escape).collect()
}

/// The attributes by which overlayfs finds and checks the content.
fn redirect<'t>(backing: &Backing) -> [Xattr<'t>; 2] {
    let metacopy = match &backing.digest {
        // Version 0, 36 bytes in all, no flags, SHA-256.
        Some(digest) => [&[0, 36, 0, 1], &digest.as_bytes()[..]].concat(),
        None => Vec::new(),
    };
    let path = format!("/{}", backing.path).into_bytes();
    [
        Xattr::new(&b"trusted.overlay.metacopy"[..], metacopy),
        Xattr::new(&b"trusted.overlay.redirect"[..], path),
    ]
}

/// A whiteout with the owner and the label of the root.
fn stub(root: &Attributes) -> Inode<'_> {
    let label = root.xattrs.get(b"security.selinux");
    let own = label.map(|value| Xattr::new(&b"security.selinux"[..], value));
    Inode {
        attributes: root,
        permissions: 0o644,
        file_type: FileType::CharacterDevice,
        xattrs: InodeXattrs {
            own: own.into_iter().collect(),
            ..InodeXattrs::default()
        },
        content: Content::Nothing,
        links: 1,
        size: 0,
    }
}

/// Lays the sorted entries of a directory into blocks; at most half a block lies behind the inode.
fn fill<'t>(inode: &mut Inode<'t>, entries: Vec<Entry<'t>>) {
    let is_directory = |it: &&Entry<'_>| it.file_type == FileType::Directory;
    inode.links = entries.iter().filter(is_directory).count() as u64;
    let mut blocks = Vec::new();
    let mut tail = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let length = ENTRY_HEADER + entry.name.len();
        if bytes + length > BLOCK {
            blocks.push(std::mem::take(&mut tail));
            bytes = 0;
        }
        bytes += length;
        tail.push(entry);
    }
    if bytes > BLOCK / 2 {
        blocks.push(std::mem::take(&mut tail));
        bytes = 0;
    }
    inode.size = (blocks.len() * BLOCK + bytes) as u64;
    inode.content = Content::Directory { blocks, tail };
}
