use super::*;
use proptest::prelude::*;

const SUM: &str = "1aac4e5c0a4ba6dbbcc6d5a0d19bf0bd9a01ae1a5dc14b1a4c8e8df6dbb0b6f6";

#[test]
fn a_bootlink_is_read_and_written_back() {
    let text = format!("/ostree/boot.1/testos/{SUM}/12");
    let link = Bootlink::parse(&text).unwrap();
    assert_eq!(link.boot_version, Turn::One);
    assert_eq!(link.bootserial, 12);
    assert_eq!(link.below_boot_dir(), format!("testos/{SUM}/12"));
    assert_eq!(link.to_string(), text);
}

#[test]
fn bootlinks_that_lead_elsewhere_are_refused() {
    for bad in [
        format!("/ostree/boot.2/os/{SUM}/0"),
        format!("/ostree/boot.0.1/os/{SUM}/0"),
        format!("/ostree/boot.0/../{SUM}/0"),
        format!("/ostree/boot.0/os/{SUM}/0/"),
        format!("/ostree/boot.0/os/{SUM}/0/.."),
        format!("/ostree/boot.0/os/{SUM}/00"),
        format!("/ostree/boot.0/os/{SUM}/+1"),
        format!("/ostree/boot.0/os/{}/0", &SUM[1..]),
        format!("/ostree/boot.0/os/{}/0", SUM.to_uppercase()),
        format!("ostree/boot.0/os/{SUM}/0"),
        format!("/ostree/boot.0//{SUM}/0"),
        String::new(),
    ] {
        assert!(Bootlink::parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn names_below_boot_and_ostree_are_read_and_written_back() {
    for turn in [Turn::Zero, Turn::One] {
        assert_eq!(parse_loader_dir(&loader_dir(turn)), Ok(turn));
        assert_eq!(
            parse_boot_dir(&boot_dir(turn, turn.other())),
            Ok((turn, turn.other()))
        );
    }
    assert_eq!(boot_link(Turn::One), "boot.1");
    for bad in [
        "loader",
        "loader.",
        "loader.2",
        "loader.0.conf",
        "boot.0",
        "boot.0.2",
        "boot.0.1.tmp",
    ] {
        assert!(
            parse_loader_dir(bad).is_err() && parse_boot_dir(bad).is_err(),
            "{bad}"
        );
    }
}

#[test]
fn deployment_names_need_a_whole_checksum_and_a_plain_serial() {
    let name = DeploymentName::parse(&format!("{SUM}.3")).unwrap();
    assert_eq!((name.commit.to_string(), name.serial), (SUM.into(), 3));
    assert_eq!(name.to_string(), format!("{SUM}.3"));
    for bad in [
        format!("{SUM}.0.origin"),
        format!("{SUM}."),
        format!("{SUM}.03"),
        "abc.0".into(),
        format!("{SUM}.4294967296"),
        SUM.into(),
    ] {
        assert!(DeploymentName::parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn a_stateroot_is_one_plain_path_part() {
    for ok in ["testos", "fedora-coreos", "a.b", "os+1", "é"] {
        assert!(StaterootName::new(ok).is_ok(), "{ok}");
    }
    for bad in ["", ".", "..", ".x", "a/b", "a b", "a\nb", "a\0", "a\"b"] {
        assert!(StaterootName::new(bad).is_err(), "{bad:?}");
    }
    assert!(StaterootName::new("a".repeat(129)).is_err());
}

proptest! {
    #[test]
    fn parsing_never_panics_and_accepts_only_what_it_prints(text in "[a-c/.0-9]{0,10}", tail in any::<String>()) {
        for text in [text.clone(), format!("/ostree/boot.0/{text}"), format!("/ostree/boot.0/os/{SUM}/{tail}"), tail] {
            if let Ok(link) = Bootlink::parse(&text) {
                prop_assert_eq!(link.to_string(), text);
            } else if let Ok(name) = DeploymentName::parse(&text) {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
