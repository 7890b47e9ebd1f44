//! Names of refs, remotes and collections, and the texts that combine them: `remote:ref`, `rev^`.
//!
//! These names become path names below `refs/`, so that a valid one never has an empty, `.` or `..` part, never starts with
//! `/`, and has no control characters.

use std::fmt;
use std::str::FromStr;

/// The reason why a text is no name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The text breaks the rule of its kind.
    #[error("Invalid {what} {}: {rule}", shorten(.text))]
    Invalid {
        /// `ref name`, `remote name`, `collection id`.
        what: &'static str,
        /// The refused text.
        text: String,
        /// The rule, in words.
        rule: &'static str,
    },
    /// The text is longer than a path may be.
    #[error("{what} of {found} bytes, at most {max} are allowed")]
    TooLong {
        /// `ref name`, `remote name`, `collection id`.
        what: &'static str,
        /// Its length in bytes.
        found: usize,
        /// The limit in bytes.
        max: usize,
    },
}

fn shorten(text: &str) -> String {
    text.chars()
        .take(120)
        .flat_map(char::escape_debug)
        .collect()
}

const FRAGMENT_MAX: usize = 255;
const REF_MAX: usize = 2048;

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// [`NameError`] if it breaks the rule of the type.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                $check(&text)?;
                Ok(Self(text))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
    };
}

name_type! {
    /// A ref name without a remote: fragments with `/` between them, each of them a letter, digit or `_`, followed by letters,
    /// digits, `_`, `-` and `.`; sorts by bytes.
    RefName, check_ref
}
name_type! {
    /// A remote's name: one fragment of a ref name.
    RemoteName, check_remote
}
name_type! {
    /// A collection id: at least two parts with `.` between them, each of ASCII letters, digits and `_`, not starting with a
    /// digit; at most 255 bytes.
    CollectionId, check_collection
}

fn check_ref(text: &str) -> Result<(), NameError> {
    let what = "ref name";
    if text.len() > REF_MAX {
        return Err(NameError::TooLong {
            what,
            found: text.len(),
            max: REF_MAX,
        });
    }
    if text.split('/').all(is_fragment) {
        return Ok(());
    }
    Err(NameError::Invalid {
        what,
        text: text.to_owned(),
        rule: "parts between slashes start with a letter, digit or `_` and go on with those, `-` or `.`",
    })
}

fn check_remote(text: &str) -> Result<(), NameError> {
    if is_fragment(text) {
        return Ok(());
    }
    Err(NameError::Invalid {
        what: "remote name",
        text: text.to_owned(),
        rule: "it starts with a letter, digit or `_` and goes on with those, `-` or `.`",
    })
}

fn check_collection(text: &str) -> Result<(), NameError> {
    let what = "collection id";
    if text.len() > FRAGMENT_MAX {
        return Err(NameError::TooLong {
            what,
            found: text.len(),
            max: FRAGMENT_MAX,
        });
    }
    let part_ok = |part: &str| {
        !part.is_empty()
            && !part.as_bytes()[0].is_ascii_digit()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if text.contains('.') && text.split('.').all(part_ok) {
        return Ok(());
    }
    Err(NameError::Invalid {
        what,
        text: text.to_owned(),
        rule: "at least two parts with dots between them, of letters, digits and `_`, none starting with a digit",
    })
}

fn is_fragment(text: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text.len() <= FRAGMENT_MAX
        && text.starts_with(word)
        && text.chars().all(|c| word(c) || matches!(c, '-' | '.'))
}

/// A ref, of this repository or of a remote: `ref` or `remote:ref`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Refspec {
    /// The remote, or `None` for a ref of this repository.
    pub remote: Option<RemoteName>,
    /// The ref.
    pub name: RefName,
}

impl Refspec {
    /// Parses `ref` or `remote:ref`.
    ///
    /// # Errors
    /// [`NameError`] of the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (remote, name) = match text.split_once(':') {
            Some((remote, name)) => (Some(RemoteName::new(remote)?), name),
            None => (None, text),
        };
        Ok(Self {
            remote,
            name: RefName::new(name)?,
        })
    }
}

