//! syslinux: rewrites the labels that boot deployments in `syslinux.cfg` and keeps everything else.

use ostler_format::BootEntry;
use ostler_fs::Dir;

use crate::backend::{
    Backend, BootloaderError, CONFIG_MAX_BYTES, NextBoot, TakesEffect, Written, below_root, kernel,
    title,
};

const PATH: &str = "syslinux/syslinux.cfg";

/// Writes `loader.B/syslinux.cfg`, to which `/boot/syslinux/syslinux.cfg` must link through `../loader`.
#[derive(Debug, Clone, Copy)]
pub struct Syslinux;

impl Syslinux {
    /// Says whether `syslinux/syslinux.cfg` is a link, as it is where deployments are managed.
    pub(crate) fn is_active(boot: &Dir) -> Result<bool, BootloaderError> {
        let Some(dir) = boot.open_dir_beneath_optional("syslinux")? else {
            return Ok(false);
        };
        Ok(dir.read_link_optional("syslinux.cfg")?.is_some())
    }
}

impl Backend for Syslinux {
    fn name(&self) -> &'static str {
        "syslinux"
    }

    fn takes_effect(&self) -> TakesEffect {
        TakesEffect::WithTheSwap
    }

    fn write(&self, next: &NextBoot<'_>) -> Result<Written, BootloaderError> {
        let old = next.boot.read_in_root_optional(PATH, CONFIG_MAX_BYTES)?;
        let old = String::from_utf8(old.unwrap_or_default())
            .map_err(|_| BootloaderError::NotText { path: PATH })?;
        let text = rewrite(&old, next.entries)?;
        let path = next.write_in_loader_dir("syslinux.cfg", text.as_bytes())?;
        Ok(Written {
            path: Some(path),
            warnings: Vec::new(),
        })
    }
}

/// Returns `old` without its default and without labels that boot deployments, followed by labels for `entries`.
fn rewrite(old: &str, entries: &[BootEntry]) -> Result<String, BootloaderError> {
    if entries.is_empty() {
        return Err(BootloaderError::NoEntries {
            backend: "syslinux",
        });
    }
    let mut out: Vec<String> = kept_lines(old).into_iter().map(str::to_owned).collect();
    out.push(format!("DEFAULT {}", title(&entries[0], 0)));
    for (index, entry) in entries.iter().enumerate() {
        out.push(format!("LABEL {}", title(entry, index)));
        out.push(format!("\tKERNEL {}", below_root(kernel(entry, index)?)));
        if !entry.initrds.is_empty() {
            let initrds: Vec<String> = entry.initrds.iter().map(|i| below_root(i)).collect();
            out.push(format!("\tINITRD {}", initrds.join(",")));
        }
        if let Some(devicetree) = &entry.devicetree {
            out.push(format!("\tDEVICETREE {}", below_root(devicetree)));
        }
        if let Some(fdtdir) = entry.fdtdir() {
            out.push(format!("\tFDTDIR {}", below_root(fdtdir)));
        }
        if !entry.options.is_empty() {
            out.push(format!("\tAPPEND {}", entry.options));
        }
    }
    out.push(String::new());
    Ok(out.join("\n"))
}

/// Lines of a configuration that are not ours.
///
/// A label goes on for as long as lines are indented; an empty line ends it and is dropped with it.
fn kept_lines(old: &str) -> Vec<&str> {
    let mut kept = Vec::new();
    if old.is_empty() {
        return kept;
    }
    let mut label: Option<Vec<&str>> = None;
    for line in old.split('\n') {
        if let Some(lines) = &mut label {
            if line.starts_with([' ', '\t']) {
                lines.push(line);
                continue;
            }
            keep_label(&mut kept, label.take());
            if line.is_empty() {
                continue;
            }
        }
        match keyword(line) {
            (word, _) if word.eq_ignore_ascii_case("label") => label = Some(vec![line]),
            (word, _) if word.eq_ignore_ascii_case("default") => (),
            _ => kept.push(line),
        }
    }
    keep_label(&mut kept, label);
    kept
}

/// Keeps a label unless its kernel is one of a deployment.
fn keep_label<'a>(kept: &mut Vec<&'a str>, label: Option<Vec<&'a str>>) {
    let ours = |line: &&str| {
        let (word, value) = keyword(line);
        (word.eq_ignore_ascii_case("kernel") || word.eq_ignore_ascii_case("linux"))
            && (value.starts_with("/ostree/") || value.starts_with("/boot/ostree/"))
    };
    if let Some(lines) = label
        && !lines.iter().any(ours)
    {
        kept.extend(lines);
    }
}

