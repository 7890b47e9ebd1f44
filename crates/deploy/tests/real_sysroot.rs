//! System roots that the real `ostree` made, read and changed, and read by it again.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use common::Fixture;
use ostler_deploy::plan::{IfOnly, Next, Wish, plan};
use ostler_deploy::publish::{Published, publish};
use ostler_deploy::{Deployment, SysrootLock, cleanup};

fn publish_wish(lock: &mut SysrootLock, wish: &Wish) -> Option<Published> {
    let order = plan(&lock.slots(), wish).unwrap();
    let next: Vec<Deployment> = order
        .iter()
        .map(|next| match next {
            Next::Keep(index) => lock.deployments[*index].clone(),
            Next::New => unreachable!("nothing is added"),
        })
        .collect();
    publish(lock, &next).unwrap()
}

#[test]
fn deployments_of_the_real_ostree_are_read_in_boot_order() {
    let fixture = Fixture::new();
    fixture.real_deploy(&["--karg=root=LABEL=x", "--karg=quiet"]);
    fixture.real_deploy(&["--retain"]);
    fixture.admin(&["pin", "1"]);
    let sysroot = fixture.open();
    assert_eq!(
        sysroot
            .deployments
            .iter()
            .map(|d| d.id.serial)
            .collect::<Vec<_>>(),
        [1, 0]
    );
    assert_eq!(
        sysroot
            .deployments
            .iter()
            .map(Deployment::is_pinned)
            .collect::<Vec<_>>(),
        [false, true]
    );
    let default = &sysroot.deployments[0];
    assert_eq!(default.chosen_kargs().to_string(), "root=LABEL=x quiet");
    assert_eq!(default.refspec().unwrap().as_deref(), Some("o:os/stable"));
    assert!(!default.booted);
}

#[test]
fn an_order_that_is_published_is_read_by_the_real_ostree_and_then_changed_by_it() {
    let fixture = Fixture::new();
    fixture.real_deploy(&["--karg=quiet"]);
    fixture.real_deploy(&["--retain"]);
    fixture.real_deploy(&["--retain", "--karg=third"]);
    let before = fixture.real_status();
    let mut lock = fixture.lock();
    let published = publish_wish(&mut lock, &Wish::MakeDefault(2));
    let published = published.expect("the order is new");
    assert!(published.entries && published.count == 3, "{published:?}");
    cleanup::leftovers(&lock).unwrap();
    drop(lock);
    let status = fixture.real_status();
    assert_ne!(status, before);
    let serials: Vec<&str> = status
        .lines()
        .filter(|line| line.contains(" os "))
        .map(|line| &line[line.len() - 1..])
        .collect();
    assert_eq!(serials, ["0", "2", "1"], "{status}");
    let entries = fixture.listing("sysroot/boot/loader");
    assert_eq!(
        entries,
        [1, 2, 3].map(|n| format!("sysroot/boot/loader/entries/ostree-{n}.conf"))
    );
    fixture.admin(&["undeploy", "1"]);
    fixture.real_deploy(&[]);
    let sysroot = fixture.open();
    assert_eq!(
        sysroot
            .deployments
            .iter()
            .map(|d| d.id.serial)
            .collect::<Vec<_>>(),
        [2, 0]
    );
}

#[test]
fn what_ostler_publishes_is_what_ostree_publishes() {
    let listing = |undeploy: fn(&Fixture)| {
        let fixture = Fixture::new();
        fixture.real_deploy(&["--karg=quiet"]);
        fixture.real_deploy(&["--retain"]);
        fixture.real_deploy(&["--retain"]);
        undeploy(&fixture);
        let mut listing = fixture.listing("sysroot/boot");
        listing.extend(fixture.listing("sysroot/ostree/boot.0"));
        listing.extend(fixture.listing("sysroot/ostree/boot.1"));
        let entries: Vec<String> = ["1", "2"]
            .iter()
            .map(|n| {
                let entries = fixture.sysroot().join("boot/loader/entries");
                let old = std::fs::read_to_string(entries.join(format!("ostree-{n}-os.conf")));
                old.unwrap()
            })
            .collect();
        let refs = fixture.ostree(&["--repo=sysroot/ostree/repo", "refs", "ostree"]);
        let mut refs: Vec<String> = refs.lines().map(str::to_owned).collect();
        refs.sort();
        (listing, entries, refs)
    };
    let real = listing(|fixture| {
        fixture.admin(&["undeploy", "1"]);
    });
    let ours = listing(|fixture| {
        let settings = ostler_deploy::Settings {
            old_entry_names: true,
            ..fixture.settings()
        };
        let mut lock =
            SysrootLock::acquire_on(fixture.sysroot(), settings, fixture.host(), &mut |_| ())
                .unwrap();
        publish_wish(
            &mut lock,
            &Wish::Remove {
                index: 1,
                only: IfOnly::Remove,
            },
        );
        cleanup::leftovers(&lock).unwrap();
    });
    // Commits differ by their times, and with them the links' targets.
    let without_commit = |lines: Vec<String>| -> Vec<String> {
        lines
            .into_iter()
            .map(|line| line.split("/deploy/").next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(without_commit(ours.0), without_commit(real.0));
    assert_eq!(ours.1, real.1);
    assert_eq!(ours.2, real.2);
}
