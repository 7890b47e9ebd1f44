//! A `/boot` of its own, and a small one: kernels are copied there, and what does not fit is refused before anything is written.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs;

use common::Fixture;
use ostler_deploy::deploy::{DeployError, DeployOptions, Deployed, deploy};
use ostler_deploy::origin_file::{self, Pin};
use ostler_deploy::preflight::{BootSpaceError, PreflightError};
use ostler_deploy::upgrade::{
    Fetch, FetchError, Steps, UpgradeError, UpgradeOptions, Want, upgrade,
};
use ostler_format::origin::Source;
use ostler_format::{CommitId, Origin, RefName, Refspec, RemoteName};
use ostler_fs::mount;
use ostler_store::Repo;
use ostler_store::progress::Silent;
use ostler_store::pull::{self, PullOptions, PullTarget};

const MIB: usize = 1 << 20;

/// A file system of 10 MiB on `/boot` of a fixture, seen by this thread alone.
fn with_small_boot() -> Fixture {
    let fixture = Fixture::new();
    mount::enter_private_namespace().expect("these tests run as root");
    mount::mount("tmpfs", "none", fixture.sysroot().join("boot"), "size=10m").unwrap();
    fixture
}

/// Commits a version whose kernel has this many bytes.
fn new_kernel(fixture: &Fixture, version: &str, bytes: usize) {
    fixture.write(
        "usr/lib/modules/6.1/vmlinuz",
        &version.repeat(bytes / version.len()),
    );
    fixture.commit(version);
}

fn options() -> DeployOptions {
    let origin = Origin::new(&Source::Refspec(Refspec::parse("o:os/stable").unwrap())).unwrap();
    DeployOptions {
        stateroot: Some("os".parse().unwrap()),
        origin: Some(origin),
        ..DeployOptions::default()
    }
}

fn deploy_newest(fixture: &Fixture) -> Result<Deployed, DeployError> {
    fixture.pull();
    let mut lock = fixture.lock();
    let commit = lock.repo().resolve("o:os/stable").unwrap();
    deploy(&mut lock, commit, &options(), &Silent)
}

#[test]
fn kernels_are_copied_whole_and_the_real_ostree_boots_from_them() {
    let fixture = with_small_boot();
    deploy_newest(&fixture).unwrap();
    let kernels = fixture.listing("sysroot/boot/ostree");
    assert_eq!(kernels.len(), 2, "{kernels:?}");
    assert!(
        !kernels.iter().any(|path| path.contains(".new/")),
        "{kernels:?}"
    );
    assert!(fixture.real_status().contains("o:os/stable"));
    fixture.real_deploy(&[]);
    deploy_newest(&fixture).unwrap();
}

#[test]
fn a_kernel_that_does_not_fit_is_refused_with_numbers_and_a_way_out() {
    let fixture = with_small_boot();
    deploy_newest(&fixture).unwrap();
    let before = (
        fixture.listing("sysroot/boot"),
        fixture.listing("sysroot/ostree/deploy"),
    );
    new_kernel(&fixture, "2", 12 * MIB);
    let error = deploy_newest(&fixture).unwrap_err();
    let DeployError::Preflight(PreflightError::BootSpace(space)) = &error else {
        panic!("{error}")
    };
    let BootSpaceError::Full {
        free_bytes,
        needed_bytes,
        ..
    } = space
    else {
        panic!("{space}")
    };
    assert!(
        *needed_bytes > 12 << 20 && *free_bytes < 10 << 20,
        "{space}"
    );
    assert!(space.to_string().starts_with("/boot has "), "{space}");
    assert_eq!(
        (
            fixture.listing("sysroot/boot"),
            fixture.listing("sysroot/ostree/deploy")
        ),
        before
    );
}

#[test]
fn an_initrd_that_does_not_fit_beside_its_kernel_is_refused_too() {
    let fixture = with_small_boot();
    deploy_newest(&fixture).unwrap();
    fs::create_dir_all(fixture.path.join("run")).unwrap();
    let before = fixture.listing("sysroot/boot");
    let file = fixture.path.join("overlay.img");
    let mut lock = fixture.lock();
    let commit = lock.repo().resolve("o:os/stable").unwrap();
    let options = DeployOptions {
        overlay_initrds: vec![file.clone()],
        ..options()
    };
    fs::write(&file, "x".repeat(12 * MIB)).unwrap();
    let error = deploy(&mut lock, commit, &options, &Silent).unwrap_err();
    let DeployError::Preflight(PreflightError::BootSpace(BootSpaceError::Full {
        needed_bytes,
        ..
    })) = &error
    else {
        panic!("{error}")
    };
    assert!(*needed_bytes > 12 << 20, "{error}");
    assert_eq!(fixture.listing("sysroot/boot"), before);
    fs::write(&file, "x".repeat(2 * MIB)).unwrap();
    deploy(&mut lock, commit, &options, &Silent).unwrap();
    assert_eq!(lock.deployments[0].overlay_initrds.len(), 1);
}

