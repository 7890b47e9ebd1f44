//! Lines of tmpfiles.d, which make at boot what no tree can have. Pure.

use std::collections::BTreeMap;

/// What is made at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// A directory.
    Directory {
        mode: u32,
        user: String,
        group: String,
    },
    /// A copy of what the tree has at the same path in `/usr/share/factory`.
    Copy {
        mode: u32,
        user: String,
        group: String,
    },
    /// A symlink.
    Symlink { target: String },
    /// A named pipe.
    Fifo {
        mode: u32,
        user: String,
        group: String,
    },
}

/// Lines by path: the same package gives the same text.
#[derive(Debug, Default)]
pub(super) struct Tmpfiles {
    lines: BTreeMap<String, Made>,
}

impl Tmpfiles {
    /// Adds what is made at an absolute path.
    pub(super) fn add(&mut self, path: String, made: Made) {
        self.lines.insert(path, made);
    }

    /// The text of the file; `None` if nothing is made.
    pub(super) fn text(&self) -> Option<String> {
        let line = |(path, made): (&String, &Made)| {
            let word = quoted(path);
            let owned = |letter: char, mode: u32, user: &str, group: &str, argument: &str| {
                format!(
                    "{letter} {word} {mode:04o} {} {} - {argument}\n",
                    quoted(user),
                    quoted(group)
                )
            };
            match made {
                Made::Directory { mode, user, group } => owned('d', *mode, user, group, "-"),
                Made::Fifo { mode, user, group } => owned('p', *mode, user, group, "-"),
                Made::Copy { mode, user, group } => {
                    let from = argument(&format!("/usr/share/factory{path}"));
                    owned('C', *mode, user, group, &from)
                }
                Made::Symlink { target } => format!("L {word} - - - - {}\n", argument(target)),
            }
        };
        let text: String = self.lines.iter().map(line).collect();
        (!text.is_empty()).then_some(text)
    }
}

/// A word: in quotes where it has blanks; percent signs, which begin specifiers, twice.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    let text = text.replace('%', "%%");
    match text.bytes().all(is_plain) && !text.is_empty() {
        true => text,
        false => format!("\"{}\"", escaped(&text, |byte| byte == b'"')),
    }
}

/// The last field goes to the end of its line, and only backslashes and what would end the line are escaped.
fn argument(text: &str) -> String {
    escaped(&text.replace('%', "%%"), |_| false)
}

fn escaped(text: &str, more: impl Fn(u8) -> bool) -> String {
    let mut out = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend(b"\\\\"),
            byte if byte.is_ascii_control() => out.extend(format!("\\x{byte:02x}").bytes()),
            byte if more(byte) => out.extend([b'\\', byte]),
            byte => out.push(byte),
        }
    }
    // Only ASCII was added, between whole characters.
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_in_the_order_of_paths_and_hostile_names_stay_in_theirs() {
        let mut lines = Tmpfiles::default();
        assert_eq!(lines.text(), None);
        let root = || "root".to_owned();
        lines.add(
            "/var/lib/x".to_owned(),
            Made::Directory {
                mode: 0o1750,
                user: root(),
                group: "adm".to_owned(),
            },
        );
        lines.add(
            "/var/a b%c\n\"d".to_owned(),
            Made::Copy {
                mode: 0o644,
                user: root(),
                group: root(),
            },
        );
        lines.add(
            "/var/opt/x".to_owned(),
            Made::Symlink {
                target: "../../usr/lib/opt/x".to_owned(),
            },
        );
        let text = lines.text().unwrap();
        let expected = [
            r#"C "/var/a b%%c\x0a\"d" 0644 root root - /usr/share/factory/var/a b%%c\x0a"d"#,
            "d /var/lib/x 1750 root adm - -",
            "L /var/opt/x - - - - ../../usr/lib/opt/x",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
}
