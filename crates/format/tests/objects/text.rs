use ostler_format::{Annotate, Type, Value};

/// Text, type, bytes in hex, printed with types, printed without; or text and `error`. Made by GLib 2.74.
const GLIB: &str = include_str!("text.tsv");

#[test]
fn text_reads_and_prints_as_glib_has_it() {
    let mut read = 0;
    for line in GLIB.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let found = Value::parse_text(None, columns[0]);
        match columns[..] {
            [text, "error"] => assert!(found.is_err(), "{text} is no error but {found:?}"),
            [text, ty, hex, annotated, bare] => {
                let value = found.unwrap_or_else(|error| panic!("{text}: {error}"));
                let bytes = value.to_bytes().unwrap();
                let written: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(
                    (value.ty().to_string().as_str(), written.as_str()),
                    (ty, hex),
                    "{text}"
                );
                assert_eq!(value.print(Annotate::Types), annotated, "{text}");
                assert_eq!(value.print(Annotate::Nothing), bare, "{text}");
                assert_eq!(Value::parse(&value.ty(), &bytes).unwrap(), value, "{text}");
                read += 1;
            }
            _ => panic!("{line}"),
        }
    }
    assert!(read > 80, "{read}");
}

#[test]
fn a_given_type_decides_what_the_text_leaves_open() {
    let cases = [
        ("u", "5", Some("uint32 5")),
        ("u", "int32 5", Some("uint32 5")),
        ("mu", "5", Some("@mu 5")),
        ("mms", "'x'", Some("@mms 'x'")),
        ("o", "'/x'", Some("objectpath '/x'")),
        ("o", "'x'", None),
        ("g", "'a{vs}'", None),
        ("ay", "[1, 2]", Some("[byte 0x01, 0x02]")),
        ("ay", "b'x'", Some("b'x'")),
        ("as", "[]", Some("@as []")),
        ("a{su}", "{}", Some("@a{su} {}")),
        ("d", "5", Some("5.0")),
        ("d", "0x1.8p3", Some("12.0")),
        ("y", "256", None),
        ("i", "2147483648", None),
        ("n", "-32769", None),
        ("t", "-1", None),
        ("s", "5", None),
        ("(us)", "(1, 'x', 2)", None),
    ];
    for (ty, text, expected) in cases {
        let value = Value::parse_text(Some(&Type::parse(ty).unwrap()), text);
        assert_eq!(
            value
                .ok()
                .map(|value| value.print(Annotate::Types))
                .as_deref(),
            expected,
            "{ty} {text}"
        );
    }
}

#[test]
fn text_never_makes_a_string_with_nul_in_it() {
    for text in ["'\0'", "'\\\0'", "'\\u0000'", "'\\U00000000'"] {
        assert!(Value::parse_text(None, text).is_err(), "{text:?}");
    }
}

#[test]
fn deep_text_is_refused_and_does_not_overflow_the_stack() {
    for (open, close) in [
        ("[", "]"),
        ("(", ",)"),
        ("<", ">"),
        ("{1:", "}"),
        ("just ", ""),
        ("int32 ", ""),
    ] {
        let text = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        assert!(
            Value::parse_text(None, &text)
                .unwrap_err()
                .problem
                .contains("deeper"),
            "{open}"
        );
    }
    let ty = "a".repeat(100_000) + "i";
    assert!(Type::parse(&ty).is_err());
    assert!(Value::parse_text(None, &format!("@{ty} []")).is_err());
}
