//! Menu entries in GRUB's language.

use ostler_format::BootEntry;

use crate::backend::{BootloaderError, below_root, kernel, title};
use crate::counting::grub_commands;

const WRITTEN_ANEW: &str = "# Written anew for every deployment: changes are lost.\n";

/// The part of `grub.cfg` that boots deployments, as `/etc/grub.d/15_ostree` prints it into the rest.
#[derive(Debug, Clone, Copy)]
pub struct GrubMenu<'a> {
    /// The entries, the default first.
    pub entries: &'a [BootEntry],
    /// Makes the entries' ids unique, `GRUB2_BOOT_DEVICE_ID` of grub-mkconfig.
    pub boot_device_id: &'a str,
    /// Commands that find the device of `/boot`, `GRUB2_PREPARE_ROOT_CACHE` of grub-mkconfig.
    pub prepare_root: &'a str,
}

impl GrubMenu<'_> {
    /// Returns the commands.
    ///
    /// # Errors
    /// [`BootloaderError::NoKernel`].
    pub fn text(&self) -> Result<String, BootloaderError> {
        let mut out = String::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let id = format!("ostree-{index}-{}", self.boot_device_id);
            out += &format!(
                "menuentry {} --class gnu-linux --class gnu --class os --unrestricted {} {{\n",
                quoted(&title(entry, index)),
                quoted(&id)
            );
            out += "load_video\nset gfxpayload=keep\ninsmod gzio\n";
            if !self.prepare_root.is_empty() {
                out += self.prepare_root;
                out.push('\n');
            }
            out += &load(entry, index, str::to_owned)?;
            out += "}\n";
        }
        Ok(out)
    }
}

/// A whole `grub.cfg` for a `/boot` whose machine can't be asked.
pub(super) fn plain_config(entries: &[BootEntry]) -> Result<String, BootloaderError> {
    let menu = plain_menu(entries)?;
    Ok(format!("set default=0\nset timeout=5\n{menu}"))
}

/// The entries after the commands that count boots, with paths that are right on a `/boot` of its own or not.
pub(super) fn plain_menu(entries: &[BootEntry]) -> Result<String, BootloaderError> {
    if entries.is_empty() {
        return Err(BootloaderError::NoEntries { backend: "grub2" });
    }
    let mut out = format!("{WRITTEN_ANEW}{}", grub_commands());
    for (index, entry) in entries.iter().enumerate() {
        let title = quoted(&title(entry, index));
        out += &format!(
            "menuentry {title} --class gnu-linux --class gnu --class os --unrestricted --id 'ostree-{index}' {{\n"
        );
        out += &load(entry, index, below_root)?;
        out += "}\n";
    }
    Ok(out)
}

fn load(
    entry: &BootEntry,
    index: usize,
    place: fn(&str) -> String,
) -> Result<String, BootloaderError> {
    let mut out = format!("linux {}", place(kernel(entry, index)?));
    for arg in entry.options.iter() {
        out.push(' ');
        out += &escaped(arg.as_str());
    }
    out.push('\n');
    if !entry.initrds.is_empty() {
        let initrds: Vec<String> = entry.initrds.iter().map(|path| place(path)).collect();
        out += &format!("initrd {}\n", initrds.join(" "));
    }
    if let Some(devicetree) = &entry.devicetree {
        out += &format!("devicetree {}\n", place(devicetree));
    }
    Ok(out)
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Leaves plain arguments as they are and quotes those in which GRUB would see more than text.
///
/// Double quotes go: GRUB puts its own around an argument with blanks when it hands it to the kernel, and would escape these.
fn escaped(argument: &str) -> String {
    let special = |c: char| "\\$`'\"{}|;&<>#".contains(c) || c.is_ascii_whitespace();
    match argument.contains(special) {
        true => quoted(&argument.replace('"', "")),
        false => argument.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_boot::entry;

    /// What `ostree admin instutil grub2-generate` of 2022.7 printed.
    #[test]
    fn the_menu_is_the_one_that_ostree_generates() {
        let entries = [
            entry(
                "title TestOS 42 3.0 (ostree:0)\noptions root=LABEL=MOO quiet ostree=/o\nlinux /ostree/c/vmlinuz-6.1\ndevicetree /ostree/c/devicetree-6.1\n",
            ),
            entry(
                "title TestOS 42 2.0 (ostree:1)\noptions root=LABEL=MOO\nlinux /ostree/b/vmlinuz-6.1\ninitrd /ostree/b/initramfs-6.1.img\n",
            ),
        ];
        let menu = GrubMenu {
            entries: &entries,
            boot_device_id: "dev-id",
            prepare_root: "\tsearch foo\n\tbar",
        };
        assert_eq!(
            menu.text().unwrap(),
            "\
menuentry 'TestOS 42 3.0 (ostree:0)' --class gnu-linux --class gnu --class os --unrestricted 'ostree-0-dev-id' {
load_video
set gfxpayload=keep
insmod gzio
\tsearch foo
\tbar
linux /ostree/c/vmlinuz-6.1 root=LABEL=MOO quiet ostree=/o
devicetree /ostree/c/devicetree-6.1
}
menuentry 'TestOS 42 2.0 (ostree:1)' --class gnu-linux --class gnu --class os --unrestricted 'ostree-1-dev-id' {
load_video
set gfxpayload=keep
insmod gzio
\tsearch foo
\tbar
linux /ostree/b/vmlinuz-6.1 root=LABEL=MOO
initrd /ostree/b/initramfs-6.1.img
}
"
        );
    }

    #[test]
    fn arguments_can_not_run_commands_of_grub() {
        let entries = [entry(
            "title $(reboot)\noptions a;reboot \"b=c d\" e=${f}\nlinux /k\ninitrd /i\ninitrd /o\n",
        )];
        let text = plain_config(&entries).unwrap();
        assert!(text.contains("menuentry '$(reboot)'"), "{text}");
        assert!(
            text.contains("linux /boot/k 'a;reboot' 'b=c d' 'e=${f}'\ninitrd /boot/i /boot/o\n"),
            "{text}"
        );
    }
}
