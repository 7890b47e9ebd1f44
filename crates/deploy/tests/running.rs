//! A system that runs from one of the deployments, as far as it can be told without one.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs;

use common::Fixture;
use ostler_deploy::deploy::{DeployOptions, deploy};
use ostler_deploy::finalization::{self, FinalizationError, IfUnlocked};
use ostler_deploy::host::Booted;
use ostler_deploy::order::{self, OrderError};
use ostler_deploy::plan::{IfOnly, PlanError, Wish};
use ostler_deploy::staged::{self, Finalization, StageError, StagedDeployment};
use ostler_deploy::status::Status;
use ostler_deploy::sysroot::SysrootError;
use ostler_deploy::{Host, Sysroot, SysrootLock};
use ostler_format::CommitId;
use ostler_store::progress::Silent;

fn lock(fixture: &Fixture, host: &Host) -> SysrootLock {
    SysrootLock::acquire_on(
        fixture.sysroot(),
        fixture.settings(),
        host.clone(),
        &mut |_| (),
    )
    .unwrap()
}

fn new_version(fixture: &Fixture, version: &str) {
    fixture.write("usr/share/version", version);
    fixture.commit(version);
    fixture.pull();
}

/// Stages a commit with all defaults.
fn stage(held: &mut SysrootLock, commit: CommitId, finalization: Finalization) -> StagedDeployment {
    staged::stage(
        held,
        commit,
        &DeployOptions::default(),
        finalization,
        &Silent,
    )
    .unwrap()
}

/// Two deployments, of which the first one runs.
fn two_deployments() -> (Fixture, Host) {
    let fixture = Fixture::new();
    fixture.real_deploy(&["--karg=quiet"]);
    new_version(&fixture, "2");
    fixture.real_deploy(&[]);
    let host = fixture.running(0);
    (fixture, host)
}

#[test]
fn the_running_deployment_is_known_by_its_inode_and_never_dropped() {
    let (fixture, host) = two_deployments();
    let mut lock = lock(&fixture, &host);
    assert_eq!(
        lock.booted().map(|booted| booted.id.clone()),
        Some(lock.deployments[0].id.clone())
    );
    let refused = order::change(
        &mut lock,
        &Wish::Remove {
            index: 0,
            only: IfOnly::Remove,
        },
    );
    assert!(
        matches!(
            refused,
            Err(OrderError::Plan(PlanError::Booted { index: 0 }))
        ),
        "{refused:?}"
    );
    order::change(&mut lock, &Wish::Rollback { stateroot: None }).unwrap();
    let booted: Vec<bool> = lock
        .deployments
        .iter()
        .map(|deployment| deployment.booted)
        .collect();
    assert_eq!(booted, [false, true], "the other one boots next");
    let status = Status::read(&lock).unwrap();
    assert!(status.deployments[0].pending && !status.deployments[0].rollback);
    let text = status.ostree_text();
    assert!(
        text.lines().next().unwrap().ends_with(" (pending)"),
        "{text}"
    );
    assert!(text.contains("\n* os "), "{text}");
}

#[test]
fn a_running_deployment_without_a_boot_entry_is_an_error_not_a_guess() {
    let (fixture, mut host) = two_deployments();
    host.booted = Some(Booted {
        backing_root: Some((1, 1)),
    });
    let error = Sysroot::open_on(fixture.sysroot(), fixture.settings(), host).unwrap_err();
    assert!(
        matches!(error, SysrootError::BootedNotFound { .. }),
        "{error}"
    );
}

