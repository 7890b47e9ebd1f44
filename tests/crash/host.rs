//! The verbs of a system root.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostler_tests::boot_order::{self, Slot};
use ostler_tests::trace::{Call, Step};
use ostler_tests::tree::os::{self, Os};
use ostler_tests::{Program, Repo, Scratch};

use crate::case::{Case, Seen, copy, leftovers};
use crate::order::{Disk, watch};
use crate::ostler;

/// Within `/boot`: what says which order is active where there are no links.
const FLAT: &str = "loader/loader.conf";

/// A sysroot in `template`, with `first` deployed and edited in, made by the real `ostree`.
pub(crate) struct Host {
    scratch: Scratch,
    published: Repo,
}

impl Host {
    fn new() -> Self {
        let scratch = Scratch::in_memory();
        let published = Program::ostree().init_quick(&scratch.join("published"), "archive");
        let host = Self { scratch, published };
        let sysroot = host.sysroot();
        fs::create_dir_all(sysroot.join("boot/loader.0")).unwrap();
        symlink("loader.0", sysroot.join("boot/loader")).unwrap();
        Program::ostree().run(["admin", "init-fs", sysroot.to_str().unwrap()]);
        host.admin(&["os-init", "testos"]);
        let url = format!("file://{}", host.published.path().display());
        host.repo()
            .run("remote add", ["--no-gpg-verify", "origin", &url]);
        // Syncing costs time and shows nothing: what is killed is the process, not the kernel.
        let config = sysroot.join("ostree/repo/config");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(
            &config,
            text.replacen("[core]\n", "[core]\nfsync=false\ntmp-expiry-secs=0\n", 1),
        )
        .unwrap();
        host
    }

    pub(crate) fn sysroot(&self) -> PathBuf {
        self.scratch.join("template/sysroot")
    }

    fn repo(&self) -> Repo {
        Program::ostree().repo(&self.sysroot().join("ostree/repo"))
    }

    pub(crate) fn admin(&self, arguments: &[&str]) -> String {
        let sysroot = format!("--sysroot={}", self.sysroot().display());
        Program::ostree().run(
            ["admin"]
                .iter()
                .chain(arguments)
                .copied()
                .chain([sysroot.as_str()]),
        )
    }

    /// As [`Host::new`], with a `/boot` that has no links, as FAT has none.
    pub(crate) fn flat() -> Self {
        let host = Self::new();
        let boot = host.sysroot().join("boot");
        fs::remove_file(boot.join("loader")).unwrap();
        fs::remove_dir_all(boot.join("loader.0")).unwrap();
        fs::create_dir(boot.join("loader")).unwrap();
        fs::write(boot.join(FLAT), "default ostree-b0-*\ntimeout 1\n").unwrap();
        host
    }

    /// Commits a version to the repository that the sysroot pulls from.
    pub(crate) fn publish(&self, os: Os<'_>) -> String {
        let tree = self.scratch.join(format!("tree-{}", os.version));
        os::write(&tree, os);
        self.published.commit("os/stable", &tree, &[])
    }

    pub(crate) fn pull(&self) {
        self.repo().run("pull", ["origin", "os/stable"]);
    }

    /// Deploys what is published, and edits its `/etc`.
    pub(crate) fn deploy_and_edit(&self) {
        self.pull();
        if self.sysroot().join("boot").join(FLAT).exists() {
            // The real one refuses it.
            let deployed = ostler_on(&self.template(), DEPLOY).output().unwrap();
            assert!(deployed.status.success(), "{deployed:?}");
        } else {
            self.admin(&["deploy", "--os=testos", "--karg=quiet", "origin:os/stable"]);
        }
        let etc = boot_order::read(&self.sysroot())[0].root.join("etc");
        fs::write(etc.join("edited"), "by hand").unwrap();
        fs::write(etc.join("own"), "by hand").unwrap();
        // The second time it is gone already.
        fs::remove_file(etc.join("removed")).ok();
    }

    pub(crate) fn template(&self) -> PathBuf {
        self.scratch.join("template")
    }
}

/// A command on the sysroot of a case, whose deployments are immutable, as on a real system.
pub(crate) fn ostler_on(work: &Path, words: &[&str]) -> Command {
    let sysroot = format!("--sysroot={}", work.join("sysroot").display());
    let mut command = ostler().command(words.iter().copied().chain([sysroot.as_str()]));
    command.env_remove("OSTREE_SYSROOT_DEBUG");
    command
}

/// The commits of a boot order.
pub(crate) fn commits(order: &[Slot]) -> Vec<String> {
    order.iter().map(|slot| slot.commit().to_owned()).collect()
}

