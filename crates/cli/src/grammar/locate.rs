//! The search for the verb: options may stand before it.

use std::ffi::OsString;

use super::tree::{Group, Node, VerbEntry};

/// Options that may stand before a verb with their value as the next argument.
const LEADING_WITH_VALUE: &[&str] = &["--repo", "--sysroot", "--os", "--stateroot"];

/// What the arguments name.
pub(super) enum Found {
    /// A verb; `arguments` are those before and after it.
    Verb {
        entry: &'static VerbEntry,
        path: String,
        arguments: Vec<OsString>,
    },
    /// A group without a verb.
    Group {
        group: &'static Group,
        path: String,
        arguments: Vec<OsString>,
    },
    /// A word that is no verb of `group`.
    Unknown {
        group: &'static Group,
        path: String,
        name: String,
        arguments: Vec<OsString>,
    },
}

/// Finds the verb that `arguments` name, beginning at `group`.
///
/// The first argument that is no option is the verb, as `ostree` has it; options before it belong to the verb.
pub(super) fn locate(group: &'static Group, path: &str, mut arguments: Vec<OsString>) -> Found {
    let path = path.to_owned();
    let Some(at) = first_operand(&arguments) else {
        return Found::Group {
            group,
            path,
            arguments,
        };
    };
    let name = arguments.remove(at).to_string_lossy().into_owned();
    // `--` before the verb has done its work.
    if at > 0 && arguments[at - 1] == "--" {
        arguments.remove(at - 1);
    }
    match group.nodes().find(|node| node.is_called(&name)) {
        None => Found::Unknown {
            group,
            path,
            name,
            arguments,
        },
        Some(Node::Group(inner)) => locate(inner, &format!("{path} {name}"), arguments),
        Some(Node::Verb(entry)) => Found::Verb {
            entry,
            path: format!("{path} {name}"),
            arguments,
        },
    }
}

fn first_operand(arguments: &[OsString]) -> Option<usize> {
    let mut at = 0;
    while let Some(argument) = arguments.get(at) {
        let bytes = argument.as_encoded_bytes();
        if bytes == b"--" {
            return (at + 1 < arguments.len()).then_some(at + 1);
        }
        if bytes.first() != Some(&b'-') {
            return Some(at);
        }
        at += if LEADING_WITH_VALUE.iter().any(|option| argument == option) {
            2
        } else {
            1
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;
    use crate::exit::Exit;
    use crate::grammar::{Section, Verb, verb};

    #[derive(clap::Args)]
    struct Refs {}

    impl Verb for Refs {
        const NAME: &'static str = "refs";
        const ABOUT: &'static str = "";
        fn run(self, _: &Context) -> anyhow::Result<Exit> {
            Ok(Exit::Done)
        }
    }

    const VERBS: &[Section] = &[Section {
        heading: "",
        nodes: &[verb::<Refs>()],
    }];
    static REMOTE: Group = Group {
        name: "remote",
        about: "",
        operands: "",
        sections: VERBS,
        without_verb: None,
    };
    static ROOT: Group = Group {
        name: "ostler",
        about: "",
        operands: "",
        sections: &[
            Section {
                heading: "",
                nodes: &[verb::<Refs>()],
            },
            Section {
                heading: "",
                nodes: &[Node::Group(&REMOTE)],
            },
        ],
        without_verb: None,
    };

    fn found(line: &str) -> (String, String) {
        let arguments = line.split_whitespace().map(OsString::from).collect();
        let (path, rest) = match locate(&ROOT, "ostler", arguments) {
            Found::Verb {
                path, arguments, ..
            } => (path, arguments),
            Found::Group {
                path, arguments, ..
            } => (format!("group {path}"), arguments),
            Found::Unknown {
                path,
                name,
                arguments,
                ..
            } => (format!("unknown {name} in {path}"), arguments),
        };
        let rest: Vec<_> = rest.iter().map(|a| a.to_string_lossy()).collect();
        (path, rest.join(" "))
    }

    #[test]
    fn options_before_a_verb_belong_to_the_verb() {
        for (line, path, rest) in [
            ("--repo=R refs", "ostler refs", "--repo=R"),
            ("--repo R refs --list", "ostler refs", "--repo R --list"),
            (
                "-v --repo=R remote --repo=S refs x y",
                "ostler remote refs",
                "-v --repo=R --repo=S x y",
            ),
            (
                "remote refs --repo=R x y",
                "ostler remote refs",
                "--repo=R x y",
            ),
            ("--repo=R -- refs -- x", "ostler refs", "--repo=R -- x"),
            (
                "--repo=R nosuch -x",
                "unknown nosuch in ostler",
                "--repo=R -x",
            ),
            ("remote --repo=R", "group ostler remote", "--repo=R"),
            ("--help", "group ostler", "--help"),
            ("", "group ostler", ""),
        ] {
            assert_eq!(found(line), (path.to_owned(), rest.to_owned()), "{line}");
        }
    }
}
