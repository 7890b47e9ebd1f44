//! Who holds the lock of a system root, as others are told.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use common::Fixture;
use ostler_deploy::lock_owner::held_by;

#[test]
fn everybody_may_read_who_holds_the_lock_and_nobody_else_may_lock_it() {
    let fixture = Fixture::new();
    let lock = fixture.lock();
    let mode = |name: &str| {
        let path = fixture.sysroot().join("ostree").join(name);
        fs::metadata(path).unwrap().mode() & 0o007
    };
    assert_eq!((mode("lock-owner"), mode("lock")), (0o004, 0));
    let held = held_by(fixture.sysroot()).unwrap();
    let owner = held[0].owner.as_ref().expect("it says who it is");
    assert_eq!((owner.pid, held.len()), (std::process::id(), 1));
    drop(lock);
    assert!(held_by(fixture.sysroot()).unwrap().is_empty());
    assert!(!fixture.sysroot().join("ostree/lock-owner").exists());
}
