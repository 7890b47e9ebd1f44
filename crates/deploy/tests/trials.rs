//! Trials on a system root that runs from one of its deployments, as far as it can be told without one.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs;

use common::Fixture;
use ostler_deploy::deploy::{DeployOptions, deploy};
use ostler_deploy::order;
use ostler_deploy::plan::Wish;
use ostler_deploy::trial::{Standing, Trials, Verdict};
use ostler_deploy::trials::{self, Step};
use ostler_deploy::upgrade::{
    Fetch, FetchError, IfBad, Steps, UpgradeError, UpgradeOptions, Upgraded, Want, upgrade,
};
use ostler_deploy::{Host, SysrootLock};
use ostler_format::{CommitId, GrubEnv, RefName, RemoteName};
use ostler_store::Repo;
use ostler_store::progress::Silent;

const UNIT: &str = "usr/lib/systemd/system/ostler-health.service";

/// Everything is here already.
struct Nothing;

impl Fetch for Nothing {
    fn newest(&mut self, _: &Repo, _: &RemoteName, _: &RefName) -> Result<CommitId, FetchError> {
        Err("nothing is fetched".into())
    }

    fn fetch_commit(&mut self, _: &Repo, _: &RemoteName, _: CommitId) -> Result<(), FetchError> {
        Err("nothing is fetched".into())
    }

    fn fetch_paths(
        &mut self,
        _: &Repo,
        _: &RemoteName,
        _: CommitId,
        _: &[String],
    ) -> Result<(), FetchError> {
        Err("nothing is fetched".into())
    }

    fn fetch(&mut self, _: &Repo, _: &Want<'_>) -> Result<(), FetchError> {
        Err("nothing is fetched".into())
    }
}

/// A system whose version 1 runs and has proven itself; version 2 is there.
struct Ground {
    fixture: Fixture,
    boots: u32,
}

impl Ground {
    fn new() -> Self {
        let fixture = Fixture::new();
        fixture.write(UNIT, "[Unit]\n");
        fixture.write("usr/lib/ostler/health.toml", "tries = 2\n");
        fixture.commit("1");
        fixture.pull();
        fixture.real_deploy(&[]);
        let mut ground = Self { fixture, boots: 0 };
        let mut lock = ground.boot(0);
        assert_eq!(trials::started(&mut lock).unwrap(), Step::Nothing);
        let step = trials::judge(&mut lock, Verdict::Healthy).unwrap();
        assert_eq!(step, Step::Proven);
        drop(lock);
        ground.publish("2");
        ground
    }

    fn publish(&self, version: &str) {
        self.fixture.write("usr/share/version", version);
        self.fixture.commit(version);
        self.fixture.pull();
    }

    /// The system root of a system that runs from the deployment at `index`.
    fn boot(&mut self, index: usize) -> SysrootLock {
        self.boots += 1;
        let host = Host {
            boot_id: self.boots.to_string(),
            ..self.fixture.running(index)
        };
        self.fixture.lock_on(&host)
    }

    fn upgrade(&mut self, if_bad: IfBad) -> Result<Upgraded, UpgradeError> {
        let mut lock = self.boot(0);
        let options = UpgradeOptions {
            steps: Steps::DeployOnly,
            if_bad,
            ..UpgradeOptions::default()
        };
        upgrade(&mut lock, &mut Nothing, &options, &Silent)
    }

    /// Boots the default, which is unhealthy.
    fn fail(&mut self) -> Step {
        let mut lock = self.boot(0);
        assert_eq!(trials::started(&mut lock).unwrap(), Step::Nothing);
        trials::judge(&mut lock, Verdict::Unhealthy("check x: exit code 1\nmore")).unwrap()
    }

    fn standings(&self) -> Vec<Option<Standing>> {
        let sysroot = self.fixture.open();
        let trials = trials::read(&sysroot).unwrap();
        let standing = |it| trials::record(&trials, it).map(|record| record.standing);
        sysroot.deployments.iter().map(standing).collect()
    }

    fn versions(&self) -> Vec<String> {
        let sysroot = self.fixture.open();
        let version = |path: std::path::PathBuf| {
            fs::read_to_string(path.join("usr/share/version")).unwrap_or_else(|_| "1".to_owned())
        };
        let ids = sysroot.deployments.iter().map(|it| &it.id);
        ids.map(|id| version(sysroot.deployment_path(id))).collect()
    }
}

