//! The kernel of a tree: where it is, what comes with it, and the checksum that names them together.
//!
//! ```text
//! usr/lib/modules/<version>/{vmlinuz, initramfs.img|initramfs, devicetree|dtb/, .vmlinuz.hmac, aboot.img}
//! usr/lib/ostree-boot/ or boot/{vmlinuz,initramfs,devicetree}-[<version>-]<sha256>          older trees
//! ```

mod commit;
mod rules;

use std::fs::File;
use std::io::Read as _;
use std::ops::Deref;

use ostler_format::{Checksum, Hasher};
use ostler_fs::{Dir, FsError};
use ostler_store::StoreError;
use ostler_store::checkout::CheckoutError;

use rules::Listed;

pub use commit::CommitKernel;
pub use rules::KernelLayout;
pub(crate) use rules::directories;

/// Deeper directories of device trees than any vendor's are refused.
const MAX_DEPTH: usize = 16;

/// A tree whose kernel cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// There is none.
    #[error("failed to find a kernel in /usr/lib/modules, /usr/lib/ostree-boot or /boot")]
    NotFound,
    /// Files of an older tree say by their names that they don't belong together.
    #[error("`{kernel}` and `{other}` have different checksums in their names")]
    Mismatch {
        /// The kernel's name.
        kernel: String,
        /// The other file's name.
        other: String,
    },
    /// The repository.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The commit's directories.
    #[error("{0}")]
    Checkout(#[from] CheckoutError),
    /// Directories of device trees are nested too deeply.
    #[error("device trees are nested more than {limit} directories deep")]
    TooDeep {
        /// How deep they may be.
        limit: usize,
    },
}

/// A file of the tree, and its name in `/boot`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootFile {
    /// Its name in [`Kernel::dir`].
    pub source: String,
    /// Its name beside the others in `/boot`.
    pub installed: String,
}

/// The device trees of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceTrees {
    /// There are none.
    None,
    /// The one to use.
    File(BootFile),
    /// A directory, in which the boot loader looks.
    Directory(BootFile),
}

/// A kernel with what belongs to it, in a checked-out tree.
#[derive(Debug)]
pub struct Kernel {
    /// The directory that the files are in.
    pub dir: Dir,
    layout: KernelLayout,
}

impl Deref for Kernel {
    type Target = KernelLayout;

    fn deref(&self) -> &KernelLayout {
        &self.layout
    }
}

/// Whether device trees are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookForDeviceTrees {
    /// They are.
    Yes,
    /// They are ignored, as if the tree had none.
    No,
}

impl Kernel {
    /// Finds the kernel of the tree at `root`.
    ///
    /// # Errors
    /// [`KernelError::NotFound`] if there is none.
    pub fn find(root: &Dir, device_trees: LookForDeviceTrees) -> Result<Self, KernelError> {
        let layout = rules::find(&mut |path| listing(root, path), device_trees)?;
        Ok(Self {
            dir: root.open_dir_in_root(&layout.directory)?,
            layout,
        })
    }

    /// Returns what names kernel, initramfs and device trees together.
    ///
    /// It is the SHA-256 of their contents, one after the other, for which they are read; an older tree says it by its files' names.
    ///
    /// # Errors
    /// [`KernelError::Fs`].
    pub fn bootcsum(&self) -> Result<Checksum, KernelError> {
        if let Some(bootcsum) = self.named_bootcsum {
            return Ok(bootcsum);
        }
        let mut hasher = Hasher::new();
        hash_file(&self.dir, &self.kernel.source, &mut hasher)?;
        if let Some(file) = &self.initramfs {
            hash_file(&self.dir, &file.source, &mut hasher)?;
        }
        match &self.device_trees {
            DeviceTrees::None => {}
            DeviceTrees::File(file) => hash_file(&self.dir, &file.source, &mut hasher)?,
            DeviceTrees::Directory(file) => {
                hash_directory(&self.dir.open_dir(&file.source)?, &mut hasher, 0)?
            }
        }
        Ok(hasher.finish())
    }

    /// Returns what the files take on a file system with blocks of `block_bytes`.
    ///
    /// # Errors
    /// [`KernelError::Fs`].
    pub fn size(&self, block_bytes: u64) -> Result<u64, KernelError> {
        let mut total = 0_u64;
        for file in self.files() {
            total =
                total.saturating_add(rounded(self.dir.metadata(&file.source)?.size, block_bytes));
        }
        if let DeviceTrees::Directory(directory) = &self.device_trees {
            total = total.saturating_add(directory_size(
                &self.dir.open_dir(&directory.source)?,
                block_bytes,
                0,
            )?);
        }
        Ok(total)
    }
}

/// Returns what a directory's files and directories take on a file system with blocks of `block_bytes`.
///
/// # Errors
/// [`KernelError::TooDeep`] beyond 16 levels.
pub fn directory_size(dir: &Dir, block_bytes: u64, depth: usize) -> Result<u64, KernelError> {
    let limit = MAX_DEPTH;
    if depth > limit {
        return Err(KernelError::TooDeep { limit });
    }
    let mut total = block_bytes;
    for entry in dir.entries()?.iter() {
        let size = match entry.file_type.is_dir() {
            true => directory_size(&dir.open_dir(entry.name())?, block_bytes, depth + 1)?,
            false => rounded(dir.metadata(entry.name())?.size, block_bytes),
        };
        total = total.saturating_add(size);
    }
    Ok(total)
}

pub(crate) fn rounded(bytes: u64, block_bytes: u64) -> u64 {
    bytes
        .checked_next_multiple_of(block_bytes.max(1))
        .unwrap_or(u64::MAX)
}

