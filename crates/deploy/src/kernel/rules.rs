//! Which files of a tree are its kernel: pure rules on listings, the same for a checkout and for a commit.

use ostler_format::Checksum;
use ostler_format::bls::compare_versions;

use super::{BootFile, DeviceTrees, KernelError, LookForDeviceTrees};

const MODULES: &str = "usr/lib/modules";
const LEGACY: [&str; 2] = ["usr/lib/ostree-boot", "boot"];
const DEVICE_TREES: &str = "dtb";

/// Returns the directories, relative to a tree's root, in which kernels are looked for: the first has one directory for each version.
pub(crate) fn directories() -> [&'static str; 3] {
    [MODULES, LEGACY[0], LEGACY[1]]
}

/// One name of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) is_dir: bool,
    pub(super) is_file: bool,
}

/// Where the files of a kernel are, and their names in `/boot`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelLayout {
    /// The directory of all of them, relative to the tree's root.
    pub directory: String,
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
    pub(super) named_bootcsum: Option<Checksum>,
}

impl KernelLayout {
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

    /// Returns the directory of device trees, if there is one.
    pub fn device_tree_directory(&self) -> Option<&BootFile> {
        match &self.device_trees {
            DeviceTrees::Directory(directory) => Some(directory),
            DeviceTrees::None | DeviceTrees::File(_) => None,
        }
    }
}

/// Lists a directory of the tree; `None` if it is not there.
pub(super) type List<'a> = dyn FnMut(&str) -> Result<Option<Vec<Listed>>, KernelError> + 'a;

/// Finds the kernel of a tree.
///
/// Of several in `/usr/lib/modules` the newest by its version counts. An older tree's files are taken if the modules directory has none, or has
/// no initramfs where the older tree has one.
pub(super) fn find(
    list: &mut List<'_>,
    look: LookForDeviceTrees,
) -> Result<KernelLayout, KernelError> {
    let modules = in_modules(list, look)?;
    let legacy = in_legacy(list)?;
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

fn in_modules(
    list: &mut List<'_>,
    look: LookForDeviceTrees,
) -> Result<Option<KernelLayout>, KernelError> {
    let Some(modules) = list(MODULES)? else {
        return Ok(None);
    };
    let mut newest: Option<(String, Vec<Listed>)> = None;
    for directory in modules.into_iter().filter(|listed| listed.is_dir) {
        let version = directory.name;
        if newest
            .as_ref()
            .is_some_and(|(newest, _)| compare_versions(newest, &version).is_ge())
        {
            continue;
        }
        let listing = list(&format!("{MODULES}/{version}"))?.unwrap_or_default();
        if has_file(&listing, "vmlinuz") {
            newest = Some((version, listing));
        }
    }
    Ok(newest.map(|(version, listing)| modules_kernel(&version, &listing, look)))
}

fn modules_kernel(version: &str, listing: &[Listed], look: LookForDeviceTrees) -> KernelLayout {
    let present = |source: &str, installed: String| {
        has_file(listing, source).then(|| BootFile {
            source: source.to_owned(),
            installed,
        })
    };
    let initramfs_name = format!("initramfs-{version}.img");
    let has_device_trees = listing
        .iter()
        .any(|listed| listed.is_dir && listed.name == DEVICE_TREES);
    let device_trees = match (look, present("devicetree", format!("devicetree-{version}"))) {
        (LookForDeviceTrees::Yes, Some(file)) => DeviceTrees::File(file),
        (LookForDeviceTrees::Yes, None) if has_device_trees => {
            let name = DEVICE_TREES.to_owned();
            DeviceTrees::Directory(BootFile {
                source: name.clone(),
                installed: name,
            })
        }
        _ => DeviceTrees::None,
    };
    KernelLayout {
        directory: format!("{MODULES}/{version}"),
        kernel: BootFile {
            source: "vmlinuz".to_owned(),
            installed: format!("vmlinuz-{version}"),
        },
        initramfs: present("initramfs.img", initramfs_name.clone())
            .or_else(|| present("initramfs", initramfs_name)),
        device_trees,
        hmac: present(".vmlinuz.hmac", format!(".vmlinuz-{version}.hmac")),
        aboot: present("aboot.img", format!("aboot-{version}.img")),
        named_bootcsum: None,
    }
}

fn has_file(listing: &[Listed], name: &str) -> bool {
    listing
        .iter()
        .any(|listed| listed.is_file && listed.name == name)
}

fn in_legacy(list: &mut List<'_>) -> Result<Option<KernelLayout>, KernelError> {
    let mut found = None;
    for path in LEGACY {
        if found.is_none() {
            found = list(path)?.map(|listing| (path, listing));
        }
    }
    let Some((directory, listing)) = found else {
        return Ok(None);
    };
    let find = |prefix: &str| {
        let files = listing.iter().filter(|listed| listed.is_file);
        files
            .filter_map(|listed| legacy_name(&listed.name, prefix))
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
    Ok(Some(KernelLayout {
        directory: directory.to_owned(),
        device_trees: device_tree.map_or(DeviceTrees::None, DeviceTrees::File),
        initramfs,
        kernel,
        hmac: None,
        aboot: None,
        named_bootcsum: Some(bootcsum),
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