#[test]
fn the_kernel_of_a_deployment_that_goes_makes_room_and_a_pinned_one_stays() {
    let fixture = with_small_boot();
    deploy_newest(&fixture).unwrap();
    for version in ["2", "3"] {
        new_kernel(&fixture, version, 4 * MIB);
        deploy_newest(&fixture).unwrap();
    }
    // Both kernels of 4 MiB are there; the older one goes, and only then the next one fits.
    new_kernel(&fixture, "4", 4 * MIB);
    deploy_newest(&fixture).unwrap();
    let sysroot = fixture.open();
    assert_eq!(sysroot.deployments.len(), 2);
    assert!(fixture.real_status().contains("Version: 4"));
    drop(sysroot);
    origin_file::pin(&mut fixture.lock(), 1, Pin::Set).unwrap();
    new_kernel(&fixture, "5", 4 * MIB);
    let error = deploy_newest(&fixture).unwrap_err();
    let DeployError::Preflight(PreflightError::BootSpace(space)) = &error else {
        panic!("{error}")
    };
    let hint = space.hint().unwrap();
    assert!(hint.contains("undeploy 1"), "{hint}");
}

/// Pulls from the fixture's repository and counts the commits that were asked for whole.
struct CountingFetch {
    source: Repo,
    whole: usize,
}

impl CountingFetch {
    fn pull(&self, repo: &Repo, options: &PullOptions) -> Result<(), FetchError> {
        pull::pull_local(
            repo,
            &self.source,
            Some(&RemoteName::new("o")?),
            options,
            &Silent,
        )?;
        Ok(())
    }
}

impl Fetch for CountingFetch {
    fn newest(
        &mut self,
        _: &Repo,
        _: &RemoteName,
        reference: &RefName,
    ) -> Result<CommitId, FetchError> {
        Ok(self.source.resolve(reference.as_str())?)
    }

    fn fetch_commit(
        &mut self,
        repo: &Repo,
        _: &RemoteName,
        commit: CommitId,
    ) -> Result<(), FetchError> {
        let targets = vec![PullTarget::Commit(commit)];
        self.pull(
            repo,
            &PullOptions {
                targets,
                commit_only: true,
                ..PullOptions::default()
            },
        )
    }

    fn fetch_paths(
        &mut self,
        repo: &Repo,
        _: &RemoteName,
        commit: CommitId,
        paths: &[String],
    ) -> Result<(), FetchError> {
        let targets = vec![PullTarget::Commit(commit)];
        self.pull(
            repo,
            &PullOptions {
                targets,
                subpaths: paths.to_vec(),
                ..PullOptions::default()
            },
        )
    }

    fn fetch(&mut self, repo: &Repo, want: &Want<'_>) -> Result<(), FetchError> {
        self.whole += 1;
        let targets = vec![PullTarget::RefAt(
            want.reference.unwrap().clone(),
            want.commit,
        )];
        self.pull(
            repo,
            &PullOptions {
                targets,
                ..PullOptions::default()
            },
        )
    }
}

#[test]
fn an_upgrade_looks_at_the_kernel_before_it_fetches_the_rest() {
    let fixture = with_small_boot();
    deploy_newest(&fixture).unwrap();
    new_kernel(&fixture, "2", 12 * MIB);
    fixture.write("usr/share/large", &"x".repeat(MIB));
    fixture.commit("2.1");
    let mut fetch = CountingFetch {
        source: Repo::open(fixture.path.join("repo")).unwrap(),
        whole: 0,
    };
    let options = UpgradeOptions {
        deploy: options(),
        steps: Steps::All,
        ..UpgradeOptions::default()
    };
    let before = fixture.ostree(&["--repo=sysroot/ostree/repo", "rev-parse", "o:os/stable"]);
    let error = upgrade(&mut fixture.lock(), &mut fetch, &options, &Silent).unwrap_err();
    assert!(
        matches!(
            error,
            UpgradeError::Preflight(PreflightError::BootSpace(BootSpaceError::Full { .. }))
        ),
        "{error}"
    );
    assert_eq!(fetch.whole, 0);
    assert_eq!(
        fixture.ostree(&["--repo=sysroot/ostree/repo", "rev-parse", "o:os/stable"]),
        before
    );

    new_kernel(&fixture, "3", MIB);
    upgrade(&mut fixture.lock(), &mut fetch, &options, &Silent).unwrap();
    assert_eq!(fetch.whole, 1);
    assert!(fixture.real_status().contains("Version: 3"));
    let large = fs::read_dir(fixture.sysroot().join("ostree/deploy/os/deploy")).unwrap();
    assert!(
        large
            .flatten()
            .any(|entry| entry.path().join("usr/share/large").exists())
    );
}