#[test]
fn a_version_that_fails_its_tries_is_rolled_back_once_and_refused_until_told_to() {
    let mut ground = Ground::new();
    ground.upgrade(IfBad::Refuse).unwrap();
    let on_trial = |left| Some(Standing::Trial { left });
    assert_eq!(ground.standings(), [on_trial(2), Some(Standing::Good)]);
    assert_eq!(ground.fail(), Step::Retry { left: 0 });
    assert_eq!(ground.standings()[0], on_trial(1));
    assert!(matches!(ground.fail(), Step::RolledBack { .. }));
    assert_eq!(ground.versions(), ["1", "2"]);
    let after = [Some(Standing::Good), Some(Standing::Bad)];
    assert_eq!(ground.standings(), after);
    // The old version goes on, whatever its own checks say.
    for _ in 0..3 {
        assert_eq!(ground.fail(), Step::Nothing);
    }
    assert_eq!(ground.standings(), after);
    let error = ground.upgrade(IfBad::Refuse).unwrap_err();
    let said = error.to_string();
    assert!(said.starts_with("refused: commit "), "{said}");
    assert!(said.contains("failed its trial on 20"), "{said}");
    assert!(said.ends_with("because check x: exit code 1"), "{said}");
    assert!(ostler_deploy::hint(&error).unwrap().contains("--retry-bad"));
    // Another version is not refused, and this one once a person says so.
    ground.upgrade(IfBad::Retry).unwrap();
    assert_eq!(ground.standings(), [on_trial(2), Some(Standing::Good)]);
    assert!(ground.fixture.real_status().contains("origin refspec"));
}

#[test]
fn a_version_that_is_proven_is_never_rolled_back() {
    let mut ground = Ground::new();
    ground.upgrade(IfBad::Refuse).unwrap();
    let mut lock = ground.boot(0);
    trials::started(&mut lock).unwrap();
    let step = trials::judge(&mut lock, Verdict::Healthy).unwrap();
    assert_eq!(step, Step::Proven);
    drop(lock);
    for _ in 0..5 {
        assert_eq!(ground.fail(), Step::Nothing);
    }
    assert_eq!(ground.versions(), ["2", "1"]);
    let both = [Some(Standing::Good), Some(Standing::Good)];
    assert_eq!(ground.standings(), both);
}

#[test]
fn a_rollback_that_a_power_cut_interrupted_is_done_by_whatever_boots_next() {
    let mut ground = Ground::new();
    ground.upgrade(IfBad::Refuse).unwrap();
    let failed = |ground: &Ground| {
        let path = ground.fixture.sysroot().join("ostree/trials");
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("state=trial\nleft=2", "state=failed");
        Trials::parse(text.as_bytes()).unwrap();
        fs::write(path, text).unwrap();
    };
    // Before the order: the first root boots the old version.
    failed(&ground);
    let step = trials::started(&mut ground.boot(1)).unwrap();
    assert!(matches!(step, Step::RolledBack { .. }), "{step:?}");
    assert_eq!(ground.versions(), ["1", "2"]);
    let after = [Some(Standing::Good), Some(Standing::Bad)];
    assert_eq!(ground.standings(), after);
    // After it, and before it was noted.
    let path = ground.fixture.sysroot().join("ostree/trials");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("state=bad", "state=failed")).unwrap();
    assert_eq!(trials::started(&mut ground.boot(0)).unwrap(), Step::Nothing);
    assert_eq!(ground.standings(), after);
}

/// A host with a new deployment that its boot loader tries twice.
fn counted() -> Ground {
    let mut ground = Ground::new();
    let config = ["config", "set", "sysroot.boot-counting-tries", "2"];
    ground
        .fixture
        .ostree(&[&["--repo=sysroot/ostree/repo"][..], &config].concat());
    ground.upgrade(IfBad::Refuse).unwrap();
    ground
}

#[test]
fn a_loader_that_counted_down_and_booted_the_next_entry_is_believed() {
    let mut ground = counted();
    let entries = ground.fixture.sysroot().join("boot/loader/entries");
    assert!(entries.join("ostree-2+2.conf").exists());
    // A person at the menu changes nothing.
    assert_eq!(trials::started(&mut ground.boot(1)).unwrap(), Step::Nothing);
    fs::rename(
        entries.join("ostree-2+2.conf"),
        entries.join("ostree-2+0-2.conf"),
    )
    .unwrap();
    let index = |ground: &Ground| ground.versions().iter().position(|it| it == "1").unwrap();
    let old = index(&ground);
    let step = trials::started(&mut ground.boot(old)).unwrap();
    let sorted_last = ground.versions() == ["1", "2"];
    assert!(sorted_last, "{step:?}");
    assert!(
        ground.standings().contains(&Some(Standing::Bad)),
        "{step:?}"
    );
}

