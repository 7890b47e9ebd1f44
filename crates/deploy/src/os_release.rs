//! The name of an operating system, from its `os-release` file.

use ostler_fs::{Dir, FsError};

/// The most that is read of the file.
const MAX_BYTES: u64 = 1 << 20;

/// Returns the name that the tree at `root` calls itself by for people: `PRETTY_NAME`, else `ID`.
///
/// # Errors
/// [`FsError`] if a file is there and can't be read.
pub fn pretty_name(root: &Dir) -> Result<Option<String>, FsError> {
    for path in ["usr/lib/os-release", "etc/os-release"] {
        if let Some(text) = root.read_in_root_optional(path, MAX_BYTES)? {
            let text = String::from_utf8_lossy(&text);
            return Ok(value(&text, "PRETTY_NAME").or_else(|| value(&text, "ID")));
        }
    }
    Ok(None)
}

/// The last assignment counts, as it does for a shell.
fn value(text: &str, key: &str) -> Option<String> {
    let mut assignments = text.lines().filter_map(|line| line.trim().split_once('='));
    assignments
        .rfind(|(found, _)| *found == key)
        .and_then(|(_, quoted)| unquote(quoted.trim()))
}

/// Takes a shell's quotes off a word; `None` if one is not closed.
fn unquote(quoted: &str) -> Option<String> {
    let mut plain = String::with_capacity(quoted.len());
    let mut open = None;
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match (open, c) {
            (None, '"' | '\'') => open = Some(c),
            (Some(quote), c) if c == quote => open = None,
            (None, '\\') => plain.push(chars.next()?),
            (Some('"'), '\\') => match chars.next()? {
                escaped @ ('"' | '\\' | '$' | '`') => plain.push(escaped),
                other => plain.extend(['\\', other]),
            },
            (_, c) => plain.push(c),
        }
    }
    (open.is_none() && !plain.is_empty()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_a_shell_reads_them() {
        let text = "# PRETTY_NAME=no\nNAME=x\nPRETTY_NAME='Old'\nPRETTY_NAME=\"A \\\"B\\\" 'c' \\$5\"\nID=de\\ bian\nBAD=\"x\n";
        assert_eq!(
            value(text, "PRETTY_NAME").as_deref(),
            Some("A \"B\" 'c' $5")
        );
        assert_eq!(value(text, "ID").as_deref(), Some("de bian"));
        assert_eq!(value(text, "BAD"), None);
        assert_eq!(value(text, "NONE"), None);
    }
}