/// Checks what holds at any moment, and returns the boot order.
pub(crate) fn sound(work: &Path) -> Vec<Slot> {
    let sysroot = work.join("sysroot");
    let order = boot_order::read(&sysroot);
    let repo = ostler().repo(&sysroot.join("ostree/repo"));
    repo.fsck();
    let kept: BTreeSet<String> = repo
        .run("refs", ["--revision"])
        .lines()
        .filter_map(|line| Some(line.split_once('\t')?.1.to_owned()))
        .collect();
    for slot in &order {
        assert!(
            kept.contains(slot.commit()),
            "a prune would take the objects of {}",
            slot.deployment
        );
        let program = fs::read_to_string(slot.root.join("usr/bin/program")).unwrap();
        let release = fs::read_to_string(slot.root.join("etc/os-release")).unwrap();
        let version = program.strip_prefix("program ").unwrap();
        assert!(
            release.contains(&format!("VERSION_ID={version}\n")),
            "{release}"
        );
        assert!(
            slot.root
                .with_extension("x")
                .parent()
                .unwrap()
                .join(format!("{}.origin", slot.deployment))
                .exists()
        );
    }
    // The program's own view is the same.
    let status = ostler().run([
        "admin",
        "status",
        &format!("--sysroot={}", sysroot.display()),
    ]);
    let shown: Vec<&str> = status
        .lines()
        .filter_map(|line| {
            line.trim_start()
                .trim_start_matches("* ")
                .strip_prefix("testos ")
        })
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    let found: Vec<&str> = order.iter().map(|slot| slot.deployment.as_str()).collect();
    assert_eq!(shown, found, "{status}");
    order
}

/// Checks that `/etc` of a deployment is whole: nothing edited, or all that [`Host::deploy_and_edit`] edits.
pub(crate) fn assert_merged(root: &Path) {
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    let version = read("usr/bin/program").replace("program ", "");
    assert_eq!(read("etc/default"), format!("default {version}"));
    assert_eq!(read("etc/nested/constant"), "constant");
    let by_hand = root.join("etc/own").exists();
    assert_eq!(
        read("etc/edited"),
        if by_hand { "by hand" } else { "as delivered" }
    );
    assert_eq!(root.join("etc/removed").exists(), !by_hand);
    assert!(by_hand || version == "1", "the edits of version 1 are lost");
}

/// Nothing is left of what was not finished, and of what the boot order does not hold.
pub(crate) fn assert_clean(work: &Path, order: &[Slot]) {
    let sysroot = work.join("sysroot");
    let names = |path: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(sysroot.join(path)).into_iter().flatten();
        entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    };
    // The next pull empties that folder; a deploy alone has no transaction.
    let repo_tmp = sysroot.join("ostree/repo/tmp");
    let mut left = leftovers(&sysroot);
    left.retain(|path| path.parent() != Some(&repo_tmp));
    assert_eq!(left, Vec::<PathBuf>::new());
    let deployments: BTreeSet<String> = order.iter().map(|slot| slot.deployment.clone()).collect();
    let mut found = names("ostree/deploy/testos/deploy");
    let with_companions = found.len();
    found.retain(|name| {
        sysroot
            .join("ostree/deploy/testos/deploy")
            .join(name)
            .is_dir()
    });
    assert!(
        with_companions <= 3 * found.len(),
        "files without a deployment"
    );
    assert_eq!(found, deployments, "deployments");
    let kernels: BTreeSet<&str> = order.iter().map(|slot| slot.kernel.as_str()).collect();
    let mut found = names("boot/ostree");
    let overlays = match found.remove("initramfs-overlays") {
        true => names("boot/ostree/initramfs-overlays").len(),
        false => 0,
    };
    assert!(overlays <= order.len(), "an overlay that nobody loads");
    assert_eq!(found.len(), kernels.len(), "kernels: {found:?}");
    assert_eq!(
        names("boot")
            .iter()
            .filter(|name| name.starts_with("loader"))
            .count(),
        if sysroot.join("boot").join(FLAT).exists() {
            1
        } else {
            2
        },
        "{:?}",
        names("boot")
    );
    assert_eq!(
        names("ostree")
            .iter()
            .filter(|name| name.starts_with("boot."))
            .count(),
        2,
        "{:?}",
        names("ostree")
    );
}

/// A command that changes the boot order.
pub(crate) struct Change<'a> {
    pub(crate) name: &'a str,
    pub(crate) host: &'a Host,
    pub(crate) words: &'a [&'a str],
    /// What to run after a kill that came after the change; `None` is the same command.
    pub(crate) again: Option<&'a [&'a str]>,
    /// The commits of the boot order before.
    pub(crate) old: &'a [&'a str],
    /// And after.
    pub(crate) new: &'a [&'a str],
    /// Or if the command ran twice with success.
    pub(crate) twice: &'a [&'a str],
}

