//! What a tree carries so that a machine boots it and it looks after its own deployments.
//!
//! ```text
//! usr/bin/ostler                                   and the names ostree and rpm-ostree for it, where nobody has them
//! usr/lib/ostree/ostree-prepare-root               and its other names: ostree-remount, the generator of systemd's units
//! usr/lib/systemd/system/ostree-*, ostler-*        units; the generator starts them in a booted deployment
//! usr/lib/dracut/modules.d/98ostree/               for an initramfs by dracut
//! usr/share/initramfs-tools/{hooks,scripts}/       for an initramfs by initramfs-tools
//! usr/lib/tmpfiles.d/ostler.conf
//! usr/etc/grub.d/15_ostler                         for grub-mkconfig; etc/grub.d where the tree still has its /etc
//! ```
//! Names that libostree has, too, are its own on purpose: what looks for them finds them, and nothing runs twice.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ostler_fs::{Dir, Durability, FsError, Trusted};

/// A program is read up to this size, in bytes.
const MAX_PROGRAM_BYTES: u64 = 1 << 30;

const FIRST_ROOT: &str = "usr/lib/ostree/ostree-prepare-root";
const OSTLER: &str = "usr/bin/ostler";

/// Path, mode and content.
const FILES: [(&str, u32, &str); 15] = [
    (
        "usr/lib/systemd/system/ostree-prepare-root.service",
        0o644,
        include_str!("../systemd/ostree-prepare-root.service"),
    ),
    (
        "usr/lib/systemd/system/ostree-remount.service",
        0o644,
        include_str!("../systemd/ostree-remount.service"),
    ),
    (
        "usr/lib/systemd/system/ostler-finalize-staged.path",
        0o644,
        include_str!("../systemd/ostler-finalize-staged.path"),
    ),
    (
        "usr/lib/systemd/system/ostler-finalize-staged.service",
        0o644,
        include_str!("../systemd/ostler-finalize-staged.service"),
    ),
    (
        "usr/lib/systemd/system/ostler-finalize-staged-hold.service",
        0o644,
        include_str!("../systemd/ostler-finalize-staged-hold.service"),
    ),
    (
        "usr/lib/systemd/system/ostler-boot-complete.service",
        0o644,
        include_str!("../systemd/ostler-boot-complete.service"),
    ),
    (
        "usr/lib/systemd/system/ostler-health-watch.service",
        0o644,
        include_str!("../systemd/ostler-health-watch.service"),
    ),
    (
        "usr/lib/systemd/system/ostler-health.service",
        0o644,
        include_str!("../systemd/ostler-health.service"),
    ),
    (
        "usr/lib/systemd/system/ostler-health-good.service",
        0o644,
        include_str!("../systemd/ostler-health-good.service"),
    ),
    (
        "usr/lib/dracut/modules.d/98ostree/module-setup.sh",
        0o755,
        include_str!("../initramfs/dracut/module-setup.sh"),
    ),
    (
        "usr/lib/dracut/dracut.conf.d/20-ostree.conf",
        0o644,
        include_str!("../initramfs/dracut/ostree.conf"),
    ),
    (
        "usr/share/initramfs-tools/hooks/ostree",
        0o755,
        include_str!("../initramfs/initramfs-tools/hook"),
    ),
    (
        "usr/share/initramfs-tools/scripts/local-bottom/ostree",
        0o755,
        include_str!("../initramfs/initramfs-tools/script"),
    ),
    (
        "usr/share/initramfs-tools/scripts/nfs-bottom/ostree",
        0o755,
        include_str!("../initramfs/initramfs-tools/script"),
    ),
    (
        "usr/lib/tmpfiles.d/ostler.conf",
        0o644,
        include_str!("../tmpfiles.d/ostler.conf"),
    ),
];

/// Below `etc` or `usr/etc`: the part of grub.cfg that boots deployments.
const GRUB_SCRIPT: &str = "grub.d/15_ostler";

/// Link and target.
const LINKS: [(&str, &str); 2] = [
    ("usr/lib/ostree/ostree-remount", "ostree-prepare-root"),
    (
        "usr/lib/systemd/system-generators/ostree-system-generator",
        "../../ostree/ostree-prepare-root",
    ),
];

/// Links that are made where nothing is.
const NAMES: [(&str, &str); 2] = [
    ("usr/bin/ostree", "ostler"),
    ("usr/bin/rpm-ostree", "ostler"),
];

/// The programs that a tree gets.
#[derive(Clone, Copy, Debug)]
pub struct Programs<'a> {
    /// `ostler`.
    pub ostler: &'a Path,
    /// `ostree-prepare-root`.
    pub prepare_root: &'a Path,
}