#[test]
fn a_staged_deployment_is_finished_with_what_changed_in_etc_until_then() {
    let (fixture, host) = two_deployments();
    new_version(&fixture, "3");
    let mut held = lock(&fixture, &host);
    let commit = held.repo().resolve("o:os/stable").unwrap();
    let staged = stage(&mut held, commit, Finalization::AtShutdown);
    assert_eq!(held.deployments.len(), 3);
    assert!(held.deployments[0].staged.is_some() && held.deployments[1].booted);
    let entries = fixture.listing("sysroot/boot/loader");
    assert_eq!(entries.len(), 2, "the boot order is untouched: {entries:?}");
    let text = Status::read(&held).unwrap().ostree_text();
    assert!(
        text.lines().next().unwrap().ends_with(" (staged)"),
        "{text}"
    );
    fs::write(
        held.deployment_path(&held.deployments[1].id)
            .join("etc/late"),
        "late",
    )
    .unwrap();
    drop(held);

    let mut held = lock(&fixture, &host);
    let finished = staged::finalize(&mut held)
        .unwrap()
        .expect("one was staged");
    assert_eq!(finished.id, staged.id);
    let root = held.deployment_path(&finished.id);
    assert_eq!(fs::read_to_string(root.join("etc/late")).unwrap(), "late");
    assert!(held.deployments[0].staged.is_none() && held.deployments[0].id == staged.id);
    assert_eq!(held.deployments[0].chosen_kargs().to_string(), "quiet");
    assert_eq!(
        held.deployments.len(),
        2,
        "what was neither booted nor new is gone"
    );
    drop(held);
    assert!(
        staged::finalize(&mut lock(&fixture, &host))
            .unwrap()
            .is_none(),
        "once is enough"
    );
    assert_eq!(
        fixture
            .real_status()
            .lines()
            .filter(|line| line.contains(" os "))
            .count(),
        2
    );
}

#[test]
fn a_locked_staged_deployment_waits_and_a_crash_forgets_it() {
    let (fixture, host) = two_deployments();
    new_version(&fixture, "3");
    let mut held = lock(&fixture, &host);
    let commit = held.repo().resolve("o:os/stable").unwrap();
    stage(&mut held, commit, Finalization::Locked);
    assert!(staged::finalize(&mut held).unwrap().is_none());
    let tree = held.deployment_path(&held.deployments[0].id);
    drop(held);
    fs::remove_dir_all(host.run.join("ostree")).unwrap();
    let held = lock(&fixture, &host);
    assert_eq!(held.deployments.len(), 2);
    ostler_deploy::cleanup::leftovers(&held).unwrap();
    assert!(!tree.exists());
}

#[test]
fn what_is_staged_again_is_locked_only_if_that_is_asked_for_again() {
    let (fixture, host) = two_deployments();
    new_version(&fixture, "3");
    let mut held = lock(&fixture, &host);
    let commit = held.repo().resolve("o:os/stable").unwrap();
    stage(&mut held, commit, Finalization::Locked);
    stage(&mut held, commit, Finalization::Locked);
    assert!(staged::finalize(&mut held).unwrap().is_none());
    stage(&mut held, commit, Finalization::AtShutdown);
    assert!(!host.run.join("ostree/staged-deployment-locked").exists());
    assert!(staged::finalize(&mut held).unwrap().is_some());
}

#[test]
fn a_failure_at_shutdown_is_told_by_status_until_one_succeeds() {
    let (fixture, host) = two_deployments();
    new_version(&fixture, "3");
    let mut held = lock(&fixture, &host);
    let commit = held.repo().resolve("o:os/stable").unwrap();
    let id = stage(&mut held, commit, Finalization::AtShutdown).id;
    fs::remove_dir_all(held.deployment_path(&id).join("usr/lib/modules")).unwrap();
    let before = fixture.listing("sysroot/boot/loader");
    staged::finalize(&mut held).unwrap_err();
    assert_eq!(fixture.listing("sysroot/boot/loader"), before);
    let failure = Status::read(&held)
        .unwrap()
        .last_failure
        .expect("it is told");
    assert!(failure.contains("kernel"), "{failure}");
    assert!(failure.contains("\nhint: "), "the way out: {failure}");
    let told = finalization::boot_complete(&held).unwrap_err();
    assert!(told.to_string().contains(&failure), "{told}");
    finalization::boot_complete(&held).expect("it is told once");
    let status = Status::read(&held).unwrap();
    assert_eq!(status.last_failure.as_ref(), Some(&failure), "and kept");
    assert_eq!(status.rpm_ostree_json(&held)["finalize-failure"], failure);
    stage(&mut held, commit, Finalization::AtShutdown);
    staged::finalize(&mut held)
        .unwrap()
        .expect("one was staged");
    assert_eq!(Status::read(&held).unwrap().last_failure, None);
}

