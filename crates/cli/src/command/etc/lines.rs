//! Two texts side by side, as `diff -u` prints them.

use std::time::Duration;

use similar::{Algorithm, TextDiff};

/// After this time a difference is shown that may be longer than it need be.
const PATIENCE: Duration = Duration::from_secs(2);

/// Returns the lines that differ, with three lines around; empty if none does.
pub(super) fn unified(old: &str, new: &str, old_name: &str, new_name: &str) -> String {
    TextDiff::configure()
        .algorithm(Algorithm::Myers)
        .timeout(PATIENCE)
        .diff_lines(old, new)
        .unified_diff()
        .header(old_name, new_name)
        .to_string()
}
