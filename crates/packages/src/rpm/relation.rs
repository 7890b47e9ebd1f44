//! Relations of rpm's packages: what they need, are and replace; rich ones, `(a if b else c)`.

use std::fmt;

use super::header::Header;
use crate::error::PackagesError;

/// Kinds of relations, each with its tags of names, versions and flags.
const KINDS: [(&str, [u32; 3]); 8] = [
    ("Requires", [1049, 1050, 1048]),
    ("Provides", [1047, 1113, 1112]),
    ("Conflicts", [1054, 1055, 1053]),
    ("Obsoletes", [1090, 1115, 1114]),
    ("Recommends", [5046, 5047, 5048]),
    ("Suggests", [5049, 5050, 5051]),
    ("Supplements", [5052, 5053, 5054]),
    ("Enhances", [5055, 5056, 5057]),
];
/// How deep rich relations may be within each other.
const MAX_DEPTH: usize = 32;

/// A relation to whatever has a name, and a version if one is given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Relation {
    /// The name, a path, or a rich relation as it is written.
    pub name: String,
    /// rpm's flags: 2 earlier, 4 later, 8 equal; the rest says when it counts.
    pub flags: u32,
    /// The version; empty for any.
    pub version: String,
}

impl Relation {
    /// Returns `<`, `<=`, `=`, `>=`, `>`; empty if any version will do.
    #[must_use]
    pub fn comparison(&self) -> &'static str {
        match self.flags & 0xe {
            2 => "<",
            4 => ">",
            8 => "=",
            10 => "<=",
            12 => ">=",
            _ => "",
        }
    }

    /// Whether it is a rich relation.
    #[must_use]
    pub fn is_rich(&self) -> bool {
        self.name.starts_with('(')
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        match self.comparison() {
            "" => Ok(()),
            comparison => write!(formatter, " {comparison} {}", self.version),
        }
    }
}

/// Lists a package's relations by kind (`Requires`, `Provides`, ...), without those kinds of which there are none.
///
/// # Errors
/// [`PackagesError`] for lists that are not of one length, and for rich relations that are none.
pub fn relations(header: &Header<'_>) -> Result<Vec<(&'static str, Vec<Relation>)>, PackagesError> {
    let mut found = Vec::new();
    for (kind, tags) in KINDS {
        let list = of_tags(header, tags)?;
        for rich in list.iter().filter(|relation| relation.is_rich()) {
            parse_rich(&rich.name)?;
        }
        if !list.is_empty() {
            found.push((kind, list));
        }
    }
    Ok(found)
}

fn of_tags(
    header: &Header<'_>,
    [names, versions, flags]: [u32; 3],
) -> Result<Vec<Relation>, PackagesError> {
    let names = header.texts(names)?;
    let (versions, flags) = (header.texts(versions)?, header.numbers(flags)?);
    // Old packages provide names alone.
    let is_there = |length: usize| length == names.len() || length == 0;
    if !(is_there(versions.len()) && is_there(flags.len())) {
        return Err(PackagesError::at_byte(
            0,
            "lists of relations that are not of one length",
        ));
    }
    let relation = |(at, name): (usize, std::borrow::Cow<'_, str>)| Relation {
        name: name.into_owned(),
        flags: flags
            .get(at)
            .map_or(0, |flags| (flags & 0xffff_ffff) as u32),
        version: versions
            .get(at)
            .map_or_else(String::new, |version| version.to_string()),
    };
    Ok(names.into_iter().enumerate().map(relation).collect())
}

/// A rich relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rich {
    /// A name, with a comparison and a version or none.
    Name {
        /// The name.
        name: String,
        /// Comparison and version.
        version: Option<(String, String)>,
    },
    /// All of them, or one of them, or one package that is all of them: `and`, `or`, `with`.
    List(Word, Vec<Rich>),
    /// The first where the second holds (`if`) or does not (`unless`), else the third.
    Condition {
        /// `if` or `unless`.
        word: Word,
        /// What is wanted.
        wanted: Box<Rich>,
        /// The condition.
        condition: Box<Rich>,
        /// What is wanted otherwise.
        otherwise: Option<Box<Rich>>,
    },
    /// One package that is the first and not the second.
    Without(Box<Rich>, Box<Rich>),
}

/// What joins the parts of a rich relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// All hold.
    And,
    /// One holds.
    Or,
    /// One package is both.
    With,
    /// One package is the first and not the second.
    Without,
    /// The first, where the second holds.
    If,
    /// The first, where the second does not hold.
    Unless,
    /// What holds otherwise.
    Else,
}

impl Word {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "and" => Self::And,
            "or" => Self::Or,
            "with" => Self::With,
            "without" => Self::Without,
            "if" => Self::If,
            "unless" => Self::Unless,
            "else" => Self::Else,
            _ => return None,
        })
    }
}

