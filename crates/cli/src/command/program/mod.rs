//! Verbs about the program itself.

mod completions;
mod man;

pub(crate) use completions::Completions;
pub(crate) use man::Man;
