use super::*;
use proptest::prelude::*;

/// What libostree's own functions answered.
#[test]
fn changes_are_those_of_libostree() {
    type Change = fn(&mut KernelArgs, &str) -> Result<(), KargsError>;
    let replace: Change = KernelArgs::replace;
    let delete: Change = KernelArgs::delete;
    let set: Change = KernelArgs::set;
    let start = "a=1 b=2 a=3 c";
    for (change, argument, expected) in [
        (
            replace,
            "a=9",
            Err("kernel argument `a` occurs 2 times; say which one, as `a=VALUE`"),
        ),
        (replace, "b=9", Ok("a=1 b=9 a=3 c")),
        (replace, "b=2=3", Ok("a=1 b=3 a=3 c")),
        (replace, "a=1=5", Ok("a=5 b=2 a=3 c")),
        (replace, "a=7=5", Err("no kernel argument `a=7`")),
        (replace, "z=9", Err("no kernel argument `z`")),
        (replace, "c", Ok("a=1 b=2 a=3 c")),
        (replace, "c=1", Ok("a=1 b=2 a=3 c=1")),
        (replace, "c=", Ok("a=1 b=2 a=3 c=")),
        (replace, "b", Ok("a=1 b a=3 c")),
        (replace, "b=2=", Ok("a=1 b= a=3 c")),
        (replace, "b==3", Err("no kernel argument `b=`")),
        (replace, "c==1", Err("no kernel argument `c=`")),
        (replace, "a=1=5=6", Ok("a=5=6 b=2 a=3 c")),
        (replace, "", Err("`` is not one kernel argument")),
        (delete, "a=1", Ok("b=2 a=3 c")),
        (
            delete,
            "a",
            Err("kernel argument `a` occurs 2 times; say which one, as `a=VALUE`"),
        ),
        (delete, "b", Ok("a=1 a=3 c")),
        (delete, "b=2", Ok("a=1 a=3 c")),
        (delete, "b=3", Err("no kernel argument `b=3`")),
        (delete, "c", Ok("a=1 b=2 a=3")),
        (delete, "c=", Err("no kernel argument `c=`")),
        (delete, "z", Err("no kernel argument `z`")),
        (set, "a=9", Ok("a=9 b=2 c")),
        (set, "z=9", Ok("a=1 b=2 a=3 c z=9")),
        (set, "a", Ok("a b=2 c")),
        (set, "a b", Err("`a b` is not one kernel argument")),
    ] {
        let mut args = KernelArgs::parse(start);
        let result = change(&mut args, argument);
        match expected {
            Ok(text) => {
                assert_eq!(result, Ok(()), "{argument}");
                assert_eq!(args.to_string(), text, "{argument}");
            }
            Err(text) => {
                assert_eq!(result.unwrap_err().to_string(), text);
                assert_eq!(args.to_string(), start, "a refused change changes nothing");
            }
        }
    }
}

#[test]
fn a_bare_key_among_several_deletes_the_one_without_a_value() {
    for (start, argument, end) in [
        ("a a", "a", "a"),
        ("a a=", "a", "a="),
        ("a a=", "a=", "a"),
        ("a=1 a=1", "a=1", "a=1"),
    ] {
        let mut args = KernelArgs::parse(start);
        args.delete(argument).unwrap();
        assert_eq!(args.to_string(), end, "{start} - {argument}");
    }
    let mut args = KernelArgs::parse("a=1 a=2");
    assert!(args.delete("a").is_err());
    assert_eq!(args.delete_if_present("b"), Ok(false));
    assert_eq!(args.delete_if_present("a=2"), Ok(true));
    assert_eq!(args.delete_key("a"), 1);
}

#[test]
fn the_two_kinds_of_append_if_missing_differ_in_what_they_look_at() {
    let mut by_argument = KernelArgs::parse("a=1 b");
    let mut by_key = by_argument.clone();
    by_argument.append_if_missing("a=1 a=2 c c");
    by_key.append_if_key_missing("a=1 a=2 c c");
    assert_eq!(by_argument.to_string(), "a=1 b a=2 c");
    assert_eq!(by_key.to_string(), "a=1 b c");
}

#[test]
fn blanks_in_quotes_do_not_separate() {
    let args = KernelArgs::parse(
        "root=UUID=5-6  dyndbg=\"file a.c +p; file b.c +p\"\t\"quoted=x y\" quiet",
    );
    let all: Vec<_> = args.iter().map(|arg| (arg.key(), arg.value())).collect();
    assert_eq!(
        all,
        [
            ("root", Some("UUID=5-6")),
            ("dyndbg", Some("\"file a.c +p; file b.c +p\"")),
            ("quoted", Some("x y")),
            ("quiet", None)
        ]
    );
    assert!(args.contains("\"quoted=x y\""));
    assert!(args.contains("root=UUID=5-6") && !args.contains("root"));
    let mut args = args;
    args.replace("dyndbg=\"file a.c +p; file b.c +p\"=none")
        .unwrap();
    assert_eq!(args.last_value("dyndbg"), Some("none"));
}

#[test]
fn the_bootlink_argument_takes_the_place_of_the_old_one() {
    let mut args = KernelArgs::parse("quiet ostree=/ostree/boot.0/a/b/0 ro");
    args.set_ostree("/ostree/boot.1/a/b/0").unwrap();
    assert_eq!(args.to_string(), "quiet ostree=/ostree/boot.1/a/b/0 ro");
    assert_eq!(args.ostree(), Some("/ostree/boot.1/a/b/0"));
    assert!(args.set_ostree("/x y").is_err());
    args.append("BOOT_IMAGE=/vmlinuz initrd=/i");
    assert_eq!(args.without_boot_loader_args().to_string(), "quiet ro");
}

fn argument() -> impl Strategy<Value = String> {
    "[ab]{1,2}(=[12=\"]{0,3})?"
}

proptest! {
    #[test]
    fn printing_is_one_line_and_parses_back(text in any::<String>()) {
        let args = KernelArgs::parse(&text);
        let printed = args.to_string();
        prop_assert!(!printed.contains(['\n', '\r', '\0']));
        if !text.contains('"') {
            prop_assert_eq!(KernelArgs::parse(&printed), args);
        }
    }

    #[test]
    fn a_deleted_argument_leaves_the_others_in_order(list in prop::collection::vec("[a-c](=[12])?", 0..6), one in "[a-c](=[12])?") {
        let before = KernelArgs::parse(&list.join(" "));
        let mut after = before.clone();
        if after.delete(&one).is_ok() {
            prop_assert_eq!(after.len() + 1, before.len());
            let mut rest = before.iter();
            prop_assert!(after.iter().all(|arg| rest.any(|other| other == arg)));
        } else {
            prop_assert_eq!(after, before);
        }
    }

    #[test]
    fn changes_never_panic(text in any::<String>(), one in argument(), other in any::<String>()) {
        let mut args = KernelArgs::parse(&text);
        for argument in [one.as_str(), other.as_str()] {
            args.append_if_missing(argument);
            let _ = args.replace(argument);
            let _ = args.delete(argument);
            let _ = args.set(argument);
        }
    }
}
