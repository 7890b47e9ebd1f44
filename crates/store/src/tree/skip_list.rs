//! The file that `--skip-list` names: one path a line.

use std::collections::HashSet;

/// Paths that are left out, each once.
#[derive(Clone, Debug, Default)]
pub struct SkipList(HashSet<String>);

impl SkipList {
    /// Parses the file's text: absolute paths within the tree; empty lines mean nothing.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.split('\n').filter(|line| !line.is_empty());
        Self(lines.map(str::to_owned).collect())
    }

    /// Whether nothing is left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `path` is left out; the line is used up.
    pub(super) fn take(&mut self, path: &str) -> bool {
        !self.0.is_empty() && self.0.remove(path)
    }

    /// The paths that no entry had, sorted.
    #[must_use]
    pub fn unmatched(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.0.iter().cloned().collect();
        paths.sort_unstable();
        paths
    }
}
