//! From an entry's path to names in the tree.

use ostler_fs::MAX_DEPTH;
use regex::Regex;

use super::error::ArchiveTreeError;

/// Names from the root down; empty for the root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TreePath(Vec<Box<str>>);

impl TreePath {
    /// Takes a path as it is in an archive through the filter.
    pub(super) fn parse(
        bytes: &[u8],
        filter: Option<&PathFilter>,
    ) -> Result<Self, ArchiveTreeError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ArchiveTreeError::NotUtf8 {
            path: String::from_utf8_lossy(bytes).into_owned(),
        })?;
        let path = Self::split(text)?;
        match filter {
            None => Ok(path),
            Some(filter) => Self::split(&filter.apply(relative(text))),
        }
    }

    fn split(text: &str) -> Result<Self, ArchiveTreeError> {
        let mut names: Vec<Box<str>> = Vec::new();
        for name in text.split('/').filter(|name| !matches!(*name, "" | ".")) {
            if name == ".." {
                return Err(ArchiveTreeError::Uplink { path: text.into() });
            }
            if names.len() == MAX_DEPTH {
                return Err(ArchiveTreeError::TooDeep {
                    path: names[..4].join("/"),
                    limit: MAX_DEPTH,
                });
            }
            names.push(name.into());
        }
        Ok(Self(names))
    }

    /// The directory's names and the last one; `None` for the root.
    pub(super) fn split_last(&self) -> Option<(&[Box<str>], &str)> {
        self.0.split_last().map(|(last, parent)| (parent, &**last))
    }

    /// With a slash before it, as modifiers know it.
    pub(super) fn absolute(&self) -> String {
        format!("/{}", self.0.join("/"))
    }

    /// Without one.
    pub(super) fn text(&self) -> String {
        self.0.join("/")
    }
}

/// Without what means the root at the start.
fn relative(mut text: &str) -> &str {
    while let Some(rest) = text.strip_prefix('/').or_else(|| text.strip_prefix("./")) {
        text = rest;
    }
    text
}

/// `--tar-pathname-filter`: a regular expression, and what each match of it becomes.
///
/// The replacement has `\0` to `\99` and `\g<NAME>` for groups, `\\`, `\n` and `\t`.
#[derive(Clone, Debug)]
pub struct PathFilter {
    pattern: Regex,
    replacement: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Group(usize),
    Named(String),
}

/// A filter that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFilterError {
    /// There is no comma.
    #[error("Missing ',' in --tar-pathname-filter")]
    NoComma,
    /// What is before the comma is no regular expression.
    #[error("--tar-pathname-filter: `{pattern}`: {reason}")]
    Pattern {
        /// What is there.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What is after the comma has a backslash before something that means nothing.
    #[error("--tar-pathname-filter: unknown escape sequence in the replacement `{replacement}`")]
    Replacement {
        /// What is there.
        replacement: String,
    },
}

impl PathFilter {
    /// Parses `REGEX,REPLACEMENT`; the first comma divides them.
    ///
    /// # Errors
    /// [`PathFilterError`].
    pub fn parse(text: &str) -> Result<Self, PathFilterError> {
        let (pattern, replacement) = text.split_once(',').ok_or(PathFilterError::NoComma)?;
        let regex = Regex::new(pattern).map_err(|error| PathFilterError::Pattern {
            pattern: pattern.into(),
            reason: last_line(&error.to_string()),
        })?;
        let parts = parse_replacement(replacement).ok_or_else(|| PathFilterError::Replacement {
            replacement: replacement.into(),
        })?;
        Ok(Self {
            pattern: regex,
            replacement: parts,
        })
    }

    fn apply(&self, path: &str) -> String {
        let replace = |found: &regex::Captures<'_>| -> String {
            let part = |part: &Part| -> String {
                match part {
                    Part::Text(text) => text.clone(),
                    Part::Group(index) => found.get(*index).map_or("", |m| m.as_str()).into(),
                    Part::Named(name) => found.name(name).map_or("", |m| m.as_str()).into(),
                }
            };
            self.replacement.iter().map(part).collect()
        };
        self.pattern.replace_all(path, replace).into_owned()
    }
}

/// The regex crate draws the pattern and points at the fault before it names it.
fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

fn parse_replacement(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let first = rest.chars().next()?;
        let group = match first {
            '\\' | 'n' | 't' => {
                plain.push(match first {
                    'n' => '\n',
                    't' => '\t',
                    other => other,
                });
                rest = &rest[1..];
                continue;
            }
            '0'..='9' => {
                let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
                let index = rest[..digits].parse().ok()?;
                rest = &rest[digits..];
                Part::Group(index)
            }
            'g' => {
                let (name, after) = rest.strip_prefix("g<")?.split_once('>')?;
                rest = after;
                name.parse()
                    .map_or_else(|_| Part::Named(name.to_owned()), Part::Group)
            }
            _ => return None,
        };
        parts.push(Part::Text(std::mem::take(&mut plain)));
        parts.push(group);
    }
    plain.push_str(rest);
    parts.push(Part::Text(plain));
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Result<String, String> {
        TreePath::parse(path.as_bytes(), None)
            .map(|path| path.text())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_path_stays_within_the_tree_or_is_refused() {
        for (path, expected) in [
            ("./a/./b//c/", "a/b/c"),
            ("///a", "a"),
            (".", ""),
            ("", ""),
            ("/./", ""),
            ("...", "..."),
        ] {
            assert_eq!(names(path).unwrap(), expected, "{path}");
        }
        for path in ["..", "a/..", "/../a", "a/../../b", "./.."] {
            assert!(names(path).unwrap_err().contains("'..'"), "{path}");
        }
        assert!(TreePath::parse(b"a\xff", None).is_err());
        assert!(names(&"a/".repeat(MAX_DEPTH + 1)).is_err());
    }

    #[test]
    fn a_filter_replaces_every_match_and_cannot_lead_upwards() {
        let through = |filter: &str, path: &str| {
            let filter = PathFilter::parse(filter).unwrap();
            TreePath::parse(path.as_bytes(), Some(&filter)).map(|path| path.text())
        };
        for (filter, path, expected) in [
            ("^usr/bin/,usr/sbin/", "./usr/bin/x", "usr/sbin/x"),
            ("^usr/bin/,usr/sbin/", "usr/lib/x", "usr/lib/x"),
            ("^,foo/", "./", "foo"),
            ("^,foo/", "/a", "foo/a"),
            ("a,b,c", "a/a", "b,c/b,c"),
            (r"(b)in,\1an\g<1>", "bin/bin", "banb/banb"),
            (r"(?P<x>b),\g<x>\g<x>\0", "b", "bbb"),
            ("b,$0", "b", "$0"),
        ] {
            assert_eq!(through(filter, path).unwrap(), expected, "{filter} {path}");
        }
        assert!(through("usr,../evil", "usr/x").is_err());
        assert_eq!(
            PathFilter::parse("a").unwrap_err(),
            PathFilterError::NoComma
        );
        for filter in ["a(,b", r"a,\z", r"a,\", "(?=a),b"] {
            assert!(PathFilter::parse(filter).is_err(), "{filter}");
        }
    }
}
