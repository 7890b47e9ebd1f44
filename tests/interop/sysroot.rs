//! System roots that one program made and the other reads and changes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ostler_tests::{Program, Repo, Scratch, Snapshot, View};

use crate::both_ways;

const KERNEL_VERSION: &str = "6.1.0-test";

/// Writes a small OS tree; `version` is in its os-release, its kernel and its /etc.
fn os_tree(path: &Path, version: &str) {
    let modules = format!("usr/lib/modules/{KERNEL_VERSION}");
    for folder in [
        "usr/bin",
        "usr/etc/nested",
        &modules,
        "sysroot",
        "boot",
        "dev",
        "proc",
        "sys",
        "run",
        "var",
        "tmp",
    ] {
        fs::create_dir_all(path.join(folder)).unwrap();
    }
    symlink("sysroot/ostree", path.join("ostree")).unwrap();
    let files = [
        ("usr/bin/program", format!("program {version}")),
        ("usr/etc/default", format!("default {version}")),
        ("usr/etc/nested/constant", "constant".to_owned()),
        ("usr/etc/edited", "as delivered".to_owned()),
        ("usr/etc/removed", "as delivered".to_owned()),
        (
            "usr/lib/os-release",
            format!(
                "NAME=Test\nID=test\nVERSION_ID={version}\nPRETTY_NAME=\"Test OS {version}\"\n"
            ),
        ),
        (&format!("{modules}/vmlinuz"), format!("kernel {version}")),
        (
            &format!("{modules}/initramfs.img"),
            format!("initramfs {version}"),
        ),
    ];
    for (name, content) in files {
        fs::write(path.join(name), content).unwrap();
    }
    symlink("../usr/lib/os-release", path.join("usr/etc/os-release")).unwrap();
}

/// A sysroot with the stateroot `testos`, and a repository to pull from with two versions of `os/stable`.
struct Host {
    scratch: Scratch,
    sysroot: PathBuf,
    published: Repo,
}

impl Host {
    /// Made with `program`; version 1 is pulled but not deployed.
    fn new(program: &Program) -> Self {
        let scratch = Scratch::new();
        let sysroot = scratch.join("sysroot");
        fs::create_dir_all(sysroot.join("boot/loader.0")).unwrap();
        symlink("loader.0", sysroot.join("boot/loader")).unwrap();
        let published = Program::ostree().init_quick(&scratch.join("published"), "archive");
        let host = Self {
            scratch,
            sysroot,
            published,
        };
        host.publish("1");
        host.admin(program, "init-fs", &[host.sysroot.to_str().unwrap()]);
        host.admin(program, "os-init", &["testos"]);
        let repo = program.repo(&host.sysroot.join("ostree/repo"));
        let url = format!("file://{}", host.published.path().display());
        repo.run("remote add", ["--no-gpg-verify", "origin", &url]);
        host.pull(program);
        host
    }

    fn publish(&self, version: &str) -> String {
        let tree = self.scratch.join(format!("tree-{version}"));
        os_tree(&tree, version);
        self.published.commit(
            "os/stable",
            &tree,
            &[&format!("--add-metadata-string=version={version}")],
        )
    }

    fn pull(&self, program: &Program) {
        program
            .repo(&self.sysroot.join("ostree/repo"))
            .run("pull", ["origin", "os/stable"]);
    }

    fn deploy(&self, program: &Program, options: &[&str]) {
        let fixed = ["--os=testos", "origin:os/stable"];
        self.admin(
            program,
            "deploy",
            &options.iter().copied().chain(fixed).collect::<Vec<_>>(),
        );
    }

    fn admin(&self, program: &Program, verb: &str, arguments: &[&str]) -> String {
        let sysroot = format!("--sysroot={}", self.sysroot.display());
        let mut all = vec!["admin"];
        all.extend(verb.split(' '));
        if verb != "init-fs" {
            all.push(&sysroot);
        }
        all.extend(arguments);
        program.run(all)
    }

    /// The only deployment of a commit.
    fn deployment(&self, commit: &str) -> PathBuf {
        self.sysroot
            .join(format!("ostree/deploy/testos/deploy/{commit}.0"))
    }

    /// Names, texts and targets below `boot`.
    fn boot(&self) -> Snapshot {
        Snapshot::of(&self.sysroot.join("boot"), View::CONTENT)
    }
}

#[test]
fn a_deployment_of_one_program_is_reported_alike_by_both() {
    for (maker, user) in both_ways() {
        let host = Host::new(&maker);
        host.deploy(&maker, &["--karg=root=LABEL=x", "--karg=quiet"]);
        let [made, read] = [&maker, &user].map(|program| host.admin(program, "status", &[]));
        assert_eq!(read, made, "{} deployed", maker.name());
        assert!(made.contains("testos"), "{made}");
        host.publish("2");
        host.pull(&maker);
        host.deploy(&maker, &[]);
        let [made, read] = [&maker, &user].map(|program| host.admin(program, "status", &[]));
        assert_eq!(read, made, "{} deployed twice", maker.name());
    }
}