#[test]
fn a_deployment_that_is_not_staged_replaces_one_that_is() {
    let (fixture, host) = two_deployments();
    new_version(&fixture, "3");
    let mut held = lock(&fixture, &host);
    let commit = held.repo().resolve("o:os/stable").unwrap();
    let staged = stage(&mut held, commit, Finalization::AtShutdown);
    let deployed = deploy(&mut held, commit, &DeployOptions::default(), &Silent).unwrap();
    assert_ne!(staged.id, deployed.id);
    assert!(held.staged().is_none());
    assert!(!held.deployment_path(&staged.id).exists());
    assert!(!host.run.join("ostree/staged-deployment").exists());
}

#[test]
fn staging_needs_a_running_deployment() {
    let fixture = Fixture::new();
    fixture.real_deploy(&[]);
    let mut held = fixture.lock();
    let commit = held.repo().resolve("o:os/stable").unwrap();
    let options = DeployOptions {
        stateroot: Some("os".parse().unwrap()),
        ..DeployOptions::default()
    };
    let refused = staged::stage(
        &mut held,
        commit,
        &options,
        Finalization::AtShutdown,
        &Silent,
    );
    assert!(matches!(refused, Err(StageError::NotBooted)), "{refused:?}");
}

#[test]
fn a_staged_deployment_is_locked_and_unlocked_in_place_and_released_for_its_own_commit_alone() {
    let (fixture, host) = two_deployments();
    new_version(&fixture, "3");
    let mut held = lock(&fixture, &host);
    let nothing = finalization::set(&mut held, Finalization::Locked);
    assert!(matches!(nothing, Err(FinalizationError::NothingStaged)));
    let commit = held.repo().resolve("o:os/stable").unwrap();
    let staged = stage(&mut held, commit, Finalization::AtShutdown);
    let unlocked = finalization::release(&mut held, None, IfUnlocked::Refuse);
    assert!(matches!(unlocked, Err(FinalizationError::AlreadyUnlocked)));
    finalization::release(&mut held, Some(commit), IfUnlocked::Accept).unwrap();
    let file = host.run.join("ostree/staged-deployment");
    let before = fs::read(&file).unwrap();
    assert!(finalization::set(&mut held, Finalization::Locked).unwrap());
    assert!(!finalization::set(&mut held, Finalization::Locked).unwrap());
    assert!(host.run.join("ostree/staged-deployment-locked").exists());
    assert!(staged::finalize(&mut held).unwrap().is_none(), "it waits");
    let other = held.deployments[1].id.commit;
    let refused = finalization::release(&mut held, Some(other), IfUnlocked::Refuse);
    assert!(
        matches!(refused, Err(FinalizationError::OtherCommit { .. })),
        "{refused:?}"
    );
    finalization::release(&mut held, Some(commit), IfUnlocked::Refuse).unwrap();
    assert_eq!(
        fs::read(&file).unwrap(),
        before,
        "as if it had never been locked"
    );
    assert!(!host.run.join("ostree/staged-deployment-locked").exists());
    let finished = staged::finalize(&mut held).unwrap().unwrap();
    assert_eq!(finished.id, staged.id);
}

#[test]
fn the_running_tree_says_by_its_units_whether_it_finishes_at_shutdown() {
    let (fixture, host) = two_deployments();
    assert!(!finalization::finishes_at_shutdown(&fixture.open()).unwrap());
    let held = lock(&fixture, &host);
    assert!(!finalization::finishes_at_shutdown(&held).unwrap());
    let units = held
        .deployment_path(&held.booted().unwrap().id)
        .join("usr/lib/systemd/system");
    fs::create_dir_all(&units).unwrap();
    fs::write(units.join("ostree-finalize-staged.path"), "").unwrap();
    assert!(finalization::finishes_at_shutdown(&held).unwrap());
}