fn listing(root: &Dir, path: &str) -> Result<Option<Vec<Listed>>, KernelError> {
    let Some(dir) = root.open_dir_in_root_optional(path)? else {
        return Ok(None);
    };
    let entries = dir.entries()?;
    let listed = entries.iter().filter_map(|entry| {
        let name = entry.str_name()?.to_owned();
        Some(Listed {
            name,
            is_dir: entry.file_type.is_dir(),
            is_file: entry.file_type.is_file(),
        })
    });
    Ok(Some(listed.collect()))
}

/// Contents of all files below, depth first, in the order of their names' bytes.
fn hash_directory(dir: &Dir, hasher: &mut Hasher, depth: usize) -> Result<(), KernelError> {
    let limit = MAX_DEPTH;
    if depth > limit {
        return Err(KernelError::TooDeep { limit });
    }
    for entry in dir.entries()?.iter() {
        if entry.file_type.is_dir() {
            hash_directory(&dir.open_dir(entry.name())?, hasher, depth + 1)?;
        } else if let Some(file) = dir.open_in_root_optional(entry.name())? {
            hash(file, hasher).map_err(|e| FsError::new("read", dir.shown_path(), e))?;
        }
    }
    Ok(())
}

fn hash_file(dir: &Dir, name: &str, hasher: &mut Hasher) -> Result<(), KernelError> {
    let (file, _) = dir.open_regular(name)?;
    hash(file, hasher).map_err(|e| FsError::new("read", dir.shown_path().join(name), e).into())
}

fn hash(mut file: File, hasher: &mut Hasher) -> std::io::Result<()> {
    let mut buffer = vec![0; 1 << 17];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            length => hasher.update(&buffer[..length]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = temp.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let dir = Dir::open_ambient(temp.path()).unwrap();
        (temp, dir)
    }

    fn found(files: &[(&str, &str)]) -> (Kernel, Checksum) {
        let (_temp, dir) = tree(files);
        let kernel = Kernel::find(&dir, LookForDeviceTrees::Yes).unwrap();
        let bootcsum = kernel.bootcsum().unwrap();
        (kernel, bootcsum)
    }

    #[test]
    fn the_checksum_covers_kernel_initramfs_and_sorted_device_trees_but_no_hmac() {
        let (kernel, bootcsum) = found(&[
            ("usr/lib/modules/6.1/vmlinuz", "k"),
            ("usr/lib/modules/6.1/initramfs.img", "i"),
            ("usr/lib/modules/6.1/.vmlinuz.hmac", "h"),
            ("usr/lib/modules/6.1/dtb/b.dtb", "3"),
            ("usr/lib/modules/6.1/dtb/a/z.dtb", "2"),
            ("usr/lib/modules/6.1/dtb/a/a.dtb", "1"),
            ("usr/lib/modules/6.1/modules.dep", "x"),
        ]);
        assert_eq!(bootcsum, Checksum::of(b"ki123"));
        assert_eq!(kernel.kernel.installed, "vmlinuz-6.1");
        assert_eq!(
            kernel.initramfs.as_ref().unwrap().installed,
            "initramfs-6.1.img"
        );
        assert_eq!(kernel.hmac.as_ref().unwrap().installed, ".vmlinuz-6.1.hmac");
        assert!(
            matches!(&kernel.device_trees, DeviceTrees::Directory(dir) if dir.installed == "dtb")
        );
    }

    #[test]
    fn of_several_kernels_the_newest_version_counts() {
        let (kernel, _) = found(&[
            ("usr/lib/modules/6.9.1/vmlinuz", "old"),
            ("usr/lib/modules/6.10.0/vmlinuz", "new"),
            ("usr/lib/modules/6.11.0/modules.dep", "no kernel"),
        ]);
        assert_eq!(kernel.kernel.installed, "vmlinuz-6.10.0");
    }

    #[test]
    fn an_older_tree_names_the_checksum_and_wins_only_by_its_initramfs() {
        let sum = Checksum::of(b"any");
        let legacy = [
            (format!("usr/lib/ostree-boot/vmlinuz-1-{sum}"), "k"),
            (format!("usr/lib/ostree-boot/initramfs-1-{sum}"), "i"),
        ];
        let mut files: Vec<(&str, &str)> = legacy
            .iter()
            .map(|(path, content)| (path.as_str(), *content))
            .collect();
        assert_eq!(found(&files).1, sum);
        assert_eq!(
            found(&files).0.initramfs.as_ref().unwrap().installed,
            "initramfs-1"
        );
        files.push(("usr/lib/modules/2/vmlinuz", "k"));
        assert_eq!(found(&files).1, sum);
        files.push(("usr/lib/modules/2/initramfs", "i"));
        assert_eq!(found(&files).1, Checksum::of(b"ki"));
    }

    #[test]
    fn an_older_tree_whose_files_disagree_is_refused() {
        let kernel = format!("boot/vmlinuz-{}", Checksum::of(b"1"));
        let initramfs = format!("boot/initramfs-{}", Checksum::of(b"2"));
        let (_temp, dir) = tree(&[(&kernel, "k"), (&initramfs, "i")]);
        assert!(matches!(
            Kernel::find(&dir, LookForDeviceTrees::Yes),
            Err(KernelError::Mismatch { .. })
        ));
        let (_temp, dir) = tree(&[("usr/lib/modules/2/modules.dep", "")]);
        assert!(matches!(
            Kernel::find(&dir, LookForDeviceTrees::Yes),
            Err(KernelError::NotFound)
        ));
    }
}
