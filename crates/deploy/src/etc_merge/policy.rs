//! What becomes of a path that both sides changed, as a person's rules say.
//!
//! A rule is a pattern and a [`Policy`]. Of the rules that match a path the last one counts; without any, the person's file is kept. In a
//! pattern `*` is any run of characters but `/`, `**` any run, `?` one character but `/`. A pattern that matches a directory matches all
//! below it. Rules decide conflicts alone: what only one side changed needs no decision.

use serde::{Deserialize, Serialize};

/// The longest pattern, in bytes; no path is longer.
const MAX_PATTERN_BYTES: usize = 4096;

/// What becomes of a path in conflict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The person's stays.
    #[default]
    Keep,
    /// The new default takes its place.
    Take,
    /// The person's stays, and the new default, if it is no directory, is laid beside it, as PATH.new.
    Both,
    /// Nothing is merged, and nothing deployed.
    Fail,
}

/// A pattern that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is no pattern of paths below /etc: {reason}")]
pub struct PatternError {
    /// As it was given.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// A pattern and what it decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pattern: String,
    policy: Policy,
}

impl Rule {
    /// Makes a rule; the pattern may begin with `/etc/`.
    ///
    /// # Errors
    /// [`PatternError`] if it is empty, leaves `/etc`, or is longer than a path.
    pub fn new(pattern: &str, policy: Policy) -> Result<Self, PatternError> {
        let refuse = |reason| PatternError {
            pattern: pattern.chars().take(80).collect(),
            reason,
        };
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(refuse("it is too long"));
        }
        let below = match pattern.strip_prefix('/') {
            Some(rest) => rest
                .strip_prefix("etc/")
                .ok_or_else(|| refuse("it does not begin with /etc/"))?,
            None => pattern,
        };
        let below = below.trim_end_matches('/');
        if below.is_empty() || below.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(refuse("a part of it is empty, or `.`, or `..`"));
        }
        Ok(Self {
            pattern: below.to_owned(),
            policy,
        })
    }
}

/// Rules, of which the last that matches counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// Makes a list of rules.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        Self(rules)
    }

    /// Returns what is decided for a path below `/etc`.
    #[must_use]
    pub fn policy(&self, path: &[u8]) -> Policy {
        let mut rules = self.0.iter().rev();
        rules
            .find(|rule| matches(rule.pattern.as_bytes(), path))
            .map_or(Policy::Keep, |rule| rule.policy)
    }
}

/// Whether a pattern matches a path or a directory above it; takes time in proportion to the product of their lengths at most.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    // Which ends of the path are reached with the pattern so far.
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    let mut rest = pattern;
    while let Some((&first, after)) = rest.split_first() {
        let deep = first == b'*' && after.first() == Some(&b'*');
        rest = if deep { &after[1..] } else { after };
        match first {
            b'*' => {
                for at in 0..path.len() {
                    reached[at + 1] |= reached[at] && (deep || path[at] != b'/');
                }
            }
            _ => {
                for at in (0..path.len()).rev() {
                    let fits = if first == b'?' {
                        path[at] != b'/'
                    } else {
                        path[at] == first
                    };
                    reached[at + 1] = reached[at] && fits;
                }
                reached[0] = false;
            }
        }
    }
    (0..=path.len()).any(|at| reached[at] && at > 0 && (at == path.len() || path[at] == b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_paths_and_all_below_them() {
        for (pattern, path, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a", "a/b/c", true),
            ("a/b", "a", false),
            ("*", "a/b", true),
            ("*.conf", "x.conf", true),
            ("*.conf", "d/x.conf", false),
            ("**.conf", "d/e/x.conf", true),
            ("**/x", "d/e/x", true),
            ("ssh/*", "ssh/sshd_config", true),
            ("ssh/*", "ssh", false),
            ("s?h/k", "ssh/k", true),
            ("s?h", "s/h", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXbY", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), path.as_bytes()),
                expected,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_time() {
        let pattern = "*a".repeat(2000);
        assert!(!matches(pattern.as_bytes(), &[b'a'; 1999]));
    }

    #[test]
    fn the_last_rule_that_matches_counts() {
        let rule = |pattern, policy| Rule::new(pattern, policy).unwrap();
        let rules = Rules::new(vec![
            rule("/etc/ssh/", Policy::Take),
            rule("ssh/keys", Policy::Fail),
            rule("**.new", Policy::Both),
        ]);
        assert_eq!(rules.policy(b"ssh/config"), Policy::Take);
        assert_eq!(rules.policy(b"ssh/keys/mine"), Policy::Fail);
        assert_eq!(rules.policy(b"ssh/keys/mine.new"), Policy::Both);
        assert_eq!(rules.policy(b"motd"), Policy::Keep);
        for wrong in ["", "/", "/usr/etc/x", "../x", "a//b"] {
            assert!(Rule::new(wrong, Policy::Keep).is_err(), "{wrong}");
        }
    }
}
