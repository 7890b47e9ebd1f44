//! Key files: the `[group]` / `key=value` text of repository configs, remotes and origins, as GLib reads and writes it.
//!
//! A [`KeyFile`] remembers comments, blank lines and order, so that reading, changing one key and writing keeps what a person
//! wrote. Repeated groups are merged into the first one, as GLib does. Writing is normalised in the same way as GLib's: no
//! blanks around `=`, one empty line between groups.

mod edit;
mod value;

#[cfg(test)]
mod tests;

use value::{parse_bool, parse_number, unescape, unescape_list};

/// The reason why bytes are no key file, or a value is not of the type that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The text is longer than [`KeyFile::MAX_BYTES`].
    #[error("key file of {found} bytes, at most {max} are read")]
    TooLarge {
        /// Bytes that were given.
        found: usize,
        /// The limit, [`KeyFile::MAX_BYTES`].
        max: usize,
    },
    /// A line is neither a comment, a group nor a `key=value` pair, or its name is not allowed.
    #[error("key file line {line}: {reason}: `{text}`")]
    Syntax {
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
        /// The line, shortened, without control characters.
        text: String,
    },
    /// A group or key name that could not be read back.
    #[error("`{name}` can't be the name of a {what} in a key file")]
    Name {
        /// `group` or `key`.
        what: &'static str,
        /// The refused name.
        name: String,
    },
    /// A raw value with a line end or NUL in it.
    #[error("the value of `{key}` in `[{group}]` has a line end or NUL in it")]
    ValueText {
        /// The group.
        group: String,
        /// The key.
        key: String,
    },
    /// A value that is not of the wanted type.
    #[error("`{key}` in `[{group}]` is `{value}`, not {expected}")]
    Value {
        /// The group.
        group: String,
        /// The key.
        key: String,
        /// The value as it stands in the file.
        value: String,
        /// What was asked for, in words with an article.
        expected: &'static str,
    },
    /// A key that must be there is not.
    #[error("no `{key}` in `[{group}]`")]
    Missing {
        /// The group.
        group: String,
        /// The key.
        key: String,
    },
}

/// A parsed key file, in the order of its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFile {
    /// Comments before the first group.
    head: Vec<Vec<u8>>,
    groups: Vec<Group>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    name: String,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    /// A comment or an empty line, as written; bytes, because nobody promised an encoding for comments.
    Comment(Vec<u8>),
    Pair {
        key: String,
        raw: String,
    },
}

impl KeyFile {
    /// The longest text that is parsed, in bytes.
    pub const MAX_BYTES: usize = 1 << 20;

    /// Makes a key file without groups.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses the text of a key file.
    ///
    /// Comments may be in any encoding, groups, keys and values must be UTF-8. Of a key that occurs twice in a group, the
    /// later one counts.
    ///
    /// # Errors
    /// [`KeyFileError::TooLarge`], or [`KeyFileError::Syntax`] with the first bad line.
    pub fn parse(text: &[u8]) -> Result<Self, KeyFileError> {
        if text.len() > Self::MAX_BYTES {
            return Err(KeyFileError::TooLarge {
                found: text.len(),
                max: Self::MAX_BYTES,
            });
        }
        let mut file = Self::new();
        let mut current = None;
        let body = text.strip_suffix(b"\n").unwrap_or(text);
        if body.is_empty() && text.is_empty() {
            return Ok(file);
        }
        for (index, line) in body.split(|b| *b == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            file.parse_line(line, &mut current)
                .map_err(|reason| KeyFileError::Syntax {
                    line: index + 1,
                    reason,
                    text: excerpt(line),
                })?;
        }
        Ok(file)
    }

