//! What is read and written here against what the real `ostree` reads and writes.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostler_format::origin::Source;
use ostler_format::{
    BootEntry, Bootlink, DeploymentName, EntryName, KernelArgs, KeyFile, Origin, Refspec,
};

fn ostree(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("ostree")
        .args(args)
        .current_dir(dir)
        .env("OSTREE_SYSROOT", "sys")
        .output()
        .expect("the real ostree is installed");
    assert!(
        output.status.success(),
        "ostree {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn config_edits_write_the_bytes_that_ostree_writes() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    ostree(dir, &["init", "--repo=r", "--mode=archive"]);
    let path = dir.join("r/config");
    let messy = b"\n[core]\nrepo_version = 1\n  mode=archive-z2\n y = trailing \n[x]\na=1\n[core]\nfsync=1\n";
    fs::write(&path, messy).unwrap();
    let mut ours = KeyFile::parse(messy).unwrap();
    let values = [" lead\ttab\\x\nnl ", "a;b", "", "  ", "\n x", "é"];
    for (index, value) in values.iter().enumerate() {
        let key = format!("k{index}");
        ostree(
            dir,
            &["config", "--repo=r", "set", "--group=new", &key, value],
        );
        ours.set_string("new", &key, value).unwrap();
    }
    ostree(dir, &["config", "--repo=r", "set", "core.fsync", "false"]);
    ours.set_boolean("core", "fsync", false).unwrap();
    ostree(dir, &["config", "--repo=r", "unset", "x.a"]);
    ours.remove_key("x", "a");
    ostree(
        dir,
        &[
            "--repo=r",
            "remote",
            "add",
            "--set=gpg-verify=false",
            "o",
            "http://h/r",
            "os/a",
            "os/b",
        ],
    );
    let group = "remote \"o\"";
    ours.set_string(group, "url", "http://h/r").unwrap();
    ours.set_string_list(group, "branches", &["os/a", "os/b"])
        .unwrap();
    ours.set_boolean(group, "gpg-verify", false).unwrap();
    let theirs = fs::read(&path).unwrap();
    // ostree drops empty lines in front.
    let ours = ours.to_bytes();
    assert_eq!(
        String::from_utf8_lossy(ours.trim_ascii_start()),
        String::from_utf8_lossy(&theirs)
    );
    let read = KeyFile::parse(&theirs).unwrap();
    for (index, value) in values.iter().enumerate() {
        assert_eq!(
            read.string("new", &format!("k{index}")).unwrap().as_deref(),
            Some(*value)
        );
    }
}

/// A sysroot `sys` with one deployment made by the real `ostree`.
fn sysroot() -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let modules = dir.join("os/usr/lib/modules/6.1");
    fs::create_dir_all(&modules).unwrap();
    fs::create_dir_all(dir.join("os/usr/etc")).unwrap();
    fs::write(modules.join("vmlinuz"), "kernel").unwrap();
    fs::write(modules.join("initramfs.img"), "initramfs").unwrap();
    fs::write(
        dir.join("os/usr/etc/os-release"),
        "ID=testos\nPRETTY_NAME=\"TestOS 42\"\n",
    )
    .unwrap();
    fs::create_dir(dir.join("sys")).unwrap();
    ostree(dir, &["admin", "init-fs", "sys"]);
    ostree(dir, &["admin", "os-init", "testos"]);
    ostree(
        dir,
        &[
            "config",
            "--repo=sys/ostree/repo",
            "set",
            "sysroot.bootloader",
            "none",
        ],
    );
    ostree(
        dir,
        &[
            "--repo=sys/ostree/repo",
            "commit",
            "-b",
            "os/x",
            "-s",
            "one",
            "--tree=dir=os",
        ],
    );
    ostree(
        dir,
        &[
            "admin",
            "deploy",
            "--os=testos",
            "--karg=root=LABEL=MOO",
            "--karg=quiet",
            "os/x",
        ],
    );
    temp
}

fn only_entry(dir: &Path) -> PathBuf {
    let entries = dir.join("sys/boot/loader/entries");
    fs::read_dir(entries)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path()
}

