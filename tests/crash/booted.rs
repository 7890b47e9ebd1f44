//! A system that was booted from a deployment, as far as mounts of this thread alone can pretend: verbs that need one, killed everywhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use ostler_tests::boot_order;
use ostler_tests::tree::os::Os;
use walkdir::WalkDir;

use crate::case::{Case, Seen, leave};
use crate::host::{Host, assert_clean, assert_merged, commits, one_deployment, sound};
use crate::ostler;

/// Below the folder of a case: `/run` of the booted system.
const RUN: &str = "run";
/// Within it: the description of what is staged, and the older form of its lock.
const STAGED: &str = "run/ostree/staged-deployment";
const STAGED_LOCKED: &str = "run/ostree/staged-deployment-locked";

const STAGE: &[&str] = &["admin", "deploy", "--stage", "origin:os/stable"];
const STAGE_LOCKED: &[&str] = &[
    "admin",
    "deploy",
    "--stage",
    "--lock-finalization",
    "origin:os/stable",
];
const FINALIZE: &[&str] = &["admin", "finalize-staged"];
const LOCK: &[&str] = &["admin", "lock-finalization"];
const UNLOCK: &[&str] = &["admin", "lock-finalization", "--unlock"];

/// One deployment, from which the system was booted, and a second commit that was pulled; `None` without the right to mount.
fn booted_host() -> Option<(Host, String, String)> {
    unshare(CloneFlags::CLONE_NEWNS).ok()?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).ok()?;
    let (host, first) = one_deployment();
    let run = host.template().join(RUN);
    fs::create_dir(&run).unwrap();
    for name in ["ostree-booted", "ostler"] {
        fs::write(run.join(name), "").unwrap();
    }
    let second = host.publish(Os {
        version: "2",
        kernel: "2",
    });
    host.pull();
    Some((host, first, second))
}

/// The root that runs: the oldest deployment.
fn root(work: &Path) -> PathBuf {
    let order = boot_order::read(&work.join("sysroot"));
    order.last().expect("one is booted").root.clone()
}

/// Mounts what a booted system has, and returns a command that runs in it.
fn booted(work: &Path, words: &[&str]) -> Command {
    booted_from(&root(work), work, words)
}

fn booted_from(root: &Path, work: &Path, words: &[&str]) -> Command {
    let sysroot = work.join("sysroot");
    let bind = |from: &Path, to: &str| {
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        let to = root.join(to);
        mount(Some(from), &to, None::<&str>, flags, None::<&str>)
            .unwrap_or_else(|error| panic!("{} on {}: {error}", from.display(), to.display()));
    };
    bind(&work.join(RUN), "run");
    bind(ostler().path(), "run/ostler");
    bind(&sysroot.join("boot"), "boot");
    bind(&sysroot.join("ostree/deploy/testos/var"), "var");
    bind(&sysroot, "sysroot");
    for directory in ["dev", "lib", "lib64", "proc"] {
        bind(&Path::new("/").join(directory), directory);
    }
    let inside = ostler().command(words);
    let mut command = Command::new("/usr/sbin/chroot");
    command
        .arg(root)
        .arg("/run/ostler")
        .args(inside.get_args())
        .env_clear();
    for (name, value) in inside.get_envs() {
        command.env(name, value.expect("none is taken away"));
    }
    command.env_remove("OSTREE_SYSROOT_DEBUG");
    command
}

