//! Ostler killed before each of its system calls that change something, in turn, and what is there then.
//!
//! After each kill everything is as it was or as it should be, and the same command run again finishes; the same holds for a disk that
//! answers one call with an error, or all from one call on because it is full or read-only. What a kill can't
//! show, because the kernel's memory outlives a process but not a power cut, is shown by the order of writes and syncs.
//!
//! Environment: `OSTLER_CRASH_STRIDE=N` kills at every N-th call only.

#![expect(
    clippy::unwrap_used,
    reason = "this is test code; a panic is its way to report"
)]

mod booted;
mod case;
mod flat;
mod host;
mod order;
mod requests;
mod resume;
mod shortcuts;
mod store;
mod verbs;

use ostler_tests::Program;

fn ostler() -> Program {
    Program::ostler()
}