/// Parses a rich relation, with its parentheses.
///
/// # Errors
/// [`PackagesError`] with the place.
pub fn parse_rich(text: &str) -> Result<Rich, PackagesError> {
    let mut parser = Parser { text, at: 0 };
    let rich = parser.rich(0)?;
    parser.skip_blanks();
    match parser.at == text.len() {
        true => Ok(rich),
        false => Err(parser.broken("more after its end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn broken(&self, problem: &'static str) -> PackagesError {
        PackagesError::at_byte(self.at, problem)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, letter: char) -> bool {
        self.skip_blanks();
        let is = self.rest().starts_with(letter);
        self.at += usize::from(is);
        is
    }

    /// Up to a blank, or a closing parenthesis that was not opened: names like `libc.so.6(GLIBC_2.4)` have their own.
    fn token(&mut self) -> &'a str {
        self.skip_blanks();
        let mut open = 0_usize;
        let end = self.rest().find(|letter: char| {
            match letter {
                '(' => open += 1,
                ')' if open == 0 => return true,
                ')' => open -= 1,
                _ => {}
            }
            letter.is_whitespace()
        });
        let rest = self.rest();
        let token = &rest[..end.unwrap_or(rest.len())];
        self.at += token.len();
        token
    }

    fn rich(&mut self, depth: usize) -> Result<Rich, PackagesError> {
        if depth >= MAX_DEPTH {
            return Err(self.broken("it is too deep"));
        }
        if !self.take('(') {
            return Err(self.broken("no opening parenthesis"));
        }
        let first = self.operand(depth)?;
        if self.take(')') {
            return Ok(first);
        }
        let word = self.word()?;
        let second = self.operand(depth)?;
        let found = match word {
            Word::If | Word::Unless => self.condition(word, [first, second], depth)?,
            Word::And | Word::Or | Word::With => {
                let mut list = vec![first, second];
                while !self.take(')') {
                    if self.word()? != word {
                        return Err(self.broken("two different words without parentheses"));
                    }
                    list.push(self.operand(depth)?);
                }
                return Ok(Rich::List(word, list));
            }
            Word::Without => Rich::Without(Box::new(first), Box::new(second)),
            Word::Else => return Err(self.broken("`else` without a condition")),
        };
        match self.take(')') {
            true => Ok(found),
            false => Err(self.broken("no closing parenthesis")),
        }
    }

    fn condition(
        &mut self,
        word: Word,
        [wanted, condition]: [Rich; 2],
        depth: usize,
    ) -> Result<Rich, PackagesError> {
        self.skip_blanks();
        let otherwise = match self.rest().starts_with(')') {
            true => None,
            false if self.word()? == Word::Else => Some(Box::new(self.operand(depth)?)),
            false => return Err(self.broken("neither `else` nor the end")),
        };
        Ok(Rich::Condition {
            word,
            wanted: Box::new(wanted),
            condition: Box::new(condition),
            otherwise,
        })
    }

    fn word(&mut self) -> Result<Word, PackagesError> {
        let token = self.token();
        Word::parse(token).ok_or_else(|| self.broken("no word that joins"))
    }

    fn operand(&mut self, depth: usize) -> Result<Rich, PackagesError> {
        self.skip_blanks();
        if self.rest().starts_with('(') {
            return self.rich(depth + 1);
        }
        let name = self.token();
        if name.is_empty() {
            return Err(self.broken("no name"));
        }
        let before = self.at;
        let version = match self.token() {
            sign @ ("<" | "<=" | "=" | ">=" | ">") => {
                let version = self.token();
                if version.is_empty() {
                    return Err(self.broken("no version"));
                }
                Some((sign.to_owned(), version.to_owned()))
            }
            _ => {
                self.at = before;
                None
            }
        };
        Ok(Rich::Name {
            name: name.to_owned(),
            version,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Rich {
        Rich::Name {
            name: text.to_owned(),
            version: None,
        }
    }

    #[test]
    fn rich_relations_are_read() {
        assert_eq!(
            parse_rich("(a and b(x)(64bit) and c)").unwrap(),
            Rich::List(Word::And, vec![name("a"), name("b(x)(64bit)"), name("c")])
        );
        let found = parse_rich("((a >= 1 or /bin/sh) if (b unless c) else d)").unwrap();
        let Rich::Condition {
            word: Word::If,
            wanted,
            condition,
            otherwise: Some(otherwise),
        } = found
        else {
            panic!("{found:?}")
        };
        let Rich::List(Word::Or, list) = *wanted else {
            panic!("{wanted:?}")
        };
        let version = Some((">=".to_owned(), "1".to_owned()));
        assert_eq!(
            list[0],
            Rich::Name {
                name: "a".to_owned(),
                version
            }
        );
        assert!(matches!(
            *condition,
            Rich::Condition {
                word: Word::Unless,
                otherwise: None,
                ..
            }
        ));
        assert_eq!(*otherwise, name("d"));
        assert!(matches!(
            parse_rich("(a without b = 2)").unwrap(),
            Rich::Without(..)
        ));
        assert_eq!(parse_rich("( a )").unwrap(), name("a"));
    }

    #[test]
    fn what_is_no_rich_relation_is_refused() {
        for text in [
            "",
            "(",
            "()",
            "(a",
            "(a b)",
            "(a and)",
            "(a and b or c)",
            "(a if b c)",
            "(a else b)",
            "(a >= )",
            "(a) b",
            "a",
        ] {
            assert!(parse_rich(text).is_err(), "{text}");
        }
        let deep = "(".repeat(100) + "a" + &")".repeat(100);
        assert!(parse_rich(&deep).is_err());
    }
}
