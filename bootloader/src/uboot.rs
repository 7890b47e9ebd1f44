//! U-Boot: writes `uEnv.txt`, environment variables that the board's boot script imports.

use ostler_format::BootEntry;
use ostler_fs::Dir;

use crate::backend::{
    Backend, BootloaderError, CONFIG_MAX_BYTES, NextBoot, TakesEffect, Written, below_root, kernel,
    title,
};

/// Where a tree keeps variables that the board needs besides.
const TREE_ENVIRONMENT: &str = "usr/lib/ostree-boot/uEnv.txt";

/// Writes `loader.B/uEnv.txt`, to which `/boot/uEnv.txt` must link through `loader`.
#[derive(Debug, Clone, Copy)]
pub struct Uboot;

impl Uboot {
    /// Says whether `uEnv.txt` is a link, as it is where deployments are managed.
    pub(crate) fn is_active(boot: &Dir) -> Result<bool, BootloaderError> {
        Ok(boot.read_link_optional("uEnv.txt")?.is_some())
    }
}

impl Backend for Uboot {
    fn name(&self) -> &'static str {
        "uboot"
    }

    fn takes_effect(&self) -> TakesEffect {
        TakesEffect::WithTheSwap
    }

    fn write(&self, next: &NextBoot<'_>) -> Result<Written, BootloaderError> {
        let tree = match next.default_tree {
            Some(tree) => tree.read_in_root_optional(TREE_ENVIRONMENT, CONFIG_MAX_BYTES)?,
            None => None,
        };
        let text = environment(next.entries, tree.as_deref())?;
        let path = next.write_in_loader_dir("uEnv.txt", &text)?;
        let lost = next
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.initrds.len() > 1);
        let warnings = lost
            .map(|(index, entry)| {
                let title = title(entry, index);
                format!(
                    "U-Boot loads only the first of {} initrds of `{title}`",
                    entry.initrds.len()
                )
            })
            .collect();
        Ok(Written {
            path: Some(path),
            warnings,
        })
    }
}

/// The variables of all entries; from the second on, their names end in 2, 3 and so on. Those of the tree follow the default's.
fn environment(entries: &[BootEntry], tree: Option<&[u8]>) -> Result<Vec<u8>, BootloaderError> {
    if entries.is_empty() {
        return Err(BootloaderError::NoEntries { backend: "uboot" });
    }
    let mut out = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let suffix = match index {
            0 => String::new(),
            _ => (index + 1).to_string(),
        };
        let mut set = |variable: &str, value: &str| {
            out.extend_from_slice(format!("{variable}{suffix}={value}\n").as_bytes());
        };
        set("kernel_image", &below_root(kernel(entry, index)?));
        if let Some(initrd) = entry.initrds.first() {
            set("ramdisk_image", &below_root(initrd));
        }
        if let Some(devicetree) = &entry.devicetree {
            set("fdt_file", &below_root(devicetree));
        }
        if let Some(fdtdir) = entry.fdtdir() {
            set("fdtdir", &below_root(fdtdir));
        }
        if !entry.options.is_empty() {
            set("bootargs", &entry.options.to_string());
        }
        if index == 0
            && let Some(tree) = tree
        {
            out.extend_from_slice(tree);
            if !tree.is_empty() && !tree.ends_with(b"\n") {
                out.push(b'\n');
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_boot::{TestBoot, entry};

    /// The expected text is what ostree 2022.7 wrote for the same entries.
    #[test]
    fn variables_are_numbered_and_those_of_the_tree_follow_the_default() {
        let entries = [
            entry(
                "title C\noptions root=x ostree=/c\nlinux /ostree/c/vmlinuz\ndevicetree /ostree/c/devicetree\n",
            ),
            entry(
                "title B\noptions root=x\nlinux /ostree/b/vmlinuz\ninitrd /ostree/b/i\ninitrd /ostree/o\nfdtdir /ostree/b/dtb\n",
            ),
            entry("title A\noptions root=x\nlinux /ostree/a/vmlinuz\ninitrd /ostree/a/i\n"),
        ];
        let expected = "\
kernel_image=/boot/ostree/c/vmlinuz
fdt_file=/boot/ostree/c/devicetree
bootargs=root=x ostree=/c
loadfdt=load
x=y
kernel_image2=/boot/ostree/b/vmlinuz
ramdisk_image2=/boot/ostree/b/i
fdtdir2=/boot/ostree/b/dtb
bootargs2=root=x
kernel_image3=/boot/ostree/a/vmlinuz
ramdisk_image3=/boot/ostree/a/i
bootargs3=root=x
";
        let boot = TestBoot::new();
        boot.write("tree/usr/lib/ostree-boot/uEnv.txt", "loadfdt=load\nx=y");
        let written = boot.write_with(&Uboot, &entries).unwrap();
        assert_eq!(boot.read("loader.1/uEnv.txt"), expected);
        assert_eq!(
            written.warnings,
            ["U-Boot loads only the first of 2 initrds of `B`"]
        );
    }
}