#[test]
fn a_deployment_made_by_ostree_is_understood_and_written_back_the_same() {
    let temp = sysroot();
    let dir = temp.path();
    let path = only_entry(dir);
    let name = path.file_name().unwrap().to_str().unwrap();
    assert_eq!(EntryName::parse(name).unwrap().to_string(), name);
    let text = fs::read(&path).unwrap();
    let entry = BootEntry::parse(&text).unwrap();
    assert_eq!(entry.to_bytes(), text);
    let link = Bootlink::parse(entry.options.ostree().unwrap()).unwrap();
    let target = fs::canonicalize(dir.join("sys").join(&link.to_string()[1..])).unwrap();
    let name = target.file_name().unwrap().to_str().unwrap();
    assert_eq!(DeploymentName::parse(name).unwrap().to_string(), name);
    let origin = fs::read(target.with_file_name(format!("{name}.origin"))).unwrap();
    let source = Source::Refspec(Refspec::parse("os/x").unwrap());
    assert_eq!(Origin::new(&source).unwrap().to_bytes(), origin);
}

#[test]
fn ostree_reads_entries_under_their_new_name_and_our_pins() {
    let temp = sysroot();
    let dir = temp.path();
    let before = ostree(dir, &["admin", "status"]);
    assert!(
        before.contains("testos") && !before.contains("Pinned"),
        "{before}"
    );
    let path = only_entry(dir);
    let mut entry = BootEntry::parse(&fs::read(&path).unwrap()).unwrap();
    entry.options.append("added=\"a b\"");
    fs::remove_file(&path).unwrap();
    fs::write(
        path.with_file_name(EntryName::new(1).to_string()),
        entry.to_bytes(),
    )
    .unwrap();
    let deployment = ostree(dir, &["admin", "--print-current-dir"]);
    let origin_path = PathBuf::from(format!("{}.origin", deployment.trim()));
    let mut origin = Origin::parse(&fs::read(&origin_path).unwrap()).unwrap();
    origin.set_pinned(true).unwrap();
    fs::write(&origin_path, origin.to_bytes()).unwrap();
    let after = ostree(dir, &["admin", "status"]);
    assert!(after.contains("Pinned: yes"), "{after}");
    ostree(dir, &["admin", "instutil", "set-kargs", "--merge", "more"]);
    let entry = BootEntry::parse(&fs::read(only_entry(dir)).unwrap()).unwrap();
    assert!(entry.options.contains("added=\"a b\"") && entry.options.contains("more"));
}

#[test]
fn kernel_arguments_change_as_ostree_changes_them() {
    let temp = sysroot();
    let dir = temp.path();
    let options = || {
        let entry = BootEntry::parse(&fs::read(only_entry(dir)).unwrap()).unwrap();
        let mut options = entry.options;
        options.delete_key("ostree");
        options.to_string()
    };
    let mut ours = KernelArgs::parse("FOO=BAZ FOO=BIF T=V KEYWORD EMPTY=");
    ostree(
        dir,
        &[
            "admin",
            "instutil",
            "set-kargs",
            "FOO=BAZ",
            "FOO=BIF",
            "T=V",
            "KEYWORD",
            "EMPTY=",
        ],
    );
    assert_eq!(options(), ours.to_string());
    ostree(
        dir,
        &[
            "admin",
            "instutil",
            "set-kargs",
            "--merge",
            "--append=A=1",
            "--append=A=2",
        ],
    );
    ours.append("A=1");
    ours.append("A=2");
    assert_eq!(options(), ours.to_string());
    ostree(
        dir,
        &[
            "admin",
            "instutil",
            "set-kargs",
            "--merge",
            "--replace=FOO=X",
        ],
    );
    ours.set("FOO=X").unwrap();
    assert_eq!(options(), ours.to_string());
    for change in ["T=V", "KEYWORD", "A=1"] {
        ostree(
            dir,
            &[
                "admin",
                "deploy",
                "--os=testos",
                &format!("--karg-delete={change}"),
                "os/x",
            ],
        );
        ours.delete(change).unwrap();
        ostree(dir, &["admin", "undeploy", "1"]);
        assert_eq!(options(), ours.to_string());
    }
}