    fn parse_line(&mut self, line: &[u8], current: &mut Option<usize>) -> Result<(), &'static str> {
        let trimmed = line.trim_ascii_start();
        if trimmed.is_empty() || trimmed[0] == b'#' {
            match *current {
                Some(group) => self.groups[group].lines.push(Line::Comment(line.to_vec())),
                None => self.head.push(line.to_vec()),
            }
            return Ok(());
        }
        let trimmed = std::str::from_utf8(trimmed).map_err(|_| "not UTF-8")?;
        if trimmed.contains('\0') {
            return Err("NUL byte");
        }
        if let Some(rest) = trimmed.strip_prefix('[')
            && let Some((name, after)) = rest.split_once(']')
            && after.trim_matches([' ', '\t']).is_empty()
        {
            if !is_group_name(name) {
                return Err("invalid group name");
            }
            *current = Some(self.group_index(name));
            return Ok(());
        }
        let (key, raw) = trimmed
            .split_once('=')
            .ok_or("neither a key-value pair, a group nor a comment")?;
        let group = current.ok_or("a key before the first group")?;
        let key = key.trim_ascii_end();
        if !is_key_name(key) {
            return Err("invalid key name");
        }
        self.groups[group].lines.push(Line::Pair {
            key: key.to_owned(),
            raw: raw.trim_ascii_start().to_owned(),
        });
        Ok(())
    }

    /// Writes the text as GLib does: groups apart by an empty line, `key=value` without blanks, comments where they were.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for line in &self.head {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
        for group in &self.groups {
            if out.len() >= 2 && out[out.len() - 2] != b'\n' {
                out.push(b'\n');
            }
            out.push(b'[');
            out.extend_from_slice(group.name.as_bytes());
            out.extend_from_slice(b"]\n");
            for line in &group.lines {
                match line {
                    Line::Comment(text) => out.extend_from_slice(text),
                    Line::Pair { key, raw } => {
                        out.extend_from_slice(key.as_bytes());
                        out.push(b'=');
                        out.extend_from_slice(raw.as_bytes());
                    }
                }
                out.push(b'\n');
            }
        }
        out
    }

    /// Names of the groups, in the order of the file.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|group| group.name.as_str())
    }

    /// Says whether there is such a group, even an empty one.
    pub fn has_group(&self, group: &str) -> bool {
        self.group(group).is_some()
    }

    /// Keys of a group in the order of the file, each once; none if there is no such group.
    pub fn keys(&self, group: &str) -> Vec<&str> {
        let mut keys: Vec<&str> = Vec::new();
        for line in self.group(group).map_or(&[][..], |g| &g.lines) {
            if let Line::Pair { key, .. } = line
                && !keys.contains(&key.as_str())
            {
                keys.push(key);
            }
        }
        keys
    }

    /// The value as it stands in the file: escapes not resolved, trailing blanks kept.
    pub fn raw(&self, group: &str, key: &str) -> Option<&str> {
        self.group(group)?
            .lines
            .iter()
            .rev()
            .find_map(|line| match line {
                Line::Pair { key: k, raw } if k == key => Some(raw.as_str()),
                _ => None,
            })
    }

    /// The value with `\s`, `\n`, `\t`, `\r` and `\\` resolved, or `None` without such a key.
    ///
    /// # Errors
    /// [`KeyFileError::Value`] on another escape.
    pub fn string(&self, group: &str, key: &str) -> Result<Option<String>, KeyFileError> {
        self.typed(group, key, "text with valid escapes", unescape)
    }

    /// The value split at every `;` that has no backslash before it; a last empty piece does not count.
    ///
    /// # Errors
    /// [`KeyFileError::Value`] on an unknown escape.
    pub fn string_list(&self, group: &str, key: &str) -> Result<Option<Vec<String>>, KeyFileError> {
        self.typed(group, key, "a list with valid escapes", unescape_list)
    }

    /// The value as a boolean: `true` or `1`, `false` or `0`.
    ///
    /// # Errors
    /// [`KeyFileError::Value`] on anything else.
    pub fn boolean(&self, group: &str, key: &str) -> Result<Option<bool>, KeyFileError> {
        self.typed(group, key, "a boolean (true, false, 1 or 0)", parse_bool)
    }

    /// The value as a decimal number with an optional sign.
    ///
    /// # Errors
    /// [`KeyFileError::Value`] if it is none or doesn't fit.
    pub fn integer(&self, group: &str, key: &str) -> Result<Option<i64>, KeyFileError> {
        self.typed(group, key, "a whole number", parse_number)
    }

    /// The value as a decimal number without a sign.
    ///
    /// # Errors
    /// [`KeyFileError::Value`] if it is none or doesn't fit.
    pub fn unsigned(&self, group: &str, key: &str) -> Result<Option<u64>, KeyFileError> {
        self.typed(group, key, "a whole number of at least 0", parse_number)
    }

    fn typed<T>(
        &self,
        group: &str,
        key: &str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, KeyFileError> {
        let Some(raw) = self.raw(group, key) else {
            return Ok(None);
        };
        match parse(raw) {
            Some(value) => Ok(Some(value)),
            None => Err(KeyFileError::Value {
                group: group.to_owned(),
                key: key.to_owned(),
                value: excerpt(raw.as_bytes()),
                expected,
            }),
        }
    }

    fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|g| g.name == name)
    }

    fn group_index(&mut self, name: &str) -> usize {
        if let Some(index) = self.groups.iter().position(|g| g.name == name) {
            return index;
        }
        self.groups.push(Group {
            name: name.to_owned(),
            lines: Vec::new(),
        });
        self.groups.len() - 1
    }
}

fn is_group_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == '[' || c == ']' || c.is_ascii_control())
}

/// GLib's rule: no `=`, brackets only around a locale at the end, no blank first or last.
fn is_key_name(key: &str) -> bool {
    let (name, locale) = match key.find('[') {
        Some(at) => (&key[..at], Some(&key[at + 1..])),
        None => (key, None),
    };
    let locale_ok = locale.is_none_or(|rest| {
        rest.strip_suffix(']').is_some_and(|inner| {
            inner
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@'))
        })
    });
    locale_ok
        && !name.is_empty()
        && !name.contains(['=', ']', '\n', '\r', '\0'])
        && !name.starts_with(' ')
        && !name.ends_with(' ')
}

/// At most 80 characters of hostile text, fit for an error message.
fn excerpt(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(400)])
        .chars()
        .filter(|c| !c.is_control())
        .take(80)
        .collect()
}
