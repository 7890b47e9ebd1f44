//! GRUB's environment block: variables that it keeps between boots, in a file whose size never changes.
//!
//! The block begins with a line of its own, then come lines `NAME=VALUE`, then `#` up to the end. In a value a backslash stands before a
//! backslash and before a line end. GRUB writes where the file's blocks are, without a look at its file system, so the file keeps its size; 1024
//! bytes is what `grub-editenv create` makes.

use std::fmt;

const SIGNATURE: &[u8] = b"# GRUB Environment Block\n";

/// A block that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrubEnvError {
    /// It does not begin as a block does.
    #[error("it is no environment block of GRUB")]
    NoBlock,
    /// The variables are larger than the file.
    #[error("the variables take {needed} bytes, and the block has {size}")]
    Full {
        /// What they take.
        needed: usize,
        /// What there is.
        size: usize,
    },
    /// A name that no variable has.
    #[error("`{0}` is no name of a variable")]
    Name(String),
}

/// The variables of a block, and what else it holds, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrubEnv {
    lines: Vec<Line>,
    size: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Variable { name: Vec<u8>, value: Vec<u8> },
    Other(Vec<u8>),
}

impl GrubEnv {
    /// Bytes of a block.
    pub const SIZE: usize = 1024;
    /// The most that is read of one.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Returns an empty block.
    #[must_use]
    pub fn new() -> Self {
        Self {
            lines: Vec::new(),
            size: Self::SIZE,
        }
    }

    /// Parses a block.
    ///
    /// # Errors
    /// [`GrubEnvError::NoBlock`].
    pub fn parse(block: &[u8]) -> Result<Self, GrubEnvError> {
        let mut rest = block.strip_prefix(SIGNATURE).ok_or(GrubEnvError::NoBlock)?;
        let mut lines = Vec::new();
        while !rest.is_empty() {
            let end = line_end(rest);
            let (line, after) = rest.split_at(end);
            // The padding has no line end.
            if line.iter().all(|byte| *byte == b'#') && after.is_empty() {
                break;
            }
            lines.push(parse_line(line));
            rest = after.strip_prefix(b"\n").unwrap_or(after);
        }
        Ok(Self {
            lines,
            size: block.len(),
        })
    }

    /// Returns the value of a variable.
    #[must_use]
    pub fn get(&self, wanted: &str) -> Option<String> {
        self.lines.iter().find_map(|line| match line {
            Line::Variable { name, value } if name == wanted.as_bytes() => {
                Some(String::from_utf8_lossy(value).into_owned())
            }
            _ => None,
        })
    }

    /// Sets a variable, where it stands, or behind the others.
    ///
    /// # Errors
    /// [`GrubEnvError::Name`].
    pub fn set(&mut self, wanted: &str, to: &str) -> Result<(), GrubEnvError> {
        if wanted.is_empty() || wanted.starts_with('#') || wanted.contains(['=', '\n', '\\', '\0'])
        {
            return Err(GrubEnvError::Name(wanted.to_owned()));
        }
        let to = to.as_bytes().to_vec();
        let mut found = self.lines.iter_mut().filter_map(|line| match line {
            Line::Variable { name, value } if name == wanted.as_bytes() => Some(value),
            _ => None,
        });
        match found.next() {
            Some(value) => *value = to,
            None => self.lines.push(Line::Variable {
                name: wanted.as_bytes().to_vec(),
                value: to,
            }),
        }
        Ok(())
    }

    /// Removes a variable.
    pub fn unset(&mut self, wanted: &str) {
        self.lines.retain(
            |line| !matches!(line, Line::Variable { name, .. } if name == wanted.as_bytes()),
        );
    }

    /// Returns the block, as large as it was.
    ///
    /// # Errors
    /// [`GrubEnvError::Full`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, GrubEnvError> {
        let mut block = SIGNATURE.to_vec();
        for line in &self.lines {
            match line {
                Line::Other(text) => block.extend_from_slice(text),
                Line::Variable { name, value } => {
                    block.extend_from_slice(name);
                    block.push(b'=');
                    for byte in value {
                        if matches!(byte, b'\\' | b'\n') {
                            block.push(b'\\');
                        }
                        block.push(*byte);
                    }
                }
            }
            block.push(b'\n');
        }
        if block.len() > self.size {
            return Err(GrubEnvError::Full {
                needed: block.len(),
                size: self.size,
            });
        }
        block.resize(self.size, b'#');
        Ok(block)
    }
}

impl Default for GrubEnv {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for GrubEnv {
    /// As `grub-editenv list` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            if let Line::Variable { name, value } = line {
                let (name, value) = (
                    String::from_utf8_lossy(name),
                    String::from_utf8_lossy(value),
                );
                writeln!(f, "{name}={value}")?;
            }
        }
        Ok(())
    }
}

/// Where a line ends: at a line end without a backslash before it.
fn line_end(text: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'\n' if !escaped => return at,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn parse_line(line: &[u8]) -> Line {
    let equals = line.iter().position(|byte| *byte == b'=');
    let Some(at) = equals.filter(|_| !line.starts_with(b"#")) else {
        return Line::Other(line.to_vec());
    };
    let mut value = Vec::new();
    let mut escaped = false;
    for byte in &line[at + 1..] {
        if *byte == b'\\' && !escaped {
            escaped = true;
        } else {
            value.push(*byte);
            escaped = false;
        }
    }
    Line::Variable {
        name: line[..at].to_vec(),
        value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_reads_back_and_the_size_stays() {
        let mut env = GrubEnv::new();
        env.set("a", "1").unwrap();
        env.set("b", "x\\y\nz=#").unwrap();
        env.set("c", "").unwrap();
        env.set("a", "2").unwrap();
        let block = env.to_bytes().unwrap();
        assert_eq!(block.len(), GrubEnv::SIZE);
        let read = GrubEnv::parse(&block).unwrap();
        assert_eq!(read, env);
        assert_eq!(read.get("b").as_deref(), Some("x\\y\nz=#"));
        assert_eq!(read.get("a").as_deref(), Some("2"));
        env.unset("a");
        assert_eq!(env.get("a"), None);
        assert!(env.set("x=y", "").is_err() && env.set("", "").is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut env = GrubEnv::new();
        env.set("a", &"x".repeat(1000)).unwrap();
        assert!(matches!(env.to_bytes(), Err(GrubEnvError::Full { .. })));
        assert_eq!(GrubEnv::parse(b"a=1\n"), Err(GrubEnvError::NoBlock));
    }
}