impl Change<'_> {
    pub(crate) fn run(&self) {
        Case {
            name: self.name,
            template: &self.host.template(),
            command: &|work| ostler_on(work, self.words),
            again: Some(&|work| {
                let changed = commits(&boot_order::read(&work.join("sysroot"))) == self.new;
                ostler_on(work, self.again.filter(|_| changed).unwrap_or(self.words))
            }),
            after_kill: &|work| {
                let order = sound(work);
                let found = commits(&order);
                assert!(found == self.old || found == self.new, "{found:?}");
                order.iter().for_each(|slot| assert_merged(&slot.root));
                if found == self.new {
                    Seen::New
                } else {
                    Seen::Old
                }
            },
            after_run: &|work| {
                let order = sound(work);
                let found = commits(&order);
                assert!(found == self.new || found == self.twice, "{found:?}");
                for slot in &order {
                    assert_merged(&slot.root);
                    assert!(slot.kargs.starts_with("quiet"), "{}", slot.kargs);
                }
                assert_clean(work, &order);
            },
        }
        .run();
        self.writes_in_order();
    }

    /// All of the new order is on disk before the step that makes it the order, and that step before anything of the old is removed.
    fn writes_in_order(&self) {
        let scratch = Scratch::in_memory();
        let work = scratch.join("work");
        copy(&self.host.template(), &work);
        let sysroot = work.join("sysroot");
        let config = sysroot.join("ostree/repo/config");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text.replace("fsync=false\n", "")).unwrap();
        let [boot, ostree] = ["boot", "ostree"].map(|name| sysroot.join(name));
        let flat = boot.join(FLAT);
        let active_links = match fs::read_link(boot.join("loader")) {
            Ok(loader) => Some(loader.to_str().unwrap().replace("loader", "boot")),
            Err(_) => fs::read_to_string(&flat)
                .ok()
                .map(|text| format!("boot.{}", &text["default ostree-b".len()..][..1])),
        }
        .map(|name| ostree.join(name));
        let old: Vec<PathBuf> = boot_order::read(&sysroot)
            .iter()
            .map(|slot| slot.root.clone())
            .collect();
        let mut switch = None;
        watch(&ostler_on(&work, self.words), |disk: &Disk, step: &Step| {
            let appears = step.appears().map(Path::to_owned);
            let renamed = appears.is_some()
                && (appears == Some(boot.join("loader")) || appears == active_links);
            let written = step.call == Call::Write && step.path == flat;
            if (renamed && step.call == Call::Rename) || written {
                let mut unsafe_paths = disk.unsafe_below(&boot);
                unsafe_paths.extend(disk.unsafe_below(&ostree));
                // The link that is about to be renamed, and what tells of the lock, which the next boot does not need.
                let unneeded = [
                    step.path.clone(),
                    ostree.join("lock"),
                    ostree.join("lock-owner"),
                ];
                unsafe_paths.retain(|path| !unneeded.iter().any(|unneeded| unneeded == path));
                assert_eq!(
                    unsafe_paths,
                    Vec::<&Path>::new(),
                    "not on disk before the switch of {appears:?}"
                );
                switch = if written { Some(flat.clone()) } else { appears };
            } else if let Some(switch) = &switch {
                let needed = step.path.starts_with(boot.join("ostree"))
                    || step.path.starts_with(ostree.join("repo/objects"))
                    || old.iter().any(|root| step.path.starts_with(root));
                let removes = step.call == Call::Remove && needed;
                assert!(
                    !removes || (disk.has_safe_name(switch) && disk.has_safe_data(switch)),
                    "the old order may still be booted: {step:?}"
                );
            }
        });
        assert!(switch.is_some(), "{}: no switch was seen", self.name);
    }
}

pub(crate) const DEPLOY: &[&str] = &[
    "admin",
    "deploy",
    "--os=testos",
    "--karg=quiet",
    "origin:os/stable",
];

#[test]
fn a_first_deploy_killed_anywhere_boots_nothing_or_the_deployment() {
    let host = Host::new();
    let first = host.publish(Os {
        version: "1",
        kernel: "1",
    });
    host.pull();
    let (old, new): (&[&str], &[&str]) = (&[], &[&first]);
    Change {
        name: "first deploy",
        host: &host,
        words: DEPLOY,
        again: None,
        old,
        new,
        twice: &[&first, &first],
    }
    .run();
}

