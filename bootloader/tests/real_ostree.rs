//! Configurations written here against those that the real `ostree` writes for the same boot order.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use ostler_bootloader::{Choice, GrubMenu, NextBoot, select};
use ostler_format::{BootEntry, EntryName, Turn};
use ostler_fs::Dir;

fn ostree(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("ostree")
        .args(args)
        .current_dir(dir)
        .env("OSTREE_SYSROOT", "sys")
        .env("GRUB2_BOOT_DEVICE_ID", "device")
        .env("GRUB2_PREPARE_ROOT_CACHE", "\tsearch x")
        .env("_OSTREE_GRUB2_BOOTVERSION", "0")
        .output()
        .expect("the real ostree is installed");
    assert!(
        output.status.success(),
        "ostree {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

struct Deployed {
    temp: tempfile::TempDir,
    entries: Vec<BootEntry>,
}

/// Deploys two commits with the real `ostree`; `before` is a copy of `/boot` as it was between them.
fn deployed(old_config: &str, name: &str, link: &str, target: &str) -> Deployed {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let modules = dir.join("os/usr/lib/modules/6.1");
    fs::create_dir_all(&modules).unwrap();
    for path in ["os/usr/etc", "os/usr/lib/ostree-boot", "sys"] {
        fs::create_dir_all(dir.join(path)).unwrap();
    }
    fs::write(
        dir.join("os/usr/etc/os-release"),
        "PRETTY_NAME=\"It's OS\"\n",
    )
    .unwrap();
    fs::write(dir.join("os/usr/lib/ostree-boot/uEnv.txt"), "a=b\n\nc=${d}").unwrap();
    fs::write(modules.join("vmlinuz"), "kernel").unwrap();
    fs::write(modules.join("initramfs.img"), "initramfs").unwrap();
    ostree(dir, &["admin", "init-fs", "sys"]);
    ostree(dir, &["admin", "os-init", "testos"]);
    let boot = dir.join("sys/boot");
    fs::create_dir_all(boot.join("loader.0")).unwrap();
    symlink("loader.0", boot.join("loader")).unwrap();
    fs::write(boot.join("loader.0").join(name), old_config).unwrap();
    fs::create_dir_all(boot.join(link).parent().unwrap()).unwrap();
    symlink(target, boot.join(link)).unwrap();
    let commit = [
        "--repo=sys/ostree/repo",
        "commit",
        "-b",
        "os",
        "--tree=dir=os",
        "--bootable",
    ];
    ostree(dir, &commit);
    ostree(
        dir,
        &[
            "admin",
            "deploy",
            "--os=testos",
            "--karg=root=LABEL=MOO",
            "--karg=quiet",
            "os",
        ],
    );
    let copied = Command::new("cp")
        .arg("-a")
        .arg(&boot)
        .arg(dir.join("before"))
        .status()
        .unwrap();
    assert!(copied.success());
    fs::write(modules.join("devicetree"), "tree").unwrap();
    fs::remove_file(modules.join("initramfs.img")).unwrap();
    ostree(dir, &commit);
    ostree(
        dir,
        &["admin", "deploy", "--os=testos", "--karg-append=more", "os"],
    );
    let mut menu: Vec<(String, BootEntry)> = fs::read_dir(boot.join("loader.0/entries"))
        .unwrap()
        .map(|file| {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(EntryName::parse(&name).is_some());
            (name, BootEntry::parse(&fs::read(path).unwrap()).unwrap())
        })
        .collect();
    menu.sort_by(|a, b| BootEntry::menu_order((&a.0, &a.1), (&b.0, &b.1)));
    Deployed {
        temp,
        entries: menu.into_iter().map(|(_, entry)| entry).collect(),
    }
}

impl Deployed {
    /// What is written here for the second deployment.
    fn ours(&self, backend: &str, name: &str) -> String {
        let path = self.temp.path().join("before");
        let boot = Dir::open_ambient(&path).unwrap();
        let tree = Dir::open_ambient(self.temp.path().join("os")).unwrap();
        let backend_found = select(Choice::Auto, &boot).unwrap();
        assert_eq!(backend_found.name(), backend);
        let written = backend_found
            .write(&NextBoot {
                boot: &boot,
                boot_path: &path,
                boot_version: Turn::Zero,
                entries: &self.entries,
                default_tree: Some(&tree),
                booted: false,
                grub_mkconfig: None,
            })
            .unwrap();
        assert_eq!(written.path, Some(format!("loader.0/{name}")));
        fs::read_to_string(path.join("loader.0").join(name)).unwrap()
    }

    fn theirs(&self, name: &str) -> String {
        fs::read_to_string(self.temp.path().join("sys/boot/loader.0").join(name)).unwrap()
    }
}

#[test]
fn syslinux_cfg_has_the_bytes_that_ostree_writes() {
    let old = "# mine\nTIMEOUT 30\nDEFAULT linux\n\nLABEL linux\n\tKERNEL /vmlinuz\n\tAPPEND x\nPROMPT 0\n";
    let both = deployed(
        old,
        "syslinux.cfg",
        "syslinux/syslinux.cfg",
        "../loader/syslinux.cfg",
    );
    assert_eq!(
        both.ours("syslinux", "syslinux.cfg"),
        both.theirs("syslinux.cfg")
    );
}

#[test]
fn uenv_txt_has_the_bytes_that_ostree_writes() {
    let both = deployed("", "uEnv.txt", "uEnv.txt", "loader/uEnv.txt");
    assert_eq!(both.ours("uboot", "uEnv.txt"), both.theirs("uEnv.txt"));
}

#[test]
fn the_menu_for_grub_has_the_bytes_that_ostree_generates() {
    let both = deployed("", "uEnv.txt", "uEnv.txt", "loader/uEnv.txt");
    let menu = GrubMenu {
        entries: &both.entries,
        boot_device_id: "device",
        prepare_root: "\tsearch x",
    };
    let theirs = ostree(both.temp.path(), &["admin", "instutil", "grub2-generate"]);
    assert_eq!(
        menu.text().unwrap(),
        theirs.replace("'It's OS", "'It'\\''s OS")
    );
}
