use super::*;
use proptest::prelude::*;

/// Written by ostree 2022.7.
const REAL: &str = "\
title TestOS 42 1.0.10 (ostree:testos:0)
version 2
options root=LABEL=MOO quiet ostree=/ostree/boot.1/testos/1aac4e5c0a4ba6dbbcc6d5a0d19bf0bd9a01ae1a5dc14b1a4c8e8df6dbb0b6f6/0
linux /ostree/testos-1aac4e5c0a4ba6dbbcc6d5a0d19bf0bd9a01ae1a5dc14b1a4c8e8df6dbb0b6f6/vmlinuz-3.6.0
initrd /ostree/testos-1aac4e5c0a4ba6dbbcc6d5a0d19bf0bd9a01ae1a5dc14b1a4c8e8df6dbb0b6f6/initramfs-3.6.0.img
fdtdir /ostree/testos-1aac4e5c0a4ba6dbbcc6d5a0d19bf0bd9a01ae1a5dc14b1a4c8e8df6dbb0b6f6/dtb
";

#[test]
fn a_real_entry_is_read_and_written_back_byte_for_byte() {
    let entry = BootEntry::parse(REAL.as_bytes()).unwrap();
    assert_eq!(entry.version.as_deref(), Some("2"));
    assert_eq!(entry.options.last_value("root"), Some("LABEL=MOO"));
    assert_eq!(entry.initrds.len(), 1);
    assert!(entry.fdtdir().unwrap().ends_with("/dtb"));
    assert_eq!(entry.to_string(), REAL);
}

#[test]
fn unknown_keys_stay_and_known_ones_come_in_libostrees_order() {
    let text = "# hand-made\nx-a  1\ninitrd /i\nlinux\t/k\n\ninitrd /overlay\noptions a\nnovalue\nx-b 2\ntitle T\noptions b\ndevicetree /d\r\nversion 1\n";
    let entry = BootEntry::parse(text.as_bytes()).unwrap();
    assert_eq!(
        entry.to_string(),
        "title T\nversion 1\noptions a b\ndevicetree /d\nlinux /k\ninitrd /i\ninitrd /overlay\nx-a 1\nx-b 2\n"
    );
}

#[test]
fn a_value_can_not_add_a_line() {
    let entry = BootEntry {
        title: Some("T\nlinux /evil".into()),
        other: vec![("x-a".into(), "1\r\ninitrd /evil".into())],
        ..BootEntry::default()
    };
    let again = BootEntry::parse(&entry.to_bytes()).unwrap();
    assert_eq!(again.linux, None);
    assert!(again.initrds.is_empty());
}

#[test]
fn what_is_no_text_is_refused() {
    assert_eq!(
        BootEntry::parse(b"title a\nlinux \xff"),
        Err(BootEntryError::NotText { line: 2 })
    );
    assert_eq!(
        BootEntry::parse(b"title \0"),
        Err(BootEntryError::NotText { line: 1 })
    );
    assert!(matches!(
        BootEntry::parse(&vec![b'\n'; BootEntry::MAX_BYTES + 1]),
        Err(BootEntryError::TooLarge { .. })
    ));
}

#[test]
fn entry_names_old_new_and_counted_are_understood() {
    let stateroot = |text: &str| Some(StaterootName::new(text).unwrap());
    for (text, number, root, tries) in [
        ("ostree-1-testos.conf", 1, stateroot("testos"), None),
        (
            "ostree-12-fedora-coreos.conf",
            12,
            stateroot("fedora-coreos"),
            None,
        ),
        ("ostree-2-os+3.conf", 2, stateroot("os+3"), None),
        ("ostree-3.conf", 3, None, None),
        (
            "ostree-1+3.conf",
            1,
            None,
            Some(Tries {
                left: 3,
                done: None,
            }),
        ),
        (
            "ostree-1+2-1.conf",
            1,
            None,
            Some(Tries {
                left: 2,
                done: Some(1),
            }),
        ),
    ] {
        let name = EntryName::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(
            (name.number, &name.stateroot, name.tries),
            (number, &root, tries),
            "{text}"
        );
        assert_eq!(name.to_string(), text);
    }
    for bad in [
        "ostree-.conf",
        "ostree-x.conf",
        "ostree-1",
        "1.conf",
        "ostree-1-.conf",
        "ostree-1+.conf",
        "ostree-1+a.conf",
        "ostree-1+1-.conf",
        "ostree-1+-1.conf",
        "ostree-99999999999.conf",
        "ostree-1-a/b.conf",
        "ostree--1.conf",
        "ostree-b2-1.conf",
        "ostree-b0-.conf",
        "ostree-b0-1-os.conf",
    ] {
        assert_eq!(EntryName::parse(bad), None, "{bad}");
    }
}

