//! Verbs about the program itself.

mod complete;
mod completions;
mod man;

pub(crate) use complete::Complete;
pub(crate) use completions::Completions;
pub(crate) use man::Man;
