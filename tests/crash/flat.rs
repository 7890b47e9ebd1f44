//! A `/boot` without links, as FAT is: killed everywhere, and with any part of what was not synced lost.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostler_tests::trace::{Call, Fate, run};
use ostler_tests::tree::os::Os;
use ostler_tests::{Dice, Scratch};

use crate::case::copy;
use crate::host::{Change, DEPLOY, Host, ostler_on};

/// Two versions with kernels of their own, and a third one that is only published; their commits.
fn flat_host() -> (Host, [String; 3]) {
    let host = Host::flat();
    let commits = ["1", "2", "3"].map(|version| {
        let os = Os {
            version,
            kernel: version,
        };
        let commit = host.publish(os);
        match version {
            "3" => host.pull(),
            _ => host.deploy_and_edit(),
        }
        commit
    });
    (host, commits)
}

#[test]
fn a_flat_boot_killed_anywhere_has_the_old_order_or_the_new() {
    let (host, [first, second, third]) = flat_host();
    Change {
        name: "flat deploy",
        host: &host,
        words: DEPLOY,
        again: None,
        old: &[&second, &first],
        new: &[&third, &second],
        twice: &[&third, &third],
    }
    .run();
    Change {
        name: "flat set-default",
        host: &host,
        words: &["admin", "set-default", "1"],
        again: Some(&["admin", "cleanup"]),
        old: &[&second, &first],
        new: &[&first, &second],
        twice: &[&first, &second],
    }
    .run();
    Change {
        name: "flat undeploy",
        host: &host,
        words: &["admin", "undeploy", "0"],
        again: Some(&["admin", "cleanup"]),
        old: &[&second, &first],
        new: &[&first],
        twice: &[&first],
    }
    .run();
}

/// The files of a folder with their content.
type Files = BTreeMap<PathBuf, Vec<u8>>;

fn files(folder: &Path) -> Files {
    let all = walkdir::WalkDir::new(folder).into_iter();
    all.map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(folder).unwrap().to_owned();
            (path, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// What systemd-boot would offer, the default first: the text of each entry, with the content of the files that it names.
fn menu(boot: &Files) -> Vec<(String, Vec<Vec<u8>>)> {
    let config = String::from_utf8(boot[Path::new("loader/loader.conf")].clone()).unwrap();
    let pattern = config.lines().next().unwrap();
    let prefix = pattern.strip_prefix("default ").unwrap();
    let prefix = format!("loader/entries/{}", prefix.strip_suffix('*').unwrap());
    let names = boot.keys().filter_map(|path| path.to_str());
    let mut names: Vec<&str> = names.filter(|path| path.starts_with(&prefix)).collect();
    names.sort_by_key(|name| {
        let number = name[prefix.len()..].split(['.', '+']).next().unwrap();
        std::cmp::Reverse(number.parse::<u32>().unwrap())
    });
    let content = |name: &str| {
        let path = Path::new(name.trim().trim_start_matches('/'));
        boot.get(path)
            .unwrap_or_else(|| panic!("no {name}"))
            .clone()
    };
    names
        .into_iter()
        .map(|name| {
            let text = String::from_utf8(boot[Path::new(name)].clone()).unwrap();
            let line = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
            let named = ["linux ", "initrd "].map(|key| content(line(key).unwrap()));
            (text, named.to_vec())
        })
        .collect()
}

/// What a power cut may leave of a file, given all that it was since the last sync of the file system.
fn kept(history: &[Option<Vec<u8>>], dice: &mut Dice) -> Option<Vec<u8>> {
    let chosen = dice.below(history.len() as u64) as usize;
    let content = history[chosen].clone()?;
    let before = chosen
        .checked_sub(1)
        .and_then(|index| history[index].as_ref());
    // In place and in one sector: it is there or not.
    let whole = before.is_some_and(|before| before.len() == content.len() && content.len() <= 512);
    let is_new = chosen > 0 && !whole;
    match is_new && dice.one_in(2) {
        true => Some(content[..dice.below(content.len() as u64 + 1) as usize].to_vec()),
        false => Some(content),
    }
}

/// What each file was since the last sync of the file system.
type Moment = BTreeMap<PathBuf, Vec<Option<Vec<u8>>>>;

/// Looks at `/boot` before each step of a command that is in it, and after the last one.
fn moments(boot: &Path, command: &Command) -> Vec<Moment> {
    let mut moments = Vec::new();
    let mut since_sync = Moment::new();
    let mut look = |syncs: bool| {
        let now = files(boot);
        for path in now.keys() {
            let unknown = || vec![None];
            since_sync.entry(path.clone()).or_insert_with(unknown);
        }
        for (path, history) in &mut since_sync {
            let content = now.get(path).cloned();
            if history.last() != Some(&content) {
                history.push(content);
            }
        }
        moments.push(since_sync.clone());
        if syncs {
            let only = |(path, content)| (path, vec![Some(content)]);
            since_sync = now.into_iter().map(only).collect();
        }
    };
    look(true);
    let traced = run(command, |step| {
        if step.path.starts_with(boot) {
            look(step.call == Call::SyncFileSystem);
        }
        Fate::Live
    });
    assert!(traced.status.success(), "{}", traced.text);
    look(true);
    look(false);
    // The first has nothing before it, and would have all of the old order be new.
    moments.split_off(1)
}

#[test]
fn whatever_fat_keeps_of_unsynced_writes_a_boot_loader_finds_the_old_order_or_the_new() {
    let set_default: &[&str] = &["admin", "set-default", "1"];
    let undeploy: &[&str] = &["admin", "undeploy", "0"];
    for words in [DEPLOY, set_default, undeploy] {
        let (host, _) = flat_host();
        let scratch = Scratch::in_memory();
        let work = scratch.join("work");
        copy(&host.template(), &work);
        let config = work.join("sysroot/ostree/repo/config");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text.replace("fsync=false\n", "")).unwrap();
        let boot = work.join("sysroot/boot");
        let old = menu(&files(&boot));
        let moments = moments(&boot, &ostler_on(&work, words));
        let new = menu(&files(&boot));
        assert_ne!(old, new);
        let mut dice = Dice::new(7);
        let mut seen = [0, 0];
        for (number, moment) in moments.iter().enumerate() {
            for _ in 0..50 {
                let state = moment.iter();
                let state: Files = state
                    .filter_map(|(path, history)| Some((path.clone(), kept(history, &mut dice)?)))
                    .collect();
                let found = menu(&state);
                assert!(
                    found == old || found == new,
                    "{words:?}, at {number}: {found:?}"
                );
                seen[usize::from(found == new)] += 1;
            }
        }
        println!("{words:?}: {} moments, {seen:?} states", moments.len());
        assert!(seen[0] > 0 && seen[1] > 0, "{words:?}: {seen:?}");
    }
}
