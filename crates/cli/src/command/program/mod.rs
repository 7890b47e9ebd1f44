//! Verbs about the program itself.

mod complete;
mod completions;
mod install_files;
mod man;

pub(crate) use complete::Complete;
pub(crate) use completions::Completions;
pub(crate) use install_files::InstallFiles;
pub(crate) use man::Man;