impl fmt::Display for Refspec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(remote) = &self.remote {
            write!(f, "{remote}:")?;
        }
        self.name.fmt(f)
    }
}

impl FromStr for Refspec {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

/// A revision as a person writes it: a refspec, a checksum or the beginning of one, then a `^` for each step to a parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision<'a> {
    /// The text before the carets; not checked.
    pub base: &'a str,
    /// Number of carets: how many parents up.
    pub parents: usize,
}

impl<'a> Revision<'a> {
    /// Takes the carets off the end.
    pub fn parse(text: &'a str) -> Self {
        let base = text.trim_end_matches('^');
        Self {
            base,
            parents: text.len() - base.len(),
        }
    }

    /// The base if it looks like a checksum's beginning: 1 to 64 digits or letters `a` to `f`.
    ///
    /// A ref may have such a name too; 64 digits are always a checksum.
    pub fn checksum_prefix(&self) -> Option<&'a str> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        ((1..=64).contains(&self.base.len()) && self.base.bytes().all(hex)).then_some(self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ref_names_are_accepted_as_libostree_does() {
        for ok in [
            "a",
            "_a",
            "a.b",
            "a-b",
            "a..b",
            "é",
            "٣",
            "ｅ",
            "_",
            "a/b/c.d-e_f",
            "os/stable/x86_64",
        ] {
            assert!(RefName::new(ok).is_ok(), "{ok}");
        }
        for bad in [
            "", "a//b", "a/", "/a", ".a", "-a", "a/..", "a/.b", "a b", "a+b", "a@b", "a/-b",
            "a\u{301}", "a\n", "a\0", "a:b", "../a",
        ] {
            assert!(RefName::new(bad).is_err(), "{bad:?}");
        }
        assert!(RefName::new("a".repeat(256)).is_err());
        assert!(RefName::new("a/".repeat(1100) + "a").is_err());
    }

    #[test]
    fn remote_names_and_collection_ids_are_accepted_as_libostree_does() {
        for (text, ok) in [
            ("r", true),
            ("r.x", true),
            ("é", true),
            ("r/x", false),
            (".r", false),
            ("a]", false),
            ("r\"x", false),
        ] {
            assert_eq!(RemoteName::new(text).is_ok(), ok, "{text}");
        }
        for (text, ok) in [
            ("org.a", true),
            ("org.a.b1", true),
            ("_a._b", true),
            ("org", false),
            ("org.a-b", false),
            ("org.1a", false),
            (".org.a", false),
            ("org..a", false),
            ("org.a.", false),
            ("", false),
        ] {
            assert_eq!(CollectionId::new(text).is_ok(), ok, "{text}");
        }
    }

    #[test]
    fn a_refspec_splits_at_the_first_colon_and_prints_back() {
        let spec = Refspec::parse("fedora:os/39/x86_64").unwrap();
        assert_eq!(spec.remote.as_ref().unwrap().as_str(), "fedora");
        assert_eq!(spec.to_string(), "fedora:os/39/x86_64");
        assert_eq!(Refspec::parse("os/39").unwrap().remote, None);
        for bad in [":a", "a:", "a:b:c", ""] {
            assert!(Refspec::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_revision_counts_its_carets() {
        assert_eq!(
            Revision::parse("a:b^^"),
            Revision {
                base: "a:b",
                parents: 2
            }
        );
        assert_eq!(Revision::parse("abc0^").checksum_prefix(), Some("abc0"));
        assert_eq!(Revision::parse("ABC").checksum_prefix(), None);
        assert_eq!(Revision::parse("^").checksum_prefix(), None);
    }

    proptest! {
        #[test]
        fn a_valid_ref_is_a_safe_relative_path(text in "[a-c./_ \u{0}^:-]{0,12}") {
            if let Ok(name) = RefName::new(text.clone()) {
                for part in name.as_str().split('/') {
                    prop_assert!(!part.is_empty() && part != "." && part != "..");
                }
                prop_assert_eq!(Refspec::parse(&text).unwrap().to_string(), text);
            }
        }
    }
}
