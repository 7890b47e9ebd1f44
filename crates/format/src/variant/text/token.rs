use super::{TextError, error};

/// Text cut into tokens: brackets and punctuation, words and numbers, quoted text, `@` with a type.
pub(super) struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Tokens<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// Where the next token begins.
    pub(super) fn position(&mut self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        let space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c');
        self.at += rest.iter().take_while(space).count();
        self.at
    }

    /// The next token; empty at the end of the text.
    pub(super) fn peek(&mut self) -> &'t str {
        let rest = &self.text[self.position()..];
        let bytes = rest.as_bytes();
        let run = |accept: fn(u8) -> bool| bytes.iter().take_while(|byte| accept(**byte)).count();
        let size = match bytes {
            [] => 0,
            [b'0'..=b'9' | b'-' | b'+' | b'.', ..] => {
                run(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.'))
            }
            [b'b', b'\'' | b'"', ..] => quoted(bytes, 1),
            [b'a'..=b'z', ..] => run(|byte| byte.is_ascii_alphanumeric()),
            [b'\'' | b'"', ..] => quoted(bytes, 0),
            [b'@', ..] => declaration(bytes),
            _ => rest.chars().next().map_or(0, char::len_utf8),
        };
        &rest[..size]
    }

    pub(super) fn advance(&mut self) {
        self.at += self.peek().len();
    }

    /// Takes the next token if it is `token`.
    pub(super) fn take(&mut self, token: &str) -> bool {
        let found = self.peek() == token;
        if found {
            self.advance();
        }
        found
    }

    /// Takes `token` or fails.
    pub(super) fn require(&mut self, token: &str) -> Result<(), TextError> {
        let at = self.position();
        match self.peek() {
            found if found == token => {
                self.advance();
                Ok(())
            }
            "" => Err(error(at, format!("`{token}` is missing"))),
            found => Err(error(at, format!("`{token}` is expected, not `{found}`"))),
        }
    }
}

/// The size of quoted text whose quote is at `open`; all of the rest if it does not end.
fn quoted(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while at < bytes.len() {
        match bytes[at] {
            byte if byte == bytes[open] => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The size of `@type`: up to a space, comma, colon or bracket that closes none of its own.
fn declaration(bytes: &[u8]) -> usize {
    let mut open = 0usize;
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        match byte {
            b'(' | b'{' => open += 1,
            b')' | b'}' if open == 0 => return at,
            b')' | b'}' => open -= 1,
            b',' | b':' | b'>' | b']' => return at,
            byte if byte.is_ascii_whitespace() => return at,
            _ => {}
        }
    }
    bytes.len()
}
