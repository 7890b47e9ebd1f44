//! Kernel arguments: where they come from, and each way to change them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use ostler_tests::Program;

use super::Host;

#[test]
fn arguments_of_trees_and_of_the_host_file_come_and_go_and_are_explained() {
    let host = Host::new();
    let defaults = "usr/lib/bootc/kargs.d/10-console.toml";
    host.publish("2", &[(defaults, "kargs = ['console=ttyS0', 'quiet']")]);
    host.host(&["upgrade"]);
    assert_eq!(host.kargs(), "root=LABEL=root console=ttyS0 quiet");
    host.host(&["kargs", "--delete=quiet", "--append=mine"]);

    let file = host.scratch.join("host.toml");
    fs::write(&file, "kargs = ['file=1', 'mine']").unwrap();
    let file = file.to_str().unwrap();
    let diff = host.host(&["apply", "--diff", file]);
    assert!(diff.contains("kargs: file=1 added"), "{diff}");
    host.host(&["apply", file]);
    assert_eq!(host.kargs(), "root=LABEL=root console=ttyS0 mine file=1");
    let json = host.json(&["kargs", "--explain", "--json"]);
    let from = |argument: &str| {
        let all = json["arguments"].as_array().unwrap();
        let found = all.iter().find(|it| it["argument"] == argument).unwrap();
        found["from"][0]["source"].as_str().unwrap().to_owned()
    };
    for (argument, source) in [
        ("root=LABEL=root", "installation"),
        ("console=ttyS0", "default"),
        ("mine", "administrator"),
        ("file=1", "host-file"),
    ] {
        assert_eq!(from(argument), source, "{json:#}");
    }
    assert_eq!(json["removed-defaults"][0]["argument"], "quiet");
    let text = host.run(&["kargs", "--explain"]);
    assert!(text.contains(&format!("default, /{defaults}")), "{text}");

    // What the file has brought goes with an upgrade, and away when the file does not name it.
    host.publish("3", &[(defaults, "kargs = ['console=ttyS1']")]);
    host.host(&["upgrade"]);
    assert_eq!(host.kargs(), "root=LABEL=root mine file=1 console=ttyS1");
    fs::write(file, "").unwrap();
    host.host(&["apply", file]);
    assert_eq!(host.kargs(), "root=LABEL=root mine console=ttyS1");
    assert_eq!(
        host.code(&["apply", "--unchanged-exit-77", "--stateroot=testos", file]),
        Some(77)
    );
}

#[test]
fn each_way_to_change_arguments_acts() {
    let host = Host::new();
    let changed = |arguments: &[&str]| {
        host.host(&[&["kargs"], arguments].concat());
        host.kargs()
    };
    assert_eq!(
        changed(&["--append=a=1", "--append=a=1"]),
        "root=LABEL=root a=1 a=1"
    );
    assert_eq!(changed(&["--delete=a=1"]), "root=LABEL=root a=1");
    assert_eq!(changed(&["--replace=a=2"]), "root=LABEL=root a=2");
    assert_eq!(
        changed(&["--replace=a=2=3", "--append-if-missing=b"]),
        "root=LABEL=root a=3 b"
    );
    assert_eq!(
        changed(&["--delete-if-present=b", "--delete-if-present=c"]),
        "root=LABEL=root a=3"
    );
    let same = [
        "kargs",
        "--stateroot=testos",
        "--append-if-missing=a=3",
        "--unchanged-exit-77",
    ];
    assert_eq!(host.code(&same), Some(77));
    assert_eq!(host.code(&same[..3]), Some(0));
    assert!(
        host.fail(&["kargs", "--delete=nowhere"])
            .contains("no kernel argument")
    );
    let older = host.run(&["kargs", "--deploy-index=1"]);
    assert!(
        older.trim_end().ends_with(" a=3 b"),
        "the one before: {older}"
    );

    let editor = host.scratch.join("editor");
    fs::write(&editor, "#!/bin/sh\nsed -i 's/a=3/edited=1/' \"$1\"\n").unwrap();
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Program::ostler().command(host.arguments(&["kargs", "--editor"]));
    let output = command.env("EDITOR", &editor).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(host.kargs(), "root=LABEL=root edited=1");
}
