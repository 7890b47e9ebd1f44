//! Programs of this machine: where they are, and what they said in the end.

use std::path::{Path, PathBuf};

const MAX_CHARS: usize = 2000;

/// Finds the first program that has one of these names, directory by directory.
pub fn find(dirs: &[&str], names: &[&str]) -> Option<PathBuf> {
    dirs.iter()
        .flat_map(|dir| names.iter().map(move |name| Path::new(dir).join(name)))
        .find(|path| path.is_file())
}

/// Returns the end of what a program wrote, where its error is: at most 2,000 characters.
#[must_use]
pub fn last_words(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let text = text.trim();
    let skip = text.chars().count().saturating_sub(MAX_CHARS);
    text.chars().skip(skip).collect()
}
