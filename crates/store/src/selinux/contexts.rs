//! `file_contexts`: lines of a regular expression over paths, a file type if only one is meant, and a label.

use std::collections::HashMap;
use std::sync::OnceLock;

use ostler_format::{S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};
use regex::bytes::{Regex, RegexBuilder};

/// The label that says that a file has none.
const NONE: &str = "<<none>>";
/// Memory of one compiled expression, at most.
const MAX_EXPRESSION: usize = 1 << 20;
/// The longest label: an xattr's value, with the NUL that follows it.
const MAX_LABEL: usize = 65535;
/// What has a meaning in an expression beside the backslash.
const META: [char; 10] = ['.', '^', '$', '?', '*', '+', '|', '[', '(', '{'];

/// A line that cannot be used.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}, `{text}`: {problem}")]
pub struct ContextsError {
    /// Which line, from 1.
    pub line: usize,
    /// What it says.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Patterns of paths and what they are labelled.
#[derive(Debug, Default)]
pub(super) struct FileContexts {
    rules: Vec<Rule>,
    /// The rules without wildcards by their path, in the order of their lines.
    exact: HashMap<String, Vec<usize>>,
    /// The rules with wildcards by the first directory of all paths that they match, in the order of their lines; those of
    /// no one directory are under the empty string.
    patterns: HashMap<String, Vec<usize>>,
}

#[derive(Debug)]
struct Rule {
    line: usize,
    expression: String,
    /// What every path that it matches begins with.
    prefix: String,
    /// The type of file that it is for; `None` for all.
    file_type: Option<u32>,
    /// `None` if such a file has no label.
    label: Option<String>,
    compiled: OnceLock<Result<Regex, String>>,
}

impl FileContexts {
    /// Adds the lines of one file; they come before those of earlier files.
    ///
    /// # Errors
    /// [`ContextsError`] for a line of another form. Expressions are compiled when a path begins as they do.
    pub(super) fn add(&mut self, text: &str) -> Result<(), ContextsError> {
        for (index, text) in text.lines().enumerate() {
            let Some(rule) = Rule::parse(index + 1, text)? else {
                continue;
            };
            let number = self.rules.len();
            match literal(&rule.expression) {
                Some(path) => self.exact.entry(path).or_default().push(number),
                None => {
                    let stem = stem(&rule.prefix).unwrap_or_default().to_owned();
                    self.patterns.entry(stem).or_default().push(number);
                }
            }
            self.rules.push(rule);
        }
        Ok(())
    }

    /// The label of a file of that `st_mode` at an absolute path; `None` if it has none.
    ///
    /// # Errors
    /// [`ContextsError`] for an expression that does not compile.
    pub(super) fn label(&self, path: &str, mode: u32) -> Result<Option<&str>, ContextsError> {
        let exact = self.exact.get(path).map(Vec::as_slice).unwrap_or_default();
        for number in exact.iter().rev() {
            let rule = &self.rules[*number];
            if rule.is_for(mode) {
                return Ok(rule.label.as_deref());
            }
        }
        for number in self.candidates(path) {
            let rule = &self.rules[number];
            if rule.is_for(mode) && path.starts_with(&rule.prefix) && rule.matches(path)? {
                return Ok(rule.label.as_deref());
            }
        }
        Ok(None)
    }

