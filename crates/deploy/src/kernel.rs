//! The kernel of a tree: where it is, what comes with it, and the checksum that names them together.
//!
//! ```text
//! usr/lib/modules/<version>/{vmlinuz, initramfs.img|initramfs, devicetree|dtb/, .vmlinuz.hmac, aboot.img}
//! usr/lib/ostree-boot/ or boot/{vmlinuz,initramfs,devicetree}-[<version>-]<sha256>          older trees
//! ```

use std::fs::File;
use std::io::Read as _;

use ostler_format::bls::compare_versions;
use ostler_format::{Checksum, Hasher};
use ostler_fs::{Dir, FsError};

const MODULES: &str = "usr/lib/modules";
const LEGACY: [&str; 2] = ["usr/lib/ostree-boot", "boot"];
const DEVICE_TREES: &str = "dtb";
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

/// A kernel with what belongs to it.
#[derive(Debug)]
pub struct Kernel {
    /// The directory that the files are in.
    pub dir: Dir,
    /// The kernel itself.
    pub kernel: BootFile,
    /// Its initramfs; a kernel without one starts the deployment's own first program.
    pub initramfs: Option<BootFile>,
    /// Its device trees.
    pub device_trees: DeviceTrees,
    /// A checksum of the kernel for a system in FIPS mode.
    pub hmac: Option<BootFile>,
    /// An Android boot image.
    pub aboot: Option<BootFile>,
    /// The checksum that an older tree has in its files' names.
    named_bootcsum: Option<Checksum>,
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
    /// Of several in `/usr/lib/modules` the newest by its version counts. An older tree's files are taken if the modules directory has
    /// none, or has no initramfs where the older tree has one.
    ///
    /// # Errors
    /// [`KernelError::NotFound`] if there is none.
    pub fn find(root: &Dir, device_trees: LookForDeviceTrees) -> Result<Self, KernelError> {
        let modules = in_modules(root, device_trees)?;
        let legacy = in_legacy(root)?;
        match (modules, legacy) {
            (Some(modules), Some(legacy))
                if modules.initramfs.is_none() && legacy.initramfs.is_some() =>
            {
                Ok(legacy)
            }
            (Some(modules), _) => Ok(modules),
            (None, Some(legacy)) => Ok(legacy),
            (None, None) => Err(KernelError::NotFound),
        }
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

    /// Returns the single files, the kernel first; a directory of device trees is not among them.
    pub fn files(&self) -> impl Iterator<Item = &BootFile> {
        let device_tree = match &self.device_trees {
            DeviceTrees::File(file) => Some(file),
            DeviceTrees::None | DeviceTrees::Directory(_) => None,
        };
        std::iter::once(&self.kernel)
            .chain(&self.initramfs)
            .chain(device_tree)
            .chain(&self.hmac)
            .chain(&self.aboot)
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

fn rounded(bytes: u64, block_bytes: u64) -> u64 {
    bytes
        .checked_next_multiple_of(block_bytes.max(1))
        .unwrap_or(u64::MAX)
}

fn in_modules(root: &Dir, look: LookForDeviceTrees) -> Result<Option<Kernel>, KernelError> {
    let Some(modules) = root.open_dir_in_root_optional(MODULES)? else {
        return Ok(None);
    };
    let mut newest: Option<String> = None;
    for entry in modules.entries()?.iter() {
        let Some(version) = entry.str_name().filter(|_| entry.file_type.is_dir()) else {
            continue;
        };
        let older = newest
            .as_deref()
            .is_some_and(|newest| compare_versions(newest, version).is_ge());
        if !older && has_file(&modules.open_dir(version)?, "vmlinuz")? {
            newest = Some(version.to_owned());
        }
    }
    newest
        .map(|version| modules_kernel(modules.open_dir(&version)?, &version, look))
        .transpose()
}

fn modules_kernel(
    dir: Dir,
    version: &str,
    look: LookForDeviceTrees,
) -> Result<Kernel, KernelError> {
    let present = |source: &str, installed: String| -> Result<Option<BootFile>, KernelError> {
        Ok(has_file(&dir, source)?.then(|| BootFile {
            source: source.to_owned(),
            installed,
        }))
    };
    let kernel = BootFile {
        source: "vmlinuz".to_owned(),
        installed: format!("vmlinuz-{version}"),
    };
    let initramfs_name = || format!("initramfs-{version}.img");
    let initramfs = match present("initramfs.img", initramfs_name())? {
        Some(file) => Some(file),
        None => present("initramfs", initramfs_name())?,
    };
    let device_trees = match look {
        LookForDeviceTrees::Yes => device_trees(&dir, version)?,
        LookForDeviceTrees::No => DeviceTrees::None,
    };
    Ok(Kernel {
        hmac: present(".vmlinuz.hmac", format!(".{}.hmac", kernel.installed))?,
        aboot: present("aboot.img", format!("aboot-{version}.img"))?,
        named_bootcsum: None,
        kernel,
        initramfs,
        device_trees,
        dir,
    })
}

fn device_trees(dir: &Dir, version: &str) -> Result<DeviceTrees, KernelError> {
    if has_file(dir, "devicetree")? {
        let installed = format!("devicetree-{version}");
        return Ok(DeviceTrees::File(BootFile {
            source: "devicetree".to_owned(),
            installed,
        }));
    }
    if !dir
        .metadata_optional(DEVICE_TREES)?
        .is_some_and(|metadata| metadata.is_dir())
    {
        return Ok(DeviceTrees::None);
    }
    let name = DEVICE_TREES.to_owned();
    Ok(DeviceTrees::Directory(BootFile {
        source: name.clone(),
        installed: name,
    }))
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

fn in_legacy(root: &Dir) -> Result<Option<Kernel>, KernelError> {
    let mut found = None;
    for path in LEGACY {
        if found.is_none() {
            found = root.open_dir_in_root_optional(path)?;
        }
    }
    let Some(dir) = found else { return Ok(None) };
    let entries = dir.entries()?;
    let find = |prefix: &str| {
        let files = entries.iter().filter(|entry| entry.file_type.is_file());
        files
            .filter_map(|entry| legacy_name(entry.str_name()?, prefix))
            .next()
    };
    let Some((kernel, bootcsum)) = find("vmlinuz-") else {
        return Ok(None);
    };
    let same = |other: Option<(BootFile, Checksum)>| match other {
        Some((other, checksum)) if checksum != bootcsum => Err(KernelError::Mismatch {
            kernel: kernel.source.clone(),
            other: other.source,
        }),
        other => Ok(other.map(|(file, _)| file)),
    };
    let initramfs = same(find("initramfs-"))?;
    let device_tree = same(find("devicetree-"))?;
    Ok(Some(Kernel {
        device_trees: device_tree.map_or(DeviceTrees::None, DeviceTrees::File),
        initramfs,
        kernel,
        hmac: None,
        aboot: None,
        named_bootcsum: Some(bootcsum),
        dir,
    }))
}

/// Takes `<prefix>...-<sha256>` apart; it is installed without the checksum.
fn legacy_name(name: &str, prefix: &str) -> Option<(BootFile, Checksum)> {
    let (installed, checksum) = name.rsplit_once('-').filter(|_| name.starts_with(prefix))?;
    Some((
        BootFile {
            source: name.to_owned(),
            installed: installed.to_owned(),
        },
        checksum.parse().ok()?,
    ))
}

fn has_file(dir: &Dir, name: &str) -> Result<bool, KernelError> {
    Ok(dir
        .metadata_optional(name)?
        .is_some_and(|metadata| metadata.is_file()))
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
        assert_eq!(found(&files).0.initramfs.unwrap().installed, "initramfs-1");
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
