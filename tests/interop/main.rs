//! Ostler and the real `ostree` on the same input: the same ids, the same bytes, each content with what the other made.
//!
//! The tests marked as ignored work on whole Debian trees; `tests/run` runs them too.

#![expect(
    clippy::unwrap_used,
    reason = "this is test code; a panic is its way to report"
)]

mod archive;
mod available;
mod booted;
mod checkout;
mod collections;
mod commit;
mod debian;
mod deltas;
mod etc;
mod finders;
mod host;
mod metadata;
mod package_files;
mod payload_links;
mod pull;
mod report;
mod selinux;
mod signatures;
mod sysroot;
mod turns;
mod upkeep;

use ostler_tests::Program;

/// The modes that a tree can be committed to.
const MODES: [&str; 4] = ["archive", "bare", "bare-user", "bare-user-only"];

/// Both programs, each as (the one that makes, the one that is given what was made).
fn both_ways() -> [(Program, Program); 2] {
    [
        (Program::ostree(), Program::ostler()),
        (Program::ostler(), Program::ostree()),
    ]
}

/// Options without which `mode` refuses a tree of this user's own files.
fn canonical_if_needed(mode: &str) -> &'static [&'static str] {
    if mode == "bare-user-only" {
        &["--canonical-permissions", "--no-xattrs"]
    } else {
        &[]
    }
}
