use super::*;
use proptest::prelude::*;

const EDITED: &str = "\
# the build server's repository

[core]
# written by init
repo_version = 1
mode=archive-z2
; no comment, a key = of its own

# where we pull from
[remote \"origin\"]
url= https://example.org/repo
branches=os/stable;os/testing;
[core]
mode=bare
";

fn parsed(text: &str) -> KeyFile {
    KeyFile::parse(text.as_bytes()).unwrap()
}

fn printed(file: &KeyFile) -> String {
    String::from_utf8(file.to_bytes()).unwrap()
}

#[test]
fn an_edit_keeps_comments_and_order_and_merges_repeated_groups() {
    let mut file = parsed(EDITED);
    file.set_string("core", "fsync", "false").unwrap();
    file.set_string("remote \"origin\"", "url", "https://example.net")
        .unwrap();
    assert_eq!(
        printed(&file),
        "\
# the build server's repository

[core]
# written by init
repo_version=1
mode=archive-z2
; no comment, a key=of its own

# where we pull from
mode=bare
fsync=false

[remote \"origin\"]
url=https://example.net
branches=os/stable;os/testing;
"
    );
    assert_eq!(
        file.keys("core"),
        ["repo_version", "mode", "; no comment, a key", "fsync"]
    );
    assert_eq!(
        file.raw("core", "mode"),
        Some("bare"),
        "the later one counts"
    );
}

#[test]
fn a_new_key_does_not_slip_below_the_comment_of_the_next_group() {
    let mut file = parsed("[a]\nx=1\n\n# about b\n[b]\n# of b\n\n[c]\n");
    file.set_raw("a", "y", "2").unwrap();
    file.set_raw("b", "z", "3").unwrap();
    assert_eq!(
        printed(&file),
        "[a]\nx=1\ny=2\n\n# about b\n\n[b]\n# of b\nz=3\n\n[c]\n"
    );
}

#[test]
fn escapes_are_those_of_glib() {
    let file = parsed("[a]\nk=\\sx\\ty\\nz\\r\\\\ \nl=a;b\\;c;;d\ne=\nf=;\nbad=\\q\nend=\\\n");
    assert_eq!(file.string("a", "k").unwrap().unwrap(), " x\ty\nz\r\\ ");
    assert_eq!(
        file.string_list("a", "l").unwrap().unwrap(),
        ["a", "b;c", "", "d"]
    );
    assert_eq!(
        file.string_list("a", "e").unwrap().unwrap(),
        Vec::<String>::new()
    );
    assert_eq!(file.string_list("a", "f").unwrap().unwrap(), [""]);
    for key in ["bad", "end"] {
        assert!(matches!(
            file.string("a", key),
            Err(KeyFileError::Value { .. })
        ));
        assert!(matches!(
            file.string_list("a", key),
            Err(KeyFileError::Value { .. })
        ));
    }
    let mut file = KeyFile::new();
    file.set_string("core", "foo", " lead\tx\\y\nnl ").unwrap();
    file.set_string_list("core", "l", &["br1", " b;r"]).unwrap();
    assert_eq!(
        printed(&file),
        "[core]\nfoo=\\slead\tx\\\\y\\nnl \nl=br1;\\sb\\;r;\n"
    );
}

#[test]
fn typed_values_name_group_key_and_value_when_they_are_wrong() {
    let file = parsed("[core]\nfsync=yes\nb1=true \nb2=0\nn=-12\nm=18446744073709551615\nx=12k\n");
    assert_eq!(
        file.boolean("core", "fsync").unwrap_err().to_string(),
        "`fsync` in `[core]` is `yes`, not a boolean (true, false, 1 or 0)"
    );
    assert_eq!(file.boolean("core", "b1").unwrap(), Some(true));
    assert_eq!(file.boolean("core", "b2").unwrap(), Some(false));
    assert_eq!(file.boolean("core", "none").unwrap(), None);
    assert_eq!(file.integer("core", "n").unwrap(), Some(-12));
    assert_eq!(file.unsigned("core", "m").unwrap(), Some(u64::MAX));
    for key in ["n", "x"] {
        assert!(file.unsigned("core", key).is_err(), "{key}");
    }
}

#[test]
fn bad_lines_are_named_by_number() {
    for (text, line) in [
        ("k=v\n", 1),
        ("[a]\n\nword\n", 3),
        ("[]\n", 1),
        ("[a]\n=v\n", 2),
        ("[a[b]\n", 1),
        ("[a]\nk]=v\n", 2),
        ("[a]\nk\0=v\n", 2),
        ("[a]\nk[é!]=v\n", 2),
    ] {
        match KeyFile::parse(text.as_bytes()) {
            Err(KeyFileError::Syntax { line: found, .. }) => assert_eq!(found, line, "{text:?}"),
            other => panic!("{text:?}: {other:?}"),
        }
    }
    assert!(matches!(
        KeyFile::parse(&vec![b'\n'; KeyFile::MAX_BYTES + 1]),
        Err(KeyFileError::TooLarge { .. })
    ));
    assert!(
        KeyFile::parse(b"# caf\xe9\n[a]\nk=v").is_ok(),
        "comments may have any encoding"
    );
    assert!(KeyFile::parse(b"[a]\nk=\xe9").is_err());
}

#[test]
fn nothing_can_be_set_that_would_not_be_read_back() {
    let mut file = KeyFile::new();
    for (group, key, raw) in [
        ("a]", "k", "v"),
        ("", "k", "v"),
        ("a\nb", "k", "v"),
        ("a", "", "v"),
        ("a", "k=", "v"),
        ("a", "#k", "v"),
        ("a", " k", "v"),
        ("a", "k\n", "v"),
        ("a", "k", "v\n[b]"),
    ] {
        assert!(
            file.set_raw(group, key, raw).is_err(),
            "{group:?} {key:?} {raw:?}"
        );
    }
    assert_eq!(file, KeyFile::new());
}

#[test]
fn removing_takes_every_occurrence() {
    let mut file = parsed("[a]\nk=1\nx=2\nk=3\n[b]\n");
    assert!(file.remove_key("a", "k"));
    assert!(!file.remove_key("a", "k"));
    assert!(!file.remove_key("none", "k"));
    assert!(file.remove_group("b"));
    assert_eq!(printed(&file), "[a]\nx=2\n");
}

fn text() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "[a]\n",
        "[b c]\n",
        "\n",
        "# x\n",
        "k=v\n",
        " k = v \n",
        "l=a;b\\;;\n",
        "[",
        "]",
        "=",
        "\\",
        "\r\n",
        "é",
        " ",
        "\0",
        "k[de]=x\n",
    ]);
    prop::collection::vec(token, 0..20).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_and_stays(text in text()) {
        if let Ok(file) = KeyFile::parse(text.as_bytes()) {
            let once = file.to_bytes();
            let again = KeyFile::parse(&once).unwrap();
            prop_assert_eq!(again.to_bytes(), once);
        }
    }

    #[test]
    fn any_text_survives_as_a_value(value in any::<String>(), items in prop::collection::vec(any::<String>(), 0..4)) {
        prop_assume!(!value.contains('\0') && !items.iter().any(|i| i.contains('\0')));
        let mut file = KeyFile::new();
        file.set_string("g", "k", &value).unwrap();
        file.set_string_list("g", "l", &items).unwrap();
        let file = KeyFile::parse(&file.to_bytes()).unwrap();
        prop_assert_eq!(file.string("g", "k").unwrap().unwrap(), value);
        prop_assert_eq!(file.string_list("g", "l").unwrap().unwrap(), items);
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = KeyFile::parse(&bytes);
    }
}
