//! What the suites share: both programs, scratch folders, trees and how they are compared, HTTP servers.
//!
//! Everything here panics on failure, with what was run and what it said: its callers are tests. Nothing here uses the
//! project's own crates, so a fault of theirs can't hide itself.
//!
//! - [`Program`] runs `ostler` or the real `ostree`; [`Repo`] is a repository with the program that works on it.
//! - [`Scratch`] is a folder on a file system that keeps user xattrs.
//! - [`tree::random`] writes trees; [`Snapshot`] says what a tree holds; [`debian_tree`] is a whole OS, [`recent_kernel`] a newer kernel.
//! - [`boot_order`] reads what a boot loader would; [`Dice`] makes random cases that return.
//! - [`trace`] runs a program step by step, to kill it or to see in which order it writes.
//! - [`Server`] serves a folder over HTTP with either program.

#![expect(
    clippy::unwrap_used,
    reason = "this is test code; a panic is its way to report"
)]

pub mod boot_order;
mod debian;
mod dice;
mod program;
mod scratch;
mod server;
pub mod trace;
pub mod tree;

pub use debian::{debian_tree, recent_kernel};
pub use dice::Dice;
pub use program::{Program, Repo, real_ostree};
pub use scratch::Scratch;
pub use server::Server;
pub use tree::snapshot::{Entry, Snapshot, View};
