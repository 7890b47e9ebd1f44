//! What a tree holds, as a value that can be compared.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{lgetxattr, llistxattr};
use sha2::{Digest, Sha256};

/// Which properties count.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Uid and gid.
    pub owners: bool,
    /// All twelve permission bits.
    pub modes: bool,
    /// All xattrs but SELinux's label, which belongs to the machine.
    pub xattrs: bool,
    /// Which paths of the tree are one inode.
    pub links: bool,
    /// Modification time in whole seconds, of regular files.
    pub times: bool,
}

impl View {
    /// Everything that a commit keeps.
    pub const COMMITTED: Self = Self {
        owners: true,
        modes: true,
        xattrs: true,
        links: false,
        times: false,
    };
    /// Everything.
    pub const ALL: Self = Self {
        links: true,
        times: true,
        ..Self::COMMITTED
    };
    /// Names, kinds and contents.
    pub const CONTENT: Self = Self {
        owners: false,
        modes: false,
        xattrs: false,
        links: false,
        times: false,
    };
}

/// One path of a tree; what the view leaves out is zero or empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file type bits, and the permission bits if wanted.
    pub mode: u32,
    /// Uid and gid.
    pub owner: (u32, u32),
    /// Names and values, sorted.
    pub xattrs: Vec<(String, Vec<u8>)>,
    /// Size and SHA-256 for a file, the target for a symlink, the device number for a device.
    pub content: String,
    /// The first path of the tree that is the same inode, if it is another one.
    pub same_as: Option<PathBuf>,
    /// Seconds since 1970.
    pub modified: i64,
}

/// All paths of a tree; the root is the empty path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    entries: BTreeMap<PathBuf, Entry>,
}

impl Snapshot {
    /// Reads the tree at `root`.
    pub fn of(root: &Path, view: View) -> Self {
        let mut snapshot = Self {
            entries: BTreeMap::new(),
        };
        let mut inodes = BTreeMap::new();
        snapshot.add(root, Path::new(""), view, &mut inodes);
        snapshot
    }

    /// Returns the paths and what they are.
    pub fn entries(&self) -> &BTreeMap<PathBuf, Entry> {
        &self.entries
    }

    /// Leaves out the paths that `wanted` refuses.
    pub fn retain(&mut self, wanted: impl Fn(&Path) -> bool) {
        self.entries.retain(|path, _| wanted(path));
    }

    /// Leaves out xattrs without a value, which a commit does not keep.
    pub fn without_empty_xattrs(mut self) -> Self {
        for entry in self.entries.values_mut() {
            entry.xattrs.retain(|(_, value)| !value.is_empty());
        }
        self
    }

    /// Fails with the first differences if `other` is not the same; `claim` says why it should be.
    #[track_caller]
    pub fn assert_same(&self, other: &Self, claim: &str) {
        let mut differences = Vec::new();
        for (path, entry) in &self.entries {
            match other.entries.get(path) {
                None => differences.push(format!("{path:?} is only in the first")),
                Some(theirs) if theirs != entry => {
                    differences.push(format!("{path:?}:\n    {entry:?}\n    {theirs:?}"))
                }
                Some(_) => {}
            }
        }
        let only_other = other
            .entries
            .keys()
            .filter(|path| !self.entries.contains_key(*path));
        differences.extend(only_other.map(|path| format!("{path:?} is only in the second")));
        let count = differences.len();
        differences.truncate(8);
        assert!(
            count == 0,
            "{claim}: {count} differences:\n  {}",
            differences.join("\n  ")
        );
    }

    fn add(
        &mut self,
        root: &Path,
        path: &Path,
        view: View,
        inodes: &mut BTreeMap<(u64, u64), PathBuf>,
    ) {
        let full = if path.as_os_str().is_empty() {
            root.to_owned()
        } else {
            root.join(path)
        };
        let status = fs::symlink_metadata(&full)
            .unwrap_or_else(|error| panic!("{}: {error}", full.display()));
        let mut same_as = None;
        if view.links && !status.is_dir() && status.nlink() > 1 {
            let first = inodes
                .entry((status.dev(), status.ino()))
                .or_insert_with(|| path.to_owned());
            same_as = (first != path).then(|| first.clone());
        }
        let entry = Entry {
            mode: status.mode() & if view.modes { 0o177_777 } else { 0o170_000 },
            owner: if view.owners {
                (status.uid(), status.gid())
            } else {
                (0, 0)
            },
            xattrs: if view.xattrs {
                xattrs(&full)
            } else {
                Vec::new()
            },
            content: content(&full, &status),
            same_as,
            modified: if view.times && status.is_file() {
                status.mtime()
            } else {
                0
            },
        };
        self.entries.insert(path.to_owned(), entry);
        if status.is_dir() {
            let mut names: Vec<_> = fs::read_dir(&full)
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            names.sort();
            for name in names {
                self.add(root, &path.join(name), view, inodes);
            }
        }
    }
}

fn content(path: &Path, status: &fs::Metadata) -> String {
    if status.is_symlink() {
        return format!(
            "-> {}",
            fs::read_link(path)
                .unwrap()
                .as_os_str()
                .as_bytes()
                .escape_ascii()
        );
    }
    if !status.is_file() {
        return if status.is_dir() {
            String::new()
        } else {
            format!("device {:x}", status.rdev())
        };
    }
    let mut file = fs::File::open(path).unwrap();
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 17];
    loop {
        let length = file.read(&mut buffer).unwrap();
        if length == 0 {
            break;
        }
        digest.update(&buffer[..length]);
    }
    let hex: String = digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{} bytes {hex}", status.len())
}

fn xattrs(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut names = vec![0; 1 << 16];
    let length = llistxattr(path, &mut names[..])
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut all: Vec<_> = names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty() && *name != b"security.selinux")
        .map(|name| {
            let name = String::from_utf8_lossy(name).into_owned();
            let mut value = vec![0; 1 << 16];
            let length = lgetxattr(path, name.as_str(), &mut value[..]).unwrap();
            value.truncate(length);
            (name, value)
        })
        .collect();
    all.sort();
    all
}
