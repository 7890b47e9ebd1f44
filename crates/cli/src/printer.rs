//! The one way to the terminal: data to stdout, words for people to stderr.
//!
//! What a repository, a server or a file says may be in any of it. On a terminal control characters are shown, not obeyed.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// Writes a verb's output. Colours appear only on a terminal and never with `NO_COLOR`.
pub(crate) struct Printer {
    out: RefCell<BufWriter<Stdout>>,
    out_is_terminal: bool,
    out_has_colour: bool,
    quiet: Cell<bool>,
    verbose: Cell<bool>,
}

impl Printer {
    /// Returns a printer on the process's stdout and stderr.
    pub(crate) fn new() -> Self {
        let stdout = io::stdout();
        Self {
            out_is_terminal: stdout.is_terminal(),
            out_has_colour: AutoStream::choice(&stdout) != ColorChoice::Never,
            out: RefCell::new(BufWriter::with_capacity(64 << 10, stdout)),
            quiet: Cell::new(false),
            verbose: Cell::new(false),
        }
    }

    /// Silences notes and progress; errors and data stay.
    pub(crate) fn set_quiet(&self, quiet: bool) {
        self.quiet.set(quiet);
    }

    /// Whether notes and progress are silenced.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet.get()
    }

    /// Says whether details are asked for.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose.get()
    }

    /// Lets [`Printer::debug`] speak, and verbs tell details.
    pub(crate) fn set_verbose(&self, verbose: bool) {
        self.verbose.set(verbose);
    }

    /// Whether a person reads stdout directly.
    pub(crate) fn out_is_terminal(&self) -> bool {
        self.out_is_terminal
    }

    /// Writes one line of data.
    ///
    /// # Errors
    /// Those of writing to stdout.
    pub(crate) fn line(&self, text: impl Display) -> io::Result<()> {
        let mut out = self.out.borrow_mut();
        if self.out_is_terminal {
            writeln!(out, "{}", harmless(&text.to_string()))?;
            out.flush()
        } else {
            writeln!(out, "{text}")
        }
    }

    /// Writes data of several lines, without another line end.
    ///
    /// # Errors
    /// Those of writing to stdout.
    pub(crate) fn text(&self, text: &str) -> io::Result<()> {
        match self.out_is_terminal {
            true => self.bytes(harmless(text).as_bytes()),
            false => self.bytes(text.as_bytes()),
        }
    }

    /// Writes data as it is, without a line end.
    ///
    /// # Errors
    /// Those of writing to stdout.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        self.out.borrow_mut().write_all(bytes)
    }

    /// Runs `write` on the buffered stdout.
    ///
    /// # Errors
    /// Those of `write`.
    pub(crate) fn with_out<T>(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<T>,
    ) -> io::Result<T> {
        write(&mut *self.out.borrow_mut())
    }

    /// Styles data that goes to stdout, if stdout shows colours.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        if self.out_has_colour {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    /// Tells a person something that is neither data nor trouble.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.is_quiet() {
            self.to_stderr(format_args!("{text}"));
        }
    }

    /// Tells a person of trouble that did not stop the work.
    pub(crate) fn warning(&self, text: impl Display) {
        let style = AnsiColor::Yellow.on_default().bold();
        self.to_stderr(format_args!("{style}warning:{style:#} {text}"));
    }

    /// Tells what the program does, with `--verbose`.
    pub(crate) fn debug(&self, text: impl Display) {
        if self.verbose.get() {
            let style = Style::new().dimmed();
            self.to_stderr(format_args!("{style}debug: {text}{style:#}"));
        }
    }

    /// Prints the error line that ends a run.
    pub(crate) fn error(&self, text: impl Display) {
        let style = AnsiColor::Red.on_default().bold();
        self.to_stderr(format_args!("{style}error:{style:#} {text}"));
    }

    /// Prints the way out, after an error.
    pub(crate) fn hint(&self, text: impl Display) {
        let style = AnsiColor::Cyan.on_default().bold();
        self.to_stderr(format_args!("{style}hint:{style:#} {text}"));
    }

    /// Hands buffered data over to the system.
    ///
    /// # Errors
    /// Those of writing to stdout.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.out.borrow_mut().flush()
    }

    fn to_stderr(&self, text: std::fmt::Arguments<'_>) {
        // Data first, so that a terminal shows both in the order in which they were said. A broken stdout is reported by
        // the last flush, a broken stderr leaves nobody to tell.
        let _ = self.flush();
        let stderr = anstream::stderr();
        let _ = match stderr.is_terminal() {
            true => writeln!(stderr.lock(), "{}", harmless(&text.to_string())),
            false => writeln!(stderr.lock(), "{text}"),
        };
    }
}

/// Writes control characters as `\x1b`, but for line ends, tabs and colours.
fn harmless(text: &str) -> Cow<'_, str> {
    let is_shown = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(is_shown) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(is_shown) {
        let (before, found) = rest.split_at(at);
        shown.push_str(before);
        let colour = colour_length(found);
        if colour > 0 {
            shown.push_str(&found[..colour]);
            rest = &found[colour..];
            continue;
        }
        let mut chars = found.chars();
        if let Some(c) = chars.next() {
            shown.push_str(&format!("\\x{:02x}", u32::from(c)));
        }
        rest = chars.as_str();
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// Bytes of the sequence that sets colours with which a text begins, `ESC [ 1 ; 31 m`; 0 if it begins with none.
fn colour_length(text: &str) -> usize {
    let Some(rest) = text.strip_prefix("\x1b[") else {
        return 0;
    };
    let numbers = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
    match numbers.starts_with('m') {
        true => text.len() - numbers.len() + 1,
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_rule_a_terminal_is_shown_and_colours_stay() {
        for (text, expected) in [
            ("plain\tand\nlines ž", "plain\tand\nlines ž"),
            ("\x1b[1;31merror:\x1b[0m x", "\x1b[1;31merror:\x1b[0m x"),
            ("a\x1b]52;c;YQ==\x07b", "a\\x1b]52;c;YQ==\\x07b"),
            ("old\rnew\x1b[2J\x08", "old\\x0dnew\\x1b[2J\\x08"),
            ("c1 \u{9b}31m", "c1 \\x9b31m"),
            ("\x1b[", "\\x1b["),
        ] {
            assert_eq!(harmless(text), expected);
        }
    }
}
