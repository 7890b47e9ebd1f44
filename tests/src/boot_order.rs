//! What a boot loader and the initramfs would find, read without any of the project's code.

use std::fs;
use std::path::{Path, PathBuf};

/// One boot entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The commit and serial of the deployment that it leads to.
    pub deployment: String,
    /// The kernel arguments but `ostree=`.
    pub kargs: String,
    /// What the file holds.
    pub kernel: String,
    /// The folder of the deployment.
    pub root: PathBuf,
}

impl Slot {
    /// Returns the commit of the deployment.
    pub fn commit(&self) -> &str {
        self.deployment.split('.').next().unwrap()
    }
}

/// Reads the boot order of `sysroot`, the default first.
///
/// # Panics
/// If an entry leads nowhere.
pub fn read(sysroot: &Path) -> Vec<Slot> {
    let loader = sysroot.join("boot/loader");
    let Ok(entries) = fs::read_dir(loader.join("entries")) else {
        return Vec::new();
    };
    // systemd-boot's, if it is there: which names may be the default.
    let config = fs::read_to_string(loader.join("loader.conf")).unwrap_or_default();
    let default = config
        .lines()
        .find_map(|line| line.strip_prefix("default "))
        .map_or("", |pattern| pattern.strip_suffix('*').unwrap());
    let mut slots: Vec<(u32, Slot)> = entries
        .map(|entry| entry.unwrap().path())
        // What is not named so is no entry to a boot loader.
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "conf")
        })
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with(default)
        })
        .map(|path| slot(sysroot, &path))
        .collect();
    slots.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    slots.into_iter().map(|(_, slot)| slot).collect()
}

fn slot(sysroot: &Path, entry: &Path) -> (u32, Slot) {
    let text = fs::read_to_string(entry).unwrap();
    let field = |name: &str| {
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value
            .unwrap_or_else(|| panic!("{}: no `{name}` in:\n{text}", entry.display()))
            .trim()
    };
    let boot_file = |name: &str| {
        let path = sysroot
            .join("boot")
            .join(field(name).trim_start_matches('/'));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let (bootlink, kargs): (Vec<&str>, Vec<&str>) = field("options")
        .split(' ')
        .partition(|karg| karg.starts_with("ostree="));
    let bootlink = bootlink[0].strip_prefix("ostree=/").unwrap();
    let root = fs::canonicalize(sysroot.join(bootlink))
        .unwrap_or_else(|error| panic!("{}: `{bootlink}`: {error}", entry.display()));
    let slot = Slot {
        deployment: root.file_name().unwrap().to_string_lossy().into_owned(),
        kargs: kargs.join(" "),
        kernel: format!("{} {}", boot_file("linux"), boot_file("initrd")),
        root,
    };
    (field("version").parse().unwrap(), slot)
}