/// Writes everything into the tree at `root`, in place of what had the same names, and returns the paths, sorted.
///
/// # Errors
/// [`FsError`]; files that were written until then stay, each whole.
pub fn install(root: &Dir, programs: Programs<'_>) -> Result<Vec<String>, FsError> {
    let mut written = Vec::new();
    for (path, program) in [
        (OSTLER, programs.ostler),
        (FIRST_ROOT, programs.prepare_root),
    ] {
        write(root, path, &read_program(program)?, 0o755)?;
        written.push(path.to_owned());
    }
    for (path, mode, text) in FILES {
        write(root, path, text.as_bytes(), mode)?;
        written.push(path.to_owned());
    }
    written.push(write_grub_script(root)?);
    for (path, target) in LINKS {
        let (parent, name) = parent_of(root, path)?;
        parent.replace_symlink(target, name)?;
        written.push(path.to_owned());
    }
    for (path, target) in NAMES {
        let (parent, name) = parent_of(root, path)?;
        if !parent.exists(name)? {
            parent.symlink(target, name)?;
            written.push(path.to_owned());
        }
    }
    written.sort_unstable();
    Ok(written)
}

/// The script goes where the tree has its defaults of `/etc`.
fn write_grub_script(root: &Dir) -> Result<String, FsError> {
    let etc = root
        .metadata_optional("etc")?
        .is_some_and(|metadata| metadata.is_dir());
    let defaults = if etc { "etc" } else { "usr/etc" };
    let path = format!("{defaults}/{GRUB_SCRIPT}");
    write(root, &path, include_bytes!("../grub.d/15_ostler"), 0o755)?;
    Ok(path)
}

fn read_program(path: &Path) -> Result<Vec<u8>, FsError> {
    let failed = |cause: std::io::Error| FsError::new("read", path, cause);
    let file = File::open(path).map_err(failed)?;
    let mut content = Vec::new();
    file.take(MAX_PROGRAM_BYTES)
        .read_to_end(&mut content)
        .map_err(failed)?;
    Ok(content)
}

fn write(root: &Dir, path: &str, content: &[u8], mode: u32) -> Result<(), FsError> {
    let (parent, name) = parent_of(root, path)?;
    // A commit syncs what it takes in.
    parent.write_atomic(name, content, mode, Durability::Cached)
}

/// The directory of a path, made where it is missing; no symlink of the tree is followed.
fn parent_of<'a>(root: &Dir, path: &'a str) -> Result<(Dir, &'a str), FsError> {
    let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
    Ok((root.create_dir_all(Trusted(parent), 0o755)?, name))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn tree() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("program"), "p").unwrap();
        let root = temp.path().join("root");
        fs::create_dir(&root).unwrap();
        let root = Dir::open_ambient(&root).unwrap();
        (temp, root)
    }

    fn install_in(temp: &tempfile::TempDir, root: &Dir) -> Result<Vec<String>, FsError> {
        let program = temp.path().join("program");
        let programs = Programs {
            ostler: &program,
            prepare_root: &program,
        };
        install(root, programs)
    }

    #[test]
    fn a_tree_gets_every_file_and_a_second_time_the_same() {
        let (temp, root) = tree();
        let written = install_in(&temp, &root).unwrap();
        assert_eq!(written.len(), 3 + FILES.len() + LINKS.len() + NAMES.len());
        for path in &written {
            let metadata = fs::metadata(temp.path().join("root").join(path)).unwrap();
            assert!(metadata.is_file() && metadata.len() > 0, "{path}");
            let is_program = path.contains("/bin/") || path.contains("ostree-prepare-root");
            let is_program = is_program && !path.ends_with(".service");
            assert!(
                !is_program || metadata.permissions().mode() & 0o111 == 0o111,
                "{path}"
            );
        }
        assert_eq!(
            install_in(&temp, &root).unwrap().len(),
            written.len() - NAMES.len()
        );
    }

    #[test]
    fn the_script_for_grub_is_where_the_tree_has_its_etc() {
        let (temp, root) = tree();
        let has = |written: Vec<String>, path: &str| written.contains(&path.to_owned());
        let written = install_in(&temp, &root).unwrap();
        assert!(has(written, "usr/etc/grub.d/15_ostler"));
        let (temp, root) = tree();
        fs::create_dir(temp.path().join("root/etc")).unwrap();
        let written = install_in(&temp, &root).unwrap();
        assert!(has(written, "etc/grub.d/15_ostler"));
    }

    #[test]
    fn another_ostree_stays_and_a_link_out_of_the_tree_is_not_followed() {
        let (temp, root) = tree();
        let tree = temp.path().join("root");
        fs::create_dir_all(tree.join("usr/bin")).unwrap();
        fs::write(tree.join("usr/bin/ostree"), "theirs").unwrap();
        assert!(
            !install_in(&temp, &root)
                .unwrap()
                .contains(&"usr/bin/ostree".to_owned())
        );
        assert_eq!(fs::read(tree.join("usr/bin/ostree")).unwrap(), b"theirs");
        fs::remove_dir_all(tree.join("usr/lib")).unwrap();
        let outside = temp.path().join("outside");
        fs::create_dir(&outside).unwrap();
        symlink(&outside, tree.join("usr/lib")).unwrap();
        install_in(&temp, &root).unwrap_err();
        assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
    }
}
