//! Debian's control format: paragraphs of `Field: value`, separated by empty lines.

use crate::error::PackagesError;

/// Fields in a paragraph, at most.
const MAX_FIELDS: usize = 1000;

/// A paragraph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paragraph<'a> {
    fields: Vec<(&'a [u8], &'a [u8])>,
    line: usize,
}

impl<'a> Paragraph<'a> {
    /// Returns the value of a field, whose name has no case, with the lines that it goes on in; without blanks at its ends.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let mut fields = self.fields.iter();
        let is = |(field, _): &&(&[u8], &[u8])| field.eq_ignore_ascii_case(name.as_bytes());
        fields.find(is).map(|(_, value)| *value)
    }

    /// Returns the value of a field that must be UTF-8.
    ///
    /// # Errors
    /// It is not.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, PackagesError> {
        let text = self.get(name).map(std::str::from_utf8).transpose();
        text.map_err(|_| PackagesError::at_line(self.line, "a field that is no text"))
    }

    /// The line where it begins, counted from one.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }
}

/// Reads paragraphs one after the other; lines that begin with `#` are left out.
#[must_use]
pub fn paragraphs(bytes: &[u8]) -> Paragraphs<'_> {
    Paragraphs {
        rest: bytes,
        line: 0,
    }
}

/// An iterator over paragraphs.
#[derive(Clone, Debug)]
pub struct Paragraphs<'a> {
    rest: &'a [u8],
    line: usize,
}

impl<'a> Paragraphs<'a> {
    /// The next line, without its end.
    fn next_line(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.line += 1;
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let (line, rest) = match end {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        Some(line)
    }

    fn paragraph(&mut self) -> Result<Option<Paragraph<'a>>, PackagesError> {
        let mut found = Paragraph {
            fields: Vec::new(),
            line: 0,
        };
        // A value is all from its colon to where the last of its lines ends.
        let mut value = self.rest;
        loop {
            let before = self.rest;
            let Some(line) = self.next_line() else { break };
            if line.iter().all(u8::is_ascii_whitespace) {
                if found.fields.is_empty() {
                    continue;
                }
                break;
            }
            match line[0] {
                b'#' => {}
                b' ' | b'\t' => {
                    let problem = "a continued line without a field";
                    let last = found.fields.last_mut();
                    let (_, last) =
                        last.ok_or_else(|| PackagesError::at_line(self.line, problem))?;
                    *last = value[..value.len() - before.len() + line.len()].trim_ascii();
                }
                _ => {
                    let colon = line
                        .iter()
                        .position(|byte| *byte == b':')
                        .filter(|colon| *colon > 0);
                    let problem = "no field before a colon";
                    let colon = colon.ok_or_else(|| PackagesError::at_line(self.line, problem))?;
                    self.check(&mut found, &line[..colon])?;
                    value = &before[colon + 1..];
                    found
                        .fields
                        .push((&line[..colon], line[colon + 1..].trim_ascii()));
                }
            }
        }
        Ok((!found.fields.is_empty()).then_some(found))
    }

    /// Whether a field may be added.
    fn check(&self, found: &mut Paragraph<'a>, name: &[u8]) -> Result<(), PackagesError> {
        if found.fields.is_empty() {
            found.line = self.line;
        }
        let is_there = |(field, _): &(&[u8], &[u8])| field.eq_ignore_ascii_case(name);
        if found.fields.len() >= MAX_FIELDS {
            return Err(PackagesError::at_line(self.line, "too many fields"));
        }
        match found.fields.iter().any(is_there) {
            true => Err(PackagesError::at_line(
                self.line,
                "a field that is there already",
            )),
            false => Ok(()),
        }
    }
}

impl<'a> Iterator for Paragraphs<'a> {
    type Item = Result<Paragraph<'a>, PackagesError>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.paragraph().transpose();
        if let Some(Err(_)) = found {
            // What follows a broken line is not guessed at.
            self.rest = &[];
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_on_in_lines_that_begin_with_a_blank() {
        let text = b"\n\nA: 1\n# a remark: x\nB: one\n  two\n .\n\tthree \nEmpty:\n\nA:2\n";
        let all: Vec<_> = paragraphs(text).collect::<Result<_, _>>().unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].get("b"), Some(&b"one\n  two\n .\n\tthree"[..]));
        assert_eq!(
            (all[0].get("a"), all[0].get("empty")),
            (Some(&b"1"[..]), Some(&b""[..]))
        );
        assert_eq!((all[0].line(), all[1].line()), (3, 11));
        assert_eq!(all[1].text("A").unwrap(), Some("2"));
        assert_eq!(paragraphs(b" \n").count(), 0);
    }

    #[test]
    fn after_a_broken_line_nothing_is_read() {
        let all: Vec<_> = paragraphs(b"A: 1\n\nbroken\n\nB: 2\n").collect();
        assert!(all.len() == 2 && all[0].is_ok() && all[1].is_err());
    }
}
