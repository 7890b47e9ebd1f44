//! Verbs of a system root that change one thing and make no deployment, killed everywhere.

use std::fs;
use std::path::{Path, PathBuf};

use ostler_tests::boot_order;
use ostler_tests::tree::os::Os;

use crate::case::{Case, Seen};
use crate::host::{Change, Host, commits, one_deployment, ostler_on, sound, two_deployments};

/// A command whose work shows in a file or two.
struct Small<'a> {
    name: &'a str,
    host: &'a Host,
    words: &'a [&'a str],
    /// What finishes after a kill that came after the change; `None` is the same command.
    when_new: Option<&'a [&'a str]>,
    /// Panics if it is neither.
    seen: &'a dyn Fn(&Path) -> Seen,
}

impl Small<'_> {
    fn run(&self) {
        let before = commits(&boot_order::read(&self.host.sysroot()));
        Case {
            name: self.name,
            template: &self.host.template(),
            command: &|work| ostler_on(work, self.words),
            again: Some(&|work| {
                let words = self.when_new.filter(|_| (self.seen)(work) == Seen::New);
                ostler_on(work, words.unwrap_or(self.words))
            }),
            after_kill: &|work| {
                assert_eq!(commits(&sound(work)), before, "what boots");
                (self.seen)(work)
            },
            after_run: &|work| {
                assert_eq!(commits(&sound(work)), before, "what boots");
                assert_eq!((self.seen)(work), Seen::New);
            },
        }
        .run();
    }
}

/// The origin file of the default deployment.
fn origin(work: &Path) -> String {
    let order = boot_order::read(&work.join("sysroot"));
    let mut path = order[0].root.clone().into_os_string();
    path.push(".origin");
    fs::read_to_string(PathBuf::from(path)).unwrap()
}

#[test]
fn an_origin_is_the_old_or_the_new_one_wherever_pin_and_set_origin_are_killed() {
    let (host, _) = one_deployment();
    let before = origin(&host.template());
    let seen = |work: &Path, with: &str| {
        let now = origin(work);
        match now.contains(with) {
            true => Seen::New,
            false => {
                assert_eq!(now, before);
                Seen::Old
            }
        }
    };
    Small {
        name: "pin",
        host: &host,
        words: &["admin", "pin", "0"],
        when_new: None,
        seen: &|work| seen(work, "pinned=true"),
    }
    .run();
    let words = [
        "admin",
        "set-origin",
        "--index=0",
        "other",
        "http://[::1]",
        "os/other",
    ];
    Small {
        name: "set-origin",
        host: &host,
        words: &words,
        when_new: None,
        seen: &|work| seen(work, "refspec=other:os/other\n"),
    }
    .run();
}

#[test]
fn an_entry_has_the_old_arguments_or_the_new_wherever_a_change_of_them_is_killed() {
    let (host, ..) = two_deployments();
    // How many entries have the new argument.
    let changed = |work: &Path| {
        let order = boot_order::read(&work.join("sysroot"));
        let with = order.iter().filter(|slot| slot.kargs == "quiet extra=1");
        let without = order.iter().filter(|slot| slot.kargs == "quiet");
        let (with, without) = (with.count(), without.count());
        assert_eq!(with + without, 2, "{order:?}");
        with
    };
    let seen = |work: &Path, wanted: usize| match changed(work) == wanted {
        true => Seen::New,
        false => Seen::Old,
    };
    Small {
        name: "kargs edit-in-place",
        host: &host,
        words: &[
            "admin",
            "kargs",
            "edit-in-place",
            "--append-if-missing=extra=1",
        ],
        when_new: None,
        seen: &|work| seen(work, 2),
    }
    .run();
    Small {
        name: "set-kargs",
        host: &host,
        words: &[
            "admin",
            "instutil",
            "set-kargs",
            "--merge",
            "--append=extra=1",
        ],
        when_new: Some(&["admin", "cleanup"]),
        seen: &|work| seen(work, 1),
    }
    .run();
}

#[test]
fn a_stateroot_is_there_or_not_wherever_its_making_is_killed() {
    let (host, _) = one_deployment();
    Small {
        name: "stateroot-init",
        host: &host,
        words: &["admin", "stateroot-init", "second"],
        when_new: Some(&["admin", "cleanup"]),
        seen: &|work| match work.join("sysroot/ostree/deploy/second/var").is_dir() {
            true => Seen::New,
            false => Seen::Old,
        },
    }
    .run();
}

#[test]
fn each_path_of_etc_is_yours_or_the_default_wherever_a_restore_is_killed() {
    let (host, _) = one_deployment();
    Small {
        name: "etc restore",
        host: &host,
        words: &[
            "etc",
            "restore",
            "--deploy-index=0",
            "/etc/edited",
            "/etc/removed",
        ],
        when_new: None,
        seen: &|work| {
            let etc = boot_order::read(&work.join("sysroot"))[0].root.join("etc");
            let read = |name: &str| fs::read_to_string(etc.join(name)).ok();
            let edited = read("edited").expect("it is never away");
            assert!(
                ["by hand", "as delivered"].contains(&edited.as_str()),
                "{edited}"
            );
            let removed = read("removed");
            assert!(removed.as_deref().is_none_or(|text| text == "as delivered"));
            match edited == "as delivered" && removed.is_some() {
                true => Seen::New,
                false => Seen::Old,
            }
        },
    }
    .run();
}

#[test]
fn what_a_policy_lets_go_killed_anywhere_boots_the_old_order_or_the_new() {
    let (host, first) = one_deployment();
    let etc = boot_order::read(&host.sysroot())[0].root.join("etc/ostler");
    fs::create_dir(&etc).unwrap();
    fs::write(etc.join("host.toml"), "[retention]\nkeep = 1\n").unwrap();
    let second = host.publish(Os {
        version: "2",
        kernel: "2",
    });
    host.pull();
    host.admin(&["deploy", "--os=testos", "--retain", "origin:os/stable"]);
    Change {
        name: "cleanup --expired",
        host: &host,
        words: &["cleanup", "--expired", "--os=testos"],
        again: None,
        old: &[&second, &first],
        new: &[&second],
        twice: &[&second],
    }
    .run();
}

#[test]
fn a_host_file_killed_anywhere_is_applied_by_the_next_run() {
    let (host, first) = one_deployment();
    let file = host.template().join("host.toml");
    let text = "kargs = ['quiet', 'extra=1']\n[remotes.other]\nurl = 'http://[::1]'\n";
    fs::write(&file, text).unwrap();
    let applied = |work: &Path| {
        let order = sound(work);
        let found = commits(&order);
        assert!(
            found == [first.clone()] || found == [first.clone(), first.clone()],
            "{found:?}"
        );
        assert!(
            ["quiet", "quiet extra=1"].contains(&order[0].kargs.as_str()),
            "{order:?}"
        );
        order[0].kargs != "quiet"
    };
    let words = |work: &Path, more: &[&str]| {
        let file = work.join("host.toml");
        let fixed = ["apply", "--os=testos", file.to_str().unwrap()];
        ostler_on(work, &[&fixed, more].concat())
    };
    Case {
        name: "apply",
        template: &host.template(),
        command: &|work| words(work, &[]),
        again: None,
        after_kill: &|work| match applied(work) {
            true => Seen::New,
            false => Seen::Old,
        },
        after_run: &|work| {
            assert!(applied(work), "the argument is in the next boot");
            let left = words(work, &["--diff", "--unchanged-exit-77"])
                .status()
                .unwrap();
            assert_eq!(left.code(), Some(77), "nothing is left to do");
        },
    }
    .run();
}
