//! The file that `--statoverride` names: modes by path.
//!
//! ```text
//! +2048 /usr/bin/su       the bits of this decimal number are added
//! 2048 /usr/bin/su        the same
//! =493 /usr/bin/tool      the mode is this decimal number; the file type stays
//! ```

use std::collections::HashMap;

use ostler_format::S_IFMT;

/// A stat override file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatOverridesError {
    /// A line without a space.
    #[error("malformed statoverride file (no space found): line {line}")]
    NoSpace {
        /// Counted from 1.
        line: usize,
    },
    /// What is before the space is no mode.
    #[error(
        "malformed statoverride file: line {line}: `{found}` is no decimal mode of at most 4095"
    )]
    Mode {
        /// Counted from 1.
        line: usize,
        /// What is there.
        found: String,
    },
}

/// Changes of modes by path: bits are added once, a mode is set wherever the path occurs.
#[derive(Clone, Debug, Default)]
pub struct StatOverrides {
    added: HashMap<String, u32>,
    set: HashMap<String, u32>,
}

impl StatOverrides {
    /// Parses the file's text.
    ///
    /// # Errors
    /// [`StatOverridesError`].
    pub fn parse(text: &str) -> Result<Self, StatOverridesError> {
        let mut overrides = Self::default();
        for (line, text) in numbered_lines(text) {
            let Some((mode, path)) = text.split_once(' ') else {
                return Err(StatOverridesError::NoSpace { line });
            };
            let (number, into) = match mode.strip_prefix('=') {
                Some(number) => (number, &mut overrides.set),
                None => (mode.strip_prefix('+').unwrap_or(mode), &mut overrides.added),
            };
            let bits = parse_mode(number).ok_or_else(|| StatOverridesError::Mode {
                line,
                found: mode.to_owned(),
            })?;
            into.insert(path.to_owned(), bits);
        }
        Ok(overrides)
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.set.is_empty()
    }

    /// Returns the mode of the entry at `path`; where bits are added and a mode is set, the addition counts.
    pub(super) fn apply(&mut self, path: &str, mode: u32) -> u32 {
        if self.is_empty() {
            mode
        } else if let Some(bits) = self.added.remove(path) {
            mode | bits
        } else if let Some(bits) = self.set.get(path) {
            (mode & S_IFMT) | *bits
        } else {
            mode
        }
    }

    /// The paths with added bits that no entry had, sorted; modes that were to be set are not missed.
    #[must_use]
    pub fn unmatched(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.added.keys().cloned().collect();
        paths.sort_unstable();
        paths
    }
}

fn parse_mode(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // Rust's parser takes a sign.
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let bits = u32::from_str_radix(digits, radix).ok()?;
    (bits <= 0o7777).then_some(bits)
}

/// Non-empty lines with their number; only LF ends a line.
fn numbered_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(text.split('\n'))
        .filter(|(_, line)| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_decimal_and_added_unless_an_equals_sign_sets_them() {
        let mut overrides = StatOverrides::parse("+2048 /a b\n\n8 /c\n=384 /d\n=0 /a b\n").unwrap();
        assert_eq!(overrides.apply("/a b", 0o100_755), 0o104_755);
        assert_eq!(overrides.apply("/c", 0o100_644), 0o100_654);
        assert_eq!(overrides.apply("/d", 0o40_755), 0o40_600);
        assert_eq!(overrides.apply("/c", 0o100_644), 0o100_644, "used up");
        assert_eq!(overrides.apply("/a b", 0o100_644), 0o100_000);
        assert_eq!(overrides.apply("/d", 0o100_755), 0o100_600, "again");
    }

    #[test]
    fn only_added_bits_are_missed() {
        let overrides = StatOverrides::parse("+8 /z\n+8 /a\n=8 /set\n").unwrap();
        assert_eq!(overrides.unmatched(), ["/a", "/z"]);
    }

    #[test]
    fn what_is_no_mode_is_refused_by_line() {
        for (text, line) in [
            ("+8 /a\n+8\n", 2),
            ("abc /a\n", 1),
            ("-1 /a\n", 1),
            ("=65535 /a\n", 1),
            ("8.5 /a\n", 1),
            ("++8 /a\n", 1),
            ("99999999999 /a\n", 1),
            (" 8 /a\n", 1),
        ] {
            let error = StatOverrides::parse(text).unwrap_err().to_string();
            assert!(error.contains(&format!("line {line}")), "{text:?}: {error}");
        }
    }
}