#[test]
fn a_name_may_say_which_boot_version_it_is_of() {
    let name = EntryName {
        boot_version: Some(Turn::One),
        ..EntryName::new(2)
    };
    assert_eq!(name.to_string(), "ostree-b1-2.conf");
    assert_eq!(EntryName::parse("ostree-b1-2.conf"), Some(name));
    let counted = EntryName::parse("ostree-b0-12+3-1.conf").unwrap();
    assert_eq!(
        (counted.boot_version, counted.number),
        (Some(Turn::Zero), 12)
    );
    assert_eq!(counted.to_string(), "ostree-b0-12+3-1.conf");
}

#[test]
fn versions_sort_as_the_specification_says() {
    // From old to new, the specification's own examples among them.
    let sorted = [
        "~1",
        "",
        "1~rc1",
        "1~~",
        "1",
        "1-1",
        "1^post1",
        "1.0",
        "1a",
        "2",
        "11",
        "123.0~rc1",
        "123.0",
        "123.0-1.1",
        "123.0^post1",
        "123.a",
        "124",
        "A",
        "Aa",
        "a",
        "ab",
    ];
    let strictly: Vec<(usize, usize)> = vec![
        (1, 4),
        (4, 5),
        (5, 6),
        (6, 7),
        (9, 10),
        (11, 12),
        (12, 13),
        (13, 14),
    ];
    for (old, new) in strictly {
        assert_eq!(
            compare_versions(sorted[old], sorted[new]),
            Ordering::Less,
            "{} {}",
            sorted[old],
            sorted[new]
        );
        assert_eq!(
            compare_versions(sorted[new], sorted[old]),
            Ordering::Greater
        );
    }
    for (a, b, order) in [
        ("11", "11", Ordering::Equal),
        ("systemd-123", "systemd-123", Ordering::Equal),
        ("bar-123", "foo-123", Ordering::Less),
        ("123a", "123", Ordering::Greater),
        ("123.a", "123", Ordering::Greater),
        ("123.a", "123.b", Ordering::Less),
        ("123a", "123.a", Ordering::Greater),
        ("11α", "11β", Ordering::Equal),
        ("A", "a", Ordering::Less),
        ("0001", "1", Ordering::Equal),
        ("0.", "0", Ordering::Greater),
        ("1~rc1", "1", Ordering::Less),
        ("10", "9", Ordering::Greater),
        (
            "99999999999999999999999",
            "100000000000000000000000",
            Ordering::Less,
        ),
    ] {
        assert_eq!(compare_versions(a, b), order, "{a} {b}");
    }
}

#[test]
fn the_menu_has_the_highest_version_first() {
    let entry = |version: &str| BootEntry {
        version: Some(version.into()),
        ..BootEntry::default()
    };
    let mut menu = [
        ("ostree-2.conf", entry("2")),
        ("other.conf", BootEntry::default()),
        ("ostree-10.conf", entry("10")),
        ("ostree-9.conf", entry("9")),
    ];
    menu.sort_by(|a, b| BootEntry::menu_order((a.0, &a.1), (b.0, &b.1)));
    assert_eq!(
        menu.map(|(name, _)| name),
        [
            "ostree-10.conf",
            "ostree-9.conf",
            "ostree-2.conf",
            "other.conf"
        ]
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(text in "((title|version|options|linux|initrd|x-a|devicetree)[ \t][ -~]{0,12}\n){0,8}") {
        let entry = BootEntry::parse(text.as_bytes()).unwrap();
        let printed = entry.to_bytes();
        prop_assert_eq!(BootEntry::parse(&printed).unwrap().to_bytes(), printed);
    }

    #[test]
    fn the_order_of_versions_is_total(texts in prop::collection::vec("[0-2a~^.-]{0,5}", 3)) {
        let [a, b, c] = [&texts[0], &texts[1], &texts[2]];
        prop_assert_eq!(compare_versions(a, b), compare_versions(b, a).reverse());
        if compare_versions(a, b).is_le() && compare_versions(b, c).is_le() {
            prop_assert!(compare_versions(a, c).is_le(), "{} {} {}", a, b, c);
        }
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), name in any::<String>()) {
        let _ = BootEntry::parse(&bytes);
        let _ = EntryName::parse(&name);
        let _ = EntryName::parse(&format!("ostree-{name}.conf"));
    }
}