#[test]
fn deploy_of_a_new_kernel_killed_anywhere_boots_the_old_order_or_the_new() {
    let (host, first) = one_deployment();
    let second = host.publish(Os {
        version: "2",
        kernel: "2",
    });
    host.pull();
    Change {
        name: "deploy, new kernel",
        host: &host,
        words: DEPLOY,
        again: None,
        old: &[&first],
        new: &[&second, &first],
        twice: &[&second, &second],
    }
    .run();
}

/// Two deployments, the second of which is then replaced by one with the same kernel: only bootlinks change.
#[test]
fn deploy_of_the_same_kernel_killed_anywhere_boots_the_old_order_or_the_new() {
    let (host, first) = one_deployment();
    let second = host.publish(Os {
        version: "2",
        kernel: "1",
    });
    host.deploy_and_edit();
    let third = host.publish(Os {
        version: "3",
        kernel: "1",
    });
    host.pull();
    Change {
        name: "deploy, same kernel",
        host: &host,
        words: DEPLOY,
        again: None,
        old: &[&second, &first],
        new: &[&third, &second],
        twice: &[&third, &third],
    }
    .run();
}

/// The newest commit is fetched, too, by the same command.
#[test]
fn upgrade_killed_anywhere_boots_the_old_order_or_the_new_and_finishes_when_run_again() {
    let (host, first) = one_deployment();
    let second = host.publish(Os {
        version: "2",
        kernel: "2",
    });
    Change {
        name: "upgrade",
        host: &host,
        words: &["admin", "upgrade", "--os=testos"],
        // There is nothing newer then, and so nothing is done.
        again: Some(&["admin", "cleanup"]),
        old: &[&first],
        new: &[&second, &first],
        twice: &[&second, &first],
    }
    .run();
}

#[test]
fn a_factory_reset_killed_anywhere_boots_the_old_order_or_the_new() {
    let (host, first) = one_deployment();
    Change {
        name: "factory reset",
        host: &host,
        words: &["factory-reset", "--os=testos", "--keep=/etc/nested"],
        again: None,
        old: &[&first],
        new: &[&first, &first],
        twice: &[&first, &first],
    }
    .run();
}

/// Version 1, deployed, with edits in its /etc.
pub(crate) fn one_deployment() -> (Host, String) {
    let host = Host::new();
    let first = host.publish(Os {
        version: "1",
        kernel: "1",
    });
    host.deploy_and_edit();
    (host, first)
}

/// Two deployments with kernels of their own.
pub(crate) fn two_deployments() -> (Host, String, String) {
    let (host, first) = one_deployment();
    let second = host.publish(Os {
        version: "2",
        kernel: "2",
    });
    host.deploy_and_edit();
    (host, first, second)
}

#[test]
fn undeploy_killed_anywhere_boots_the_old_order_or_the_new() {
    let (host, first, second) = two_deployments();
    Change {
        name: "undeploy",
        host: &host,
        words: &["admin", "undeploy", "0"],
        again: Some(&["admin", "cleanup"]),
        old: &[&second, &first],
        new: &[&first],
        twice: &[&first],
    }
    .run();
}

#[test]
fn set_default_killed_anywhere_boots_the_old_order_or_the_new() {
    let (host, first, second) = two_deployments();
    Change {
        name: "set-default",
        host: &host,
        words: &["admin", "set-default", "1"],
        again: Some(&["admin", "cleanup"]),
        old: &[&second, &first],
        new: &[&first, &second],
        twice: &[&first, &second],
    }
    .run();
}

#[test]
fn cleanup_killed_anywhere_keeps_the_boot_order_and_finishes_when_run_again() {
    let (host, _, second) = two_deployments();
    // As if a deployment had lost its place before what it had was removed.
    let entries = host.sysroot().join("boot/loader/entries");
    for entry in fs::read_dir(&entries).unwrap() {
        let entry = entry.unwrap().path();
        if fs::read_to_string(&entry).unwrap().contains("version 1\n") {
            fs::remove_file(entry).unwrap();
        }
    }
    Case {
        name: "cleanup",
        template: &host.template(),
        command: &|work| ostler_on(work, &["admin", "cleanup"]),
        again: None,
        after_kill: &|work| {
            let order = sound(work);
            assert_eq!(
                order.iter().map(Slot::commit).collect::<Vec<_>>(),
                [&second]
            );
            assert_merged(&order[0].root);
            let kernels = fs::read_dir(work.join("sysroot/boot/ostree"))
                .unwrap()
                .count();
            if kernels > 1 { Seen::Old } else { Seen::New }
        },
        after_run: &|work| assert_clean(work, &sound(work)),
    }
    .run();
}