fn keyword(line: &str) -> (&str, &str) {
    let line = line.trim_ascii();
    match line.split_once([' ', '\t']) {
        Some((word, value)) => (word, value.trim_ascii_start()),
        None => (line, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_boot::{TestBoot, entry};

    const OURS: &str = "\
DEFAULT TestOS 42 1.0 (ostree:0)
LABEL TestOS 42 1.0 (ostree:0)
\tKERNEL /boot/ostree/os-1/vmlinuz
\tINITRD /boot/ostree/os-1/initramfs.img
\tAPPEND root=LABEL=MOO quiet ostree=/ostree/boot.1/os/1/0
";

    fn one() -> Vec<BootEntry> {
        vec![entry(
            "title TestOS 42 1.0 (ostree:0)\nversion 1\noptions root=LABEL=MOO quiet ostree=/ostree/boot.1/os/1/0\nlinux /ostree/os-1/vmlinuz\ninitrd /ostree/os-1/initramfs.img\n",
        )]
    }

    /// The expected texts are what ostree 2022.7 wrote for the same input.
    #[test]
    fn labels_of_others_stay_and_ours_are_replaced_as_libostree_does() {
        for (old, kept) in [
            ("", ""),
            ("TIMEOUT 3\n", "TIMEOUT 3\n\n"),
            (
                "# comment\nTIMEOUT 30\n\nDEFAULT linux\nLABEL linux\n\tKERNEL /vmlinuz\n\tAPPEND root=/dev/sda\n\nUI menu\nLABEL other\n\tMENU LABEL x\n\tKERNEL /k2\n",
                "# comment\nTIMEOUT 30\n\nLABEL linux\n\tKERNEL /vmlinuz\n\tAPPEND root=/dev/sda\nUI menu\nLABEL other\n\tMENU LABEL x\n\tKERNEL /k2\n",
            ),
            (
                "DEFAULT old (ostree:0)\nTIMEOUT 30\nLABEL linux\n\tKERNEL /vmlinuz\nLABEL old (ostree:0)\n\tKERNEL /ostree/foo/vmlinuz\nLABEL x\n\tKERNEL /boot/ostree/a\n\tINITRD y\n",
                "TIMEOUT 30\nLABEL linux\n\tKERNEL /vmlinuz\n",
            ),
        ] {
            assert_eq!(
                rewrite(old, &one()).unwrap(),
                format!("{kept}{OURS}"),
                "{old}"
            );
        }
    }

    #[test]
    fn rewriting_again_changes_nothing() {
        let old = "TIMEOUT 3\n\nLABEL mine\n  KERNEL /k\n";
        let once = rewrite(old, &one()).unwrap();
        assert_eq!(rewrite(&once, &one()).unwrap(), once);
    }

    #[test]
    fn overlays_and_device_trees_come_along() {
        let entries = [entry(
            "title A\nlinux /boot/ostree/k\ninitrd /boot/ostree/i\ninitrd /boot/ostree/o\ndevicetree /ostree/d\nfdtdir /ostree/dtb\n",
        )];
        assert_eq!(
            rewrite("", &entries).unwrap(),
            "DEFAULT A\nLABEL A\n\tKERNEL /boot/ostree/k\n\tINITRD /boot/ostree/i,/boot/ostree/o\n\tDEVICETREE /boot/ostree/d\n\tFDTDIR /boot/ostree/dtb\n"
        );
    }

    #[test]
    fn the_old_configuration_is_read_through_its_link_and_stays() {
        let boot = TestBoot::new();
        boot.write("loader.0/syslinux.cfg", "TIMEOUT 3");
        boot.symlink("loader.0", "loader");
        boot.symlink("../loader/syslinux.cfg", "syslinux/syslinux.cfg");
        let written = boot.write_with(&Syslinux, &one()).unwrap();
        assert_eq!(written.path.as_deref(), Some("loader.1/syslinux.cfg"));
        assert_eq!(
            boot.read("loader.1/syslinux.cfg"),
            format!("TIMEOUT 3\n{OURS}")
        );
        assert_eq!(boot.read("loader.0/syslinux.cfg"), "TIMEOUT 3");
    }

    #[test]
    fn an_order_without_entries_or_kernel_is_refused_and_nothing_written() {
        let boot = TestBoot::new();
        assert!(matches!(
            boot.write_with(&Syslinux, &[]),
            Err(BootloaderError::NoEntries { .. })
        ));
        assert!(matches!(
            boot.write_with(&Syslinux, &[entry("title A\n")]),
            Err(BootloaderError::NoKernel { .. })
        ));
        assert!(!boot.exists("loader.1"));
    }
}