/// Runs a command in the booted system; it must succeed.
fn run(work: &Path, words: &[&str]) -> String {
    let output = booted(work, words).output().unwrap();
    leave(work);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether the staged deployment waits for a person's word, in the eyes of newer programs or older ones.
fn is_locked(work: &Path) -> bool {
    let description = fs::read(work.join(STAGED)).unwrap();
    let has_key = description.windows(6).any(|window| window == b"locked");
    has_key || work.join(STAGED_LOCKED).exists()
}

#[test]
fn finalize_staged_killed_anywhere_boots_the_old_order_or_the_new_and_status_tells() {
    let Some((host, first, second)) = booted_host() else {
        return;
    };
    run(&host.template(), STAGE);
    let (old, new) = ([first.as_str()], [second.as_str(), first.as_str()]);
    let is_new = |work: &Path| {
        let found = commits(&sound(work));
        assert!(found == new || found == old, "{found:?}");
        found == new
    };
    Case {
        name: "finalize-staged",
        template: &host.template(),
        command: &|work| booted(work, FINALIZE),
        again: Some(&|work| match (is_new(work), work.join(STAGED).exists()) {
            (true, _) => booted(work, &["admin", "cleanup"]),
            (false, true) => booted(work, FINALIZE),
            // A description of what is half merged must not be found, so the work begins anew.
            (false, false) => booted(work, &["admin", "deploy", "origin:os/stable"]),
        }),
        after_kill: &|work| {
            for slot in sound(work) {
                assert_merged(&slot.root);
            }
            if is_new(work) {
                return Seen::New;
            }
            if !work.join(STAGED).exists() {
                let told = run(work, &["status"]);
                let tells = told.contains("could not be finished: ") && told.contains("hint: ");
                assert!(tells, "nobody tells: {told}");
            }
            Seen::Old
        },
        after_run: &|work| {
            assert!(is_new(work), "it is the next boot");
            assert_clean(work, &sound(work));
            let told = run(work, &["status"]);
            assert!(!told.contains("interrupted"), "it is told no more: {told}");
        },
    }
    .run();
}

#[test]
fn staging_killed_anywhere_leaves_what_boots_and_nothing_unlocked_that_should_be_locked() {
    let Some((host, first, second)) = booted_host() else {
        return;
    };
    Case {
        name: "stage, locked",
        template: &host.template(),
        command: &|work| booted(work, STAGE_LOCKED),
        again: None,
        after_kill: &|work| {
            assert_eq!(commits(&sound(work)), [first.as_str()]);
            if !work.join(STAGED).exists() {
                return Seen::Old;
            }
            assert!(is_locked(work), "the next shutdown would finish it");
            Seen::New
        },
        after_run: &|work| {
            run(work, FINALIZE);
            assert_eq!(commits(&sound(work)), [first.as_str()], "it is locked");
            run(work, UNLOCK);
            run(work, FINALIZE);
            let order = sound(work);
            assert_eq!(commits(&order), [second.clone(), first.clone()]);
            assert_clean(work, &order);
        },
    }
    .run();
}

#[test]
fn a_lock_of_what_is_staged_is_had_or_not_wherever_the_verb_is_killed() {
    let Some((host, first, _)) = booted_host() else {
        return;
    };
    run(&host.template(), STAGE);
    for (words, locks) in [(LOCK, true), (UNLOCK, false)] {
        Case {
            name: &words.join(" "),
            template: &host.template(),
            command: &|work| booted(work, words),
            again: None,
            after_kill: &|work| {
                assert_eq!(commits(&sound(work)), [first.as_str()]);
                match is_locked(work) == locks {
                    true => Seen::New,
                    false => Seen::Old,
                }
            },
            after_run: &|work| assert_eq!(is_locked(work), locks),
        }
        .run();
        run(&host.template(), LOCK);
    }
}

#[test]
fn an_unlocked_tree_boots_as_it_was_wherever_unlock_is_killed() {
    let Some((host, first, _)) = booted_host() else {
        return;
    };
    let told = |work: &Path| {
        let state = work.join("run/ostree/deployment-state");
        let flags = WalkDir::new(state).into_iter().filter_map(Result::ok);
        let mut names = flags.map(|entry| entry.file_name().to_owned());
        names.any(|name| name == "unlocked-development")
    };
    Case {
        name: "unlock",
        template: &host.template(),
        command: &|work| booted(work, &["admin", "unlock"]),
        again: None,
        after_kill: &|work| {
            assert_eq!(commits(&sound(work)), [first.as_str()]);
            match told(work) {
                true => Seen::New,
                false => Seen::Old,
            }
        },
        after_run: &|work| {
            assert!(told(work), "status tells of it");
            assert_eq!(commits(&sound(work)), [first.as_str()]);
        },
    }
    .run();
}

#[test]
fn a_hotfix_has_a_deployment_to_go_back_to_wherever_its_verb_is_killed() {
    let Some((host, first, _)) = booted_host() else {
        return;
    };
    // The copy comes after the deployment that runs.
    let running = |work: &Path| boot_order::read(&work.join("sysroot"))[0].root.clone();
    let told = |root: &Path| {
        let mut origin = root.as_os_str().to_owned();
        origin.push(".origin");
        let origin = fs::read_to_string(PathBuf::from(origin)).unwrap();
        origin.contains("unlocked=hotfix")
    };
    let is_new = |work: &Path| {
        let order = sound(work);
        let found = commits(&order);
        let (one, two) = ([first.as_str()], [first.as_str(); 2]);
        assert!(found == one || found == two, "{found:?}");
        let layer = order[0].root.join(".usr-ovl-work").exists();
        assert!(
            !layer || told(&order[0].root),
            "a layer that nobody tells of"
        );
        if told(&order[0].root) {
            assert!(found == two, "there is nothing to go back to");
        }
        for slot in &order[1..] {
            let untouched = !told(&slot.root) && !slot.root.join(".usr-ovl-work").exists();
            assert!(untouched, "the copy is as the tree");
        }
        layer
    };
    Case {
        name: "unlock --hotfix",
        template: &host.template(),
        command: &|work| booted_from(&running(work), work, &["admin", "unlock", "--hotfix"]),
        again: None,
        after_kill: &|work| match is_new(work) {
            true => Seen::New,
            false => Seen::Old,
        },
        after_run: &|work| {
            assert!(is_new(work));
            assert_clean(work, &sound(work));
        },
    }
    .run();
}
