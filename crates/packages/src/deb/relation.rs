//! Relations of Debian's packages: `a (>= 1) | b:any, c`.

use std::fmt;

use crate::error::PackagesError;

/// How the version of another package must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `<<`
    Earlier,
    /// `<=`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`
    LaterOrEqual,
    /// `>>`
    Later,
}

impl Comparison {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "<<" => Self::Earlier,
            // The one-letter forms are old, and mean these.
            "<=" | "<" => Self::EarlierOrEqual,
            "=" => Self::Equal,
            ">=" | ">" => Self::LaterOrEqual,
            ">>" => Self::Later,
            _ => return None,
        })
    }

    /// Returns its sign.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        }
    }
}

/// A package that a relation names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target<'a> {
    /// Its name.
    pub name: &'a str,
    /// `any`, `native` or an architecture after a colon.
    pub architecture: Option<&'a str>,
    /// How its version must be.
    pub version: Option<(Comparison, &'a str)>,
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)?;
        if let Some(architecture) = self.architecture {
            write!(formatter, ":{architecture}")?;
        }
        match self.version {
            None => Ok(()),
            Some((comparison, version)) => {
                write!(formatter, " ({} {version})", comparison.as_str())
            }
        }
    }
}

/// Parses a field: a list of which each is alternatives.
///
/// # Errors
/// [`PackagesError`] with the place in the field.
pub fn parse(field: &str) -> Result<Vec<Vec<Target<'_>>>, PackagesError> {
    let all = field.split(',').filter(|group| !group.trim().is_empty());
    all.map(|group| {
        let alternatives = group.split('|');
        alternatives.map(|text| target(field, text)).collect()
    })
    .collect()
}

fn target<'a>(field: &'a str, text: &'a str) -> Result<Target<'a>, PackagesError> {
    // Both are slices of one text.
    let place = text.as_ptr() as usize - field.as_ptr() as usize;
    let broken = |problem| PackagesError::at_byte(place, problem);
    let (name, rest) = split_name(text.trim());
    let (name, architecture) = match name.split_once(':') {
        Some((name, architecture)) => (name, Some(architecture)),
        None => (name, None),
    };
    if !is_name(name) || architecture.is_some_and(|text| !is_name(text)) {
        return Err(broken("no name of a package"));
    }
    let rest = rest.trim_start();
    let version = match rest.strip_prefix('(') {
        None if rest.is_empty() => None,
        None => return Err(broken("more than a name and a version")),
        Some(rest) => {
            let inner = rest
                .strip_suffix(')')
                .ok_or_else(|| broken("a version without its end"))?;
            let signs = inner.trim_start();
            let length = signs
                .find(|letter| !"<>=".contains(letter))
                .unwrap_or(signs.len());
            let (sign, version) = signs.split_at(length);
            // A version alone must be equal.
            let sign = if sign.is_empty() { "=" } else { sign };
            let comparison =
                Comparison::parse(sign).ok_or_else(|| broken("an unknown comparison"))?;
            let version = version.trim();
            if version.is_empty() || version.contains(char::is_whitespace) {
                return Err(broken("no version"));
            }
            Some((comparison, version))
        }
    };
    Ok(Target {
        name,
        architecture,
        version,
    })
}

fn split_name(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| letter.is_whitespace() || letter == '(');
    text.split_at(end.unwrap_or(text.len()))
}

/// Whether it may be the name of a package.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
    text.bytes().all(is_part)
        && text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_alternatives_are_read_as_they_are_written() {
        let field = "libc6 (>= 2.36), debconf (>= 0.5) | debconf-2.0,\n python3:any(<<3.12) , perl:amd64 (= 5) ,";
        let shown: Vec<String> = parse(field)
            .unwrap()
            .iter()
            .map(|group| {
                group
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" | ")
            })
            .collect();
        let expected = [
            "libc6 (>= 2.36)",
            "debconf (>= 0.5) | debconf-2.0",
            "python3:any (<< 3.12)",
            "perl:amd64 (= 5)",
        ];
        assert_eq!(shown, expected);
        assert_eq!(parse("").unwrap().len(), 0);
        assert_eq!(
            parse("a (1)").unwrap()[0][0].version,
            Some((Comparison::Equal, "1"))
        );
    }

    #[test]
    fn what_is_no_relation_is_refused() {
        for field in [
            "a |",
            "a (",
            "a (>= )",
            "a (>> 1",
            "a b",
            "-a",
            "a (~ 1)",
            "a:",
            "a (= 1 2)",
            "a/b",
            "a (=) 1)",
        ] {
            assert!(parse(field).is_err(), "{field}");
        }
    }
}
