//! Exit codes.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done.
    Done,
    /// 1: failed; or, where a verb says so, the answer is no.
    Failed,
    /// 2: the command line was not understood (1 when called `ostree` or `rpm-ostree`).
    Usage,
    /// 77: there was nothing to do, where an option asks to be told so.
    NothingToDo,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NothingToDo => 77,
        })
    }
}
