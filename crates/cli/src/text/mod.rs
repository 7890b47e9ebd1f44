//! The texts that verbs print; those that `ostree` prints too are laid out as it lays them out, byte for byte.

pub(crate) mod changes;
pub(crate) mod commit;
pub(crate) mod date;
pub(crate) mod package_file;
pub(crate) mod packages;
pub(crate) mod pull;
pub(crate) mod signatures;
pub(crate) mod size;
pub(crate) mod summary;
pub(crate) mod variant;