    /// The rules with wildcards that may match, the last line first.
    fn candidates(&self, path: &str) -> impl Iterator<Item = usize> {
        let under = |stem: &str| {
            let rules = self.patterns.get(stem).map(Vec::as_slice);
            rules.unwrap_or_default().iter().rev().copied().peekable()
        };
        let mut anywhere = under("");
        let mut here = under(stem(path).unwrap_or("/"));
        std::iter::from_fn(move || match (anywhere.peek(), here.peek()) {
            (Some(a), Some(b)) if a > b => anywhere.next(),
            (_, Some(_)) => here.next(),
            (_, None) => anywhere.next(),
        })
    }
}

impl Rule {
    fn parse(line: usize, text: &str) -> Result<Option<Self>, ContextsError> {
        let bad = |problem: &str| ContextsError {
            line,
            text: text.chars().take(200).collect(),
            problem: problem.to_owned(),
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (expression, file_type, label) = match words[..] {
            [] => return Ok(None),
            [first, ..] if first.starts_with('#') => return Ok(None),
            [expression, label] => (expression, None, label),
            [expression, kind, label] => {
                let file_type = file_type(kind)
                    .ok_or_else(|| bad(&format!("`{kind}` is not a type of file")))?;
                (expression, Some(file_type), label)
            }
            _ => return Err(bad("it has not two or three words")),
        };
        if label.len() > MAX_LABEL || label.contains('\0') {
            return Err(bad("its label cannot be one"));
        }
        Ok(Some(Self {
            line,
            prefix: prefix(expression),
            expression: expression.to_owned(),
            file_type,
            label: (label != NONE).then(|| label.to_owned()),
            compiled: OnceLock::new(),
        }))
    }

    fn is_for(&self, mode: u32) -> bool {
        self.file_type.is_none_or(|kind| kind == mode & S_IFMT)
    }

    fn matches(&self, path: &str) -> Result<bool, ContextsError> {
        let compiled = self.compiled.get_or_init(|| {
            // As libselinux anchors them: an alternative at the top is bound at one end only.
            RegexBuilder::new(&format!("^{}$", self.expression))
                .dot_matches_new_line(true)
                .unicode(false)
                .size_limit(MAX_EXPRESSION)
                .build()
                .map_err(|error| error.to_string())
        });
        match compiled {
            Ok(regex) => Ok(regex.is_match(path.as_bytes())),
            Err(problem) => Err(ContextsError {
                line: self.line,
                text: self.expression.clone(),
                problem: problem.clone(),
            }),
        }
    }
}

fn file_type(word: &str) -> Option<u32> {
    Some(match word {
        "--" => S_IFREG,
        "-d" => S_IFDIR,
        "-l" => S_IFLNK,
        "-b" => 0o060_000,
        "-c" => 0o020_000,
        "-p" => 0o010_000,
        "-s" => 0o140_000,
        _ => return None,
    })
}

/// The first directory of a path that has a second slash, `/usr` of `/usr/`.
fn stem(path: &str) -> Option<&str> {
    let end = path.strip_prefix('/')?.find('/')?;
    Some(&path[..=end])
}

/// The one path that an expression without wildcards matches.
fn literal(expression: &str) -> Option<String> {
    let path = prefix(expression);
    let backslashes = expression.matches('\\').count();
    (path.len() + backslashes == expression.len()).then_some(path)
}

/// The plain characters that an expression begins with.
fn prefix(expression: &str) -> String {
    let mut prefix = String::new();
    // With alternatives there may be several beginnings.
    if expression.contains('|') && has_alternatives(expression) {
        return prefix;
    }
    let mut rest = expression.chars();
    while let Some(next) = rest.next() {
        match next {
            '?' | '*' | '{' => {
                prefix.pop();
                break;
            }
            // `\d` and the like stand for many characters; a backslash before punctuation only for that one.
            '\\' => match rest.next() {
                Some(escaped) if escaped.is_ascii_punctuation() => prefix.push(escaped),
                _ => break,
            },
            next if META.contains(&next) => break,
            plain => prefix.push(plain),
        }
    }
    prefix
}

/// Whether there is a `|` outside all groups.
fn has_alternatives(expression: &str) -> bool {
    let mut depth = 0_usize;
    let mut in_class = false;
    let mut chars = expression.chars();
    while let Some(next) = chars.next() {
        match next {
            '\\' => drop(chars.next()),
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => depth += 1,
            ')' if !in_class => depth = depth.saturating_sub(1),
            '|' if !in_class && depth == 0 => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contexts(text: &str) -> FileContexts {
        let mut contexts = FileContexts::default();
        contexts.add(text).unwrap();
        contexts
    }

    #[test]
    fn the_last_pattern_that_matches_counts_and_a_plain_path_before_all() {
        let contexts = contexts(
            "/usr/bin/passwd  --  exact\n/usr/bin/x\\.y dot\n# comment\n\n/.* any\n/usr(/.*)? usr\n/usr/bin/.* -l link\n\
             /usr/bin/p.* p\n/q/ab*  -- star\n/none <<none>>\n",
        );
        let label = |path, mode| contexts.label(path, mode).unwrap();
        assert_eq!(label("/usr/bin/passwd", S_IFREG | 0o755), Some("exact"));
        assert_eq!(label("/usr/bin/passwd", S_IFLNK | 0o777), Some("p"));
        assert_eq!(label("/usr/bin/x.y", S_IFDIR), Some("dot"));
        assert_eq!(label("/usr/bin/x-y", S_IFLNK), Some("link"));
        assert_eq!(label("/usr/bin/xzy", S_IFREG), Some("usr"));
        assert_eq!(label("/usr", S_IFDIR), Some("usr"));
        assert_eq!(label("/usrx", S_IFDIR), Some("any"));
        assert_eq!(label("/q/a", S_IFREG), Some("star"));
        assert_eq!(label("/none", S_IFREG), None);
    }

    #[test]
    fn a_pattern_is_bound_at_both_ends_and_an_alternative_at_one() {
        let contexts = contexts("/q/a|/q/b alt\n/c/(x|y)+z group\n");
        let label = |path| contexts.label(path, S_IFREG).unwrap();
        assert_eq!(label("/q/ab"), Some("alt"));
        assert_eq!(label("/z/q/b"), Some("alt"));
        assert_eq!(label("/q/b/q"), None);
        assert_eq!(label("/c/xyz"), Some("group"));
        assert_eq!(label("/c/xyzz"), None);
    }

    #[test]
    fn bad_lines_are_named() {
        let mut bad = FileContexts::default();
        let error = bad.add("/a b\n/a -q label\n").unwrap_err();
        assert_eq!((error.line, error.text.as_str()), (2, "/a -q label"));
        let broken = contexts("/usr/[ label\n");
        assert_eq!(broken.label("/etc", S_IFDIR), Ok(None));
        assert_eq!(broken.label("/usr/x", S_IFDIR).unwrap_err().line, 1);
    }

    #[test]
    fn prefixes_hold_no_character_that_may_be_absent() {
        for (expression, expected) in [
            ("/ab?c", "/a"),
            ("/ab*", "/a"),
            ("/ab{2}", "/a"),
            ("/ab+", "/ab"),
            ("/a\\.b.*", "/a.b"),
            ("/a\\d", "/a"),
            ("/a(/.*)?", "/a"),
            ("/a|/b", ""),
            ("/a[|]b", "/a"),
        ] {
            assert_eq!(prefix(expression), expected, "{expression}");
        }
        assert_eq!(literal("/a\\.b").as_deref(), Some("/a.b"));
        assert_eq!(literal("/a\\db"), None);
        assert_eq!(literal("/a+"), None);
    }
}
