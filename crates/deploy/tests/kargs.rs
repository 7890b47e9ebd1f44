//! Kernel arguments from one deployment to the next: the defaults of trees, and what is owned by somebody.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs;

use common::Fixture;
use ostler_deploy::SysrootLock;
use ostler_deploy::deploy::{DeployError, DeployOptions, MergeFrom, deploy};
use ostler_deploy::kargs::explain::{KargSource, explain};
use ostler_deploy::kargs::sources::{self, HOST_FILE};
use ostler_deploy::kargs::{Base, KargsWish};
use ostler_deploy::staged::{self, Finalization};
use ostler_format::KernelArgs;
use ostler_store::progress::Silent;

const BOOTC: &str = "usr/lib/bootc/kargs.d";
const OURS: &str = "usr/lib/ostler/kargs.d";

fn defaults(fixture: &Fixture, path: &str, kargs: &[&str]) {
    fixture.write(path, &format!("kargs = {kargs:?}\n"));
}

fn publish(fixture: &Fixture, version: &str) {
    fixture.write("usr/share/version", version);
    fixture.commit(version);
    fixture.pull();
}

fn deploy_newest(lock: &mut SysrootLock, kargs: KargsWish) -> Result<(), DeployError> {
    let commit = lock.repo().resolve("o:os/stable").unwrap();
    let options = DeployOptions {
        stateroot: Some("os".parse().unwrap()),
        merge: MergeFrom::Next,
        kargs,
        ..DeployOptions::default()
    };
    deploy(lock, commit, &options, &Silent).map(|_| ())
}

fn next_kargs(lock: &SysrootLock) -> String {
    lock.deployments[0].chosen_kargs().to_string()
}

#[test]
fn a_machine_follows_the_defaults_of_its_trees_and_keeps_what_a_person_chose() {
    let fixture = Fixture::new();
    defaults(&fixture, &format!("{BOOTC}/20-b.toml"), &["console=ttyS0"]);
    defaults(&fixture, &format!("{BOOTC}/10-a.toml"), &["quiet", "a=1"]);
    defaults(&fixture, &format!("{OURS}/a.toml"), &["ours=1"]);
    fixture.write(&format!("{BOOTC}/README"), "no arguments");
    fixture.write(
        &format!("{OURS}/b.toml"),
        "kargs = ['elsewhere']\nmatch-architectures = ['no-machine']\n",
    );
    publish(&fixture, "2");
    let mut lock = fixture.lock();
    let installed = KargsWish {
        append: vec!["root=LABEL=root".to_owned()],
        ..KargsWish::default()
    };
    deploy_newest(&mut lock, installed).unwrap();
    let expected = "quiet a=1 console=ttyS0 ours=1 root=LABEL=root";
    assert_eq!(next_kargs(&lock), expected, "all defaults, by file name");

    let person = KargsWish {
        base: Base::Given(KernelArgs::parse(
            "a=1 console=ttyS0 ours=1 root=LABEL=root mine",
        )),
        ..KargsWish::default()
    };
    deploy_newest(&mut lock, person).unwrap();
    defaults(&fixture, &format!("{BOOTC}/10-a.toml"), &["quiet", "a=2"]);
    fs::remove_dir_all(fixture.path.join("tree").join(OURS)).unwrap();
    publish(&fixture, "3");
    deploy_newest(&mut lock, KargsWish::default()).unwrap();
    let expected = "console=ttyS0 root=LABEL=root mine a=2";
    assert_eq!(
        next_kargs(&lock),
        expected,
        "the removed `quiet` stays removed"
    );
    drop(lock);

    // The real program hands arguments on as they are, and its deployment is one to go on from.
    fixture.real_deploy(&[]);
    assert_eq!(next_kargs(&fixture.lock()), expected);
    defaults(&fixture, &format!("{BOOTC}/10-a.toml"), &["quiet"]);
    publish(&fixture, "4");
    let mut lock = fixture.lock();
    deploy_newest(&mut lock, KargsWish::default()).unwrap();
    assert_eq!(next_kargs(&lock), "console=ttyS0 root=LABEL=root mine");
}

#[test]
fn a_file_that_is_none_stops_its_own_tree_and_not_the_next_one() {
    let fixture = Fixture::new();
    let file = format!("{BOOTC}/10-a.toml");
    fixture.write(&file, "kargs = 'quiet'");
    publish(&fixture, "2");
    let mut lock = fixture.lock();
    let before = fixture.listing("sysroot/boot");
    let error = deploy_newest(&mut lock, KargsWish::default()).unwrap_err();
    assert!(error.to_string().contains(&file), "{error}");
    assert_eq!(fixture.listing("sysroot/boot"), before);
    drop(lock);

    fixture.real_deploy(&["--karg=mine"]);
    defaults(&fixture, &file, &["quiet"]);
    publish(&fixture, "3");
    let mut lock = fixture.lock();
    deploy_newest(&mut lock, KargsWish::default()).unwrap();
    assert_eq!(next_kargs(&lock), "mine quiet");
}

#[test]
fn what_is_owned_is_remembered_through_staging_and_explained() {
    let fixture = Fixture::new();
    defaults(&fixture, &format!("{BOOTC}/a.toml"), &["quiet", "splash"]);
    publish(&fixture, "2");
    fixture.real_deploy(&["--karg=root=x", "--karg=quiet"]);
    let host = fixture.running(0);
    let mut lock = fixture.lock_on(&host);
    let commit = lock.repo().resolve("o:os/stable").unwrap();
    let options = DeployOptions {
        kargs: KargsWish {
            append: vec!["file=1".to_owned(), "mine".to_owned()],
            owned: vec![(HOST_FILE, KernelArgs::parse("file=1"))],
            ..KargsWish::default()
        },
        ..DeployOptions::default()
    };
    staged::stage(
        &mut lock,
        commit,
        &options,
        Finalization::AtShutdown,
        &Silent,
    )
    .unwrap();
    let owned = sources::owned_by(&lock.deployments[0], HOST_FILE);
    assert_eq!(owned.to_string(), "file=1", "while it is staged");
    staged::finalize(&mut lock).unwrap().unwrap();
    let next = &lock.deployments[0];
    assert_eq!(sources::owned_by(next, HOST_FILE).to_string(), "file=1");
    assert!(
        fixture.real_status().contains(" os "),
        "the real program reads the entry"
    );

    let found = explain(&lock, next).unwrap();
    let of = |argument: &str| {
        let mut all = found.arguments.iter();
        let found = all.find(|it| it.argument == argument);
        found.map(|it| it.from.clone()).unwrap_or_default()
    };
    let file = || KargSource::Default {
        file: format!("/{BOOTC}/a.toml"),
    };
    assert_eq!(of("root=x"), [KargSource::Installation]);
    assert_eq!(of("quiet"), [file()]);
    assert_eq!(of("file=1"), [KargSource::HostFile]);
    assert_eq!(of("mine"), [KargSource::Administrator]);
    let ostree = next.entry.options.ostree().unwrap();
    assert_eq!(of(&format!("ostree={ostree}")), [KargSource::Deployment]);
    let [removed] = &found.removed_defaults[..] else {
        panic!("{found:?}");
    };
    assert_eq!(
        (removed.argument.as_str(), &removed.from[..]),
        ("splash", &[file()][..])
    );
}
