//! Claims on merges with rules of the person's.

use super::*;

#[test]
fn rules_decide_conflicts_and_nothing_else() {
    let rules = "
        [[etc]]
        path = 'take*'
        policy = 'take'
        [[etc]]
        path = 'both*'
        policy = 'both'";
    let told = merged(
        &[
            ("take", "1"),
            ("take.mine", "1"),
            ("both", "1"),
            ("both.gone", "1"),
            ("keep", "1"),
            ("taken/x", "1"),
        ],
        &[
            ("ostler/host.toml", rules),
            ("take", "2"),
            ("take.mine", "2"),
            ("both", "2"),
            ("both.new", "of an earlier merge"),
            ("keep", "2"),
            ("taken/x", "2"),
            ("taken/own", "2"),
        ],
        &[
            ("take", "3"),
            ("take.mine", "1"),
            ("both", "3@600"),
            ("both.gone", "3"),
            ("keep", "3"),
            ("taken", "3"),
        ],
        &[
            ("ostler/host.toml", rules),
            ("take", "3"),
            ("take.mine", "2"),
            ("both", "2"),
            ("both.new", "3@600"),
            ("both.gone.new", "3"),
            ("keep", "2"),
            ("taken", "3"),
        ],
    );
    assert_eq!(
        told,
        [
            "PersonRemoved both.gone",
            "BothChanged both",
            "BothChanged keep",
            "BothChanged take",
            "DirectoryAgainstFile taken"
        ]
    );
}

#[test]
fn a_rule_that_says_fail_or_rules_that_cannot_be_read_end_the_merge() {
    let attempt = |rules: &str, new: &str| {
        let person: [(&str, &str); 2] = [("ostler/host.toml", rules), ("a", "2")];
        let three = Three::new(&[("a", "1")], &person, &[("a", new)]);
        let (old, person, new) = (three.dir("old"), three.dir("person"), three.dir("new"));
        let sides = Sides {
            old_default: &old,
            person: &person,
            new_default: &new,
        };
        let result = merge(sides, &three.dir("etc"), FileAgainstDirectory::Keep);
        assert_eq!(
            result.is_err(),
            listing(&three.temp.path().join("etc")).is_empty()
        );
        result.map_err(|error| error.to_string())
    };
    let fail = "[[etc]]\npath = 'a'\npolicy = 'fail'";
    let message = attempt(fail, "3").unwrap_err();
    assert!(
        message.contains("`/etc/a` and 0 other paths are in conflict"),
        "{message}"
    );
    attempt(fail, "1").expect("without a conflict there is nothing to fail for");
    let message = attempt("[[etc]]\npath = 'a'", "3").unwrap_err();
    assert!(
        message.contains("`/etc/ostler/host.toml`: line 1: missing field"),
        "{message}"
    );
}