#[test]
fn both_programs_write_the_same_boot_folder_and_deployment() {
    let results = [Program::ostree(), Program::ostler()].map(|program| {
        let host = Host::new(&program);
        host.deploy(&program, &["--karg=root=LABEL=x", "--karg=quiet"]);
        let first = host.published.rev_parse("os/stable");
        fs::write(host.deployment(&first).join("etc/edited"), "by hand").unwrap();
        fs::remove_file(host.deployment(&first).join("etc/removed")).unwrap();
        fs::write(host.deployment(&first).join("etc/own"), "by hand").unwrap();
        let second = host.publish("2");
        host.pull(&program);
        host.deploy(&program, &["--karg-append=extra"]);
        let mut state = Snapshot::of(&host.sysroot.join("ostree/deploy"), View::COMMITTED);
        // The old one leaves a mark of SELinux; the new one a folder for transient roots, a record of the merge and an image for composefs.
        state.retain(|path| {
            let name = path.to_string_lossy();
            !name.ends_with(".ostree-selabeled")
                && !name.starts_with("testos/backing")
                && !name.ends_with(".etc-merge")
                && !name.ends_with(".0/.ostree.cfs")
        });
        (second, host.boot(), state)
    });
    let [theirs, ours] = results;
    assert_eq!(ours.0, theirs.0);
    theirs.1.assert_same(
        &ours.1,
        "entries, kernels and links in boot, ostree's first",
    );
    theirs.2.assert_same(
        &ours.2,
        "deployments, their merged etc, origins and var, ostree's first",
    );
}

#[test]
fn each_upgrades_what_the_other_deployed() {
    for (maker, user) in both_ways() {
        let host = Host::new(&maker);
        host.deploy(&maker, &["--karg=quiet"]);
        let first = host.published.rev_parse("os/stable");
        fs::write(host.deployment(&first).join("etc/edited"), "by hand").unwrap();
        fs::remove_file(host.deployment(&first).join("etc/removed")).unwrap();
        let second = host.publish("2");
        host.admin(&user, "upgrade", &["--os=testos"]);
        let etc = host.deployment(&second).join("etc");
        assert_eq!(
            fs::read_to_string(etc.join("edited")).unwrap(),
            "by hand",
            "the edit stays"
        );
        assert_eq!(
            fs::read_to_string(etc.join("default")).unwrap(),
            "default 2",
            "the default moves"
        );
        assert!(!etc.join("removed").exists(), "what was removed stays away");
        // And back again.
        host.admin(&maker, "undeploy", &["0"]);
        assert!(
            !host.deployment(&second).exists(),
            "{} removes what {} made",
            maker.name(),
            user.name()
        );
        let [made, read] = [&maker, &user].map(|program| host.admin(program, "status", &[]));
        assert_eq!(read, made);
        for program in [&maker, &user] {
            host.admin(program, "cleanup", &[]);
        }
        assert!(host.deployment(&first).exists());
    }
}

#[test]
fn pins_origins_and_kernel_arguments_of_one_hold_for_the_other() {
    for (maker, user) in both_ways() {
        let host = Host::new(&maker);
        host.deploy(&maker, &["--karg=quiet"]);
        let first = host.published.rev_parse("os/stable");
        host.admin(&maker, "pin", &["0"]);
        for version in ["2", "3", "4"] {
            host.publish(version);
            host.pull(&user);
            host.deploy(&user, &[]);
        }
        assert!(
            host.deployment(&first).exists(),
            "{} keeps what {} pinned",
            user.name(),
            maker.name()
        );
        host.admin(&user, "instutil set-kargs", &["--append=added"]);
        let entries = host.boot();
        let has_both = |entry: &ostler_tests::Entry| entry.content.contains("bytes");
        assert!(entries.entries().values().any(has_both));
        let diffs =
            [&maker, &user].map(|program| host.admin(program, "config-diff", &["--os=testos"]));
        assert_eq!(diffs[1], diffs[0]);
    }
}

#[test]
fn both_programs_print_the_same_menu_for_grub() {
    for (maker, user) in both_ways() {
        let host = Host::new(&maker);
        host.deploy(&maker, &["--karg=root=LABEL=x", "--karg=quiet"]);
        host.publish("2");
        host.pull(&maker);
        host.deploy(&maker, &[]);
        let sysroot = format!("--sysroot={}", host.sysroot.display());
        let words = ["admin", "instutil", "grub2-generate", &sysroot];
        let [made, read] = [&maker, &user].map(|program| {
            let mut command = program.command(words);
            command.env("GRUB2_BOOT_DEVICE_ID", "hd0-1");
            command.env("GRUB2_PREPARE_ROOT_CACHE", "search --set=root x");
            let output = command.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        });
        assert_eq!(read, made, "{} deployed", maker.name());
        assert_eq!(made.matches("menuentry ").count(), 2, "{made}");
    }
}
