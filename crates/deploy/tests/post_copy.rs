//! Seals of fs-verity after a copy.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use common::Fixture;
use ostler_deploy::post_copy::{PostCopyError, post_copy};
use ostler_format::ObjectKind;
use ostler_fs::Trusted;
use ostler_fs::inode_flags::measure_verity;
use ostler_store::StoreError;

#[test]
fn objects_are_sealed_where_the_settings_want_it_and_what_cannot_be_is_refused() {
    let fixture = Fixture::new();
    fixture.real_deploy(&[]);
    let set = |value: &str| {
        let repo = "--repo=sysroot/ostree/repo";
        fixture.ostree(&[repo, "config", "set", "ex-integrity.fsverity", value]);
    };
    post_copy(&fixture.lock()).unwrap();
    set("maybe");
    post_copy(&fixture.lock()).unwrap();
    set("yes");
    let lock = fixture.lock();
    match post_copy(&lock) {
        Err(PostCopyError::Store(error @ StoreError::VerityUnsupported)) => {
            let way_out = ostler_deploy::hint(&error).expect("there is a way out");
            assert!(way_out.contains("ex-integrity.fsverity"), "{way_out}");
        }
        sealed => {
            sealed.unwrap();
            let repo = lock.repo();
            let form = repo.mode().storage_form();
            repo.for_each_object(|name| {
                let path = name.loose_path(form);
                let file = repo.objects().metadata(Trusted(&path))?.is_file();
                if name.kind == ObjectKind::File && file {
                    let object = repo.objects().open_regular(Trusted(&path))?.0;
                    assert!(measure_verity(&object)?.is_some(), "{name}");
                }
                Ok(())
            })
            .unwrap();
        }
    }
}
