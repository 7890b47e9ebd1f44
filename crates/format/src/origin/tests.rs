use super::*;

const COMMIT: &str = "1aac4e5c0a4ba6dbbcc6d5a0d19bf0bd9a01ae1a5dc14b1a4c8e8df6dbb0b6f6";

fn parsed(text: &str) -> Origin {
    Origin::parse(text.as_bytes()).unwrap()
}

fn printed(origin: &Origin) -> String {
    String::from_utf8(origin.to_bytes()).unwrap()
}

#[test]
fn a_new_origin_has_the_bytes_that_ostree_writes() {
    let source = Source::Refspec(Refspec::parse("testos:os/stable").unwrap());
    assert_eq!(
        printed(&Origin::new(&source).unwrap()),
        "[origin]\nrefspec=testos:os/stable\n"
    );
}

#[test]
fn groups_of_package_layering_stay_untouched() {
    let text = format!(
        "[origin]\nbaserefspec=fedora:os/39\noverride-commit={COMMIT}\n\n[packages]\nrequested=vim;htop;\nrequested-local=x:y;\n\n[rpmostree]\nregenerate-initramfs=true\n\n[libostree-transient]\npinned=true\n"
    );
    let origin = parsed(&text);
    assert_eq!(printed(&origin), text);
    assert_eq!(
        origin.refspec().unwrap().unwrap().to_string(),
        "fedora:os/39"
    );
    assert_eq!(
        origin.override_commit().unwrap(),
        Some(COMMIT.parse().unwrap())
    );
    assert!(origin.is_pinned().unwrap());
    let mut next = origin.without_transient();
    assert!(!next.is_pinned().unwrap());
    next.set_override_commit(None).unwrap();
    assert_eq!(
        printed(&next),
        "[origin]\nbaserefspec=fedora:os/39\n\n[packages]\nrequested=vim;htop;\nrequested-local=x:y;\n\n[rpmostree]\nregenerate-initramfs=true\n"
    );
}

#[test]
fn pinning_and_unpinning_leaves_the_file_as_it_was() {
    let text = "[origin]\nrefspec=a:b\n";
    let mut origin = parsed(text);
    origin.set_pinned(true).unwrap();
    assert_eq!(
        printed(&origin),
        "[origin]\nrefspec=a:b\n\n[libostree-transient]\npinned=true\n"
    );
    origin.set_pinned(false).unwrap();
    assert_eq!(printed(&origin), text);
}

#[test]
fn a_new_source_takes_the_place_of_one_of_another_kind() {
    let mut origin = parsed("[origin]\nrefspec=a:b\ncustom-url=u\ncustom-description=d\n");
    let image = Source::ContainerImage("ostree-unverified-registry:quay.io/x:1".into());
    origin.set_source(&image).unwrap();
    assert_eq!(origin.source().unwrap(), Some(image));
    assert_eq!(origin.refspec().unwrap(), None);
    assert_eq!(origin.key_file().raw("origin", "refspec"), None);
    assert_eq!(
        origin.custom().unwrap(),
        (Some("u".into()), Some("d".into()))
    );
}

#[test]
fn unlocked_states_are_read_written_and_removed() {
    let mut origin = parsed("[origin]\nrefspec=a:b\nunlocked=hotfix\n");
    assert_eq!(origin.unlocked().unwrap(), Unlocked::Hotfix);
    origin.set_unlocked(Unlocked::Transient).unwrap();
    assert_eq!(
        parsed(&printed(&origin)).unlocked().unwrap(),
        Unlocked::Transient
    );
    origin.set_unlocked(Unlocked::None).unwrap();
    assert_eq!(printed(&origin), "[origin]\nrefspec=a:b\n");
}

#[test]
fn values_that_can_not_be_meant_are_refused_by_name() {
    for (text, message) in [
        (
            "refspec=a:b\nbaserefspec=c",
            "origin has both `refspec` and `baserefspec`",
        ),
        (
            "refspec=../x",
            "origin `refspec`: Invalid ref name ../x: parts between slashes start with a letter, digit or `_` and go on with those, `-` or `.`",
        ),
        (
            "override-commit=abc",
            "origin `override-commit` is `abc`, not a commit of 64 hexadecimal digits",
        ),
        (
            "unlocked=yes",
            "origin `unlocked` is `yes`, not `none`, `development`, `transient` or `hotfix`",
        ),
        (
            "[libostree-transient]\npinned=2",
            "`pinned` in `[libostree-transient]` is `2`, not a boolean (true, false, 1 or 0)",
        ),
    ] {
        let error = Origin::parse(format!("[origin]\n{text}\n").as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    assert_eq!(parsed("").source().unwrap(), None);
}

#[test]
fn what_was_asked_for_beyond_the_tree_is_dropped_part_by_part() {
    let text = "[origin]\nbaserefspec=o:os\n\n[packages]\nrequested=fish;\n\n[overrides]\nremove=vim;\n\n\
        [rpmostree]\nregenerate-initramfs=true\ninitramfs-etc=/etc/a;\n";
    let mut origin = parsed(text);
    assert!(origin.is_layered().unwrap());
    assert_eq!(origin.initramfs_etc().unwrap(), ["/etc/a"]);
    let packages = Layers {
        packages: true,
        ..Layers::default()
    };
    assert!(origin.drop_layers(packages).unwrap());
    assert!(
        !origin.drop_layers(packages).unwrap(),
        "there are none any more"
    );
    assert!(origin.is_layered().unwrap());
    let base = Source::BaseRefspec("o:os".to_owned());
    assert_eq!(origin.source().unwrap(), Some(base), "overrides are left");
    let rest = Layers {
        overrides: true,
        initramfs: true,
        ..Layers::default()
    };
    assert!(origin.drop_layers(rest).unwrap());
    assert_eq!(printed(&origin).trim_end(), "[origin]\nrefspec=o:os");

    let custom = ("https://a/b".to_owned(), "in words".to_owned());
    origin.set_custom(Some(&custom)).unwrap();
    let again = parsed(&printed(&origin));
    assert_eq!(again.custom().unwrap(), (Some(custom.0), Some(custom.1)));
    origin.set_custom(None).unwrap();
    origin.set_initramfs_etc(&["/etc/x y".to_owned()]).unwrap();
    assert_eq!(
        parsed(&printed(&origin)).initramfs_etc().unwrap(),
        ["/etc/x y"]
    );
    origin.set_initramfs_etc(&[]).unwrap();
    assert_eq!(printed(&origin).trim_end(), "[origin]\nrefspec=o:os");
}
