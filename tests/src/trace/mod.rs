//! Programs run step by step, where a step is a system call that changes files: to kill one before any of its steps, and to
//! see in which order it wrote, synced, and named.
//!
//! A tracer of its own rather than `strace --inject`, whose counters belong to a single thread: here the n-th step is the
//! n-th of all threads. Child processes are not followed: a kill must leave alone what a real one would leave alone.

mod call;
mod run;

pub use call::{Call, Step};
pub use run::{Fate, Traced, run};