#[test]
fn a_counter_of_the_loader_goes_once_the_deployment_is_proven() {
    let mut ground = counted();
    let mut lock = ground.boot(0);
    trials::started(&mut lock).unwrap();
    trials::judge(&mut lock, Verdict::Healthy).unwrap();
    let entries = ground.fixture.sysroot().join("boot/loader/entries");
    assert!(entries.join("ostree-2.conf").exists());
    assert!(!entries.join("ostree-2+2.conf").exists());
}

#[test]
fn grub_counts_while_a_trial_lasts_and_is_believed_when_it_gives_up() {
    let mut ground = Ground::new();
    let config = ["config", "set", "sysroot.bootloader", "none"];
    ground
        .fixture
        .ostree(&[&["--repo=sysroot/ostree/repo"][..], &config].concat());
    let grub = ground.fixture.sysroot().join("boot/grub");
    fs::create_dir(&grub).unwrap();
    fs::write(grub.join("grub.cfg"), "").unwrap();
    let env = || GrubEnv::parse(&fs::read(grub.join("grubenv")).unwrap()).unwrap();
    ground.upgrade(IfBad::Refuse).unwrap();
    assert_eq!(env().to_string(), "boot_success=0\nboot_counter=2\n");
    let mut counted = env();
    counted.set("boot_counter", "-1").unwrap();
    fs::write(grub.join("grubenv"), counted.to_bytes().unwrap()).unwrap();
    let step = trials::started(&mut ground.boot(1)).unwrap();
    assert!(matches!(step, Step::RolledBack { .. }), "{step:?}");
    assert_eq!(ground.versions(), ["1", "2"]);
    assert_eq!(env().to_string(), "boot_success=1\n");
    ground.upgrade(IfBad::Retry).unwrap();
    let mut lock = ground.boot(0);
    trials::started(&mut lock).unwrap();
    trials::judge(&mut lock, Verdict::Healthy).unwrap();
    assert_eq!(env().to_string(), "boot_success=1\n");
}

#[test]
fn what_a_person_makes_the_default_is_not_on_trial() {
    let mut ground = Ground::new();
    ground.upgrade(IfBad::Refuse).unwrap();
    let mut lock = ground.boot(0);
    order::change(&mut lock, &Wish::Rollback { stateroot: None }).unwrap();
    drop(lock);
    assert_eq!(ground.versions(), ["1", "2"]);
    assert_eq!(ground.standings(), [Some(Standing::Good), None]);
    let mut lock = ground.boot(0);
    order::change(&mut lock, &Wish::Rollback { stateroot: None }).unwrap();
    drop(lock);
    for _ in 0..4 {
        assert_eq!(ground.fail(), Step::Nothing);
    }
    assert_eq!(ground.versions(), ["2", "1"]);
}

#[test]
fn what_a_trial_may_go_back_to_outlives_the_next_upgrade() {
    let mut ground = Ground::new();
    ground.upgrade(IfBad::Refuse).unwrap();
    // Version 2 runs without a verdict.
    ground.publish("3");
    ground.upgrade(IfBad::Refuse).unwrap();
    assert_eq!(ground.versions(), ["3", "2", "1"]);
    assert_eq!(ground.fail(), Step::Retry { left: 0 });
    assert!(matches!(ground.fail(), Step::RolledBack { .. }));
    assert_eq!(ground.versions()[0], "1");
}

#[test]
fn nothing_is_on_trial_without_units_a_way_back_or_tries() {
    let fixture = Fixture::new();
    fixture.real_deploy(&[]);
    let deploy_newest = |fixture: &Fixture, version: &str| {
        fixture.write("usr/share/version", version);
        let commit = fixture.commit(version).parse().unwrap();
        fixture.pull();
        let mut lock = fixture.lock_on(&fixture.running(0));
        deploy(&mut lock, commit, &DeployOptions::default(), &Silent).unwrap();
        let trials = trials::read(&lock).unwrap();
        trials::record(&trials, &lock.deployments[0]).map(|record| record.standing)
    };
    assert_eq!(deploy_newest(&fixture, "no units"), None);
    fixture.write(UNIT, "[Unit]\n");
    let three = Some(Standing::Trial { left: 3 });
    assert_eq!(deploy_newest(&fixture, "units"), three);
    fixture.write("usr/lib/ostler/health.toml", "tries = 0\n");
    assert_eq!(deploy_newest(&fixture, "no tries"), None);
    fixture.write("usr/lib/ostler/health.toml", "nonsense\n");
    assert_eq!(deploy_newest(&fixture, "damaged"), three);
    // A damaged state is no reason not to upgrade.
    fs::write(fixture.sysroot().join("ostree/trials"), "nonsense").unwrap();
    assert_eq!(deploy_newest(&fixture, "state damaged"), three);
}
