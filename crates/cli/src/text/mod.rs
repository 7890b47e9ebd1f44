//! The texts that verbs print, laid out as `ostree` lays them out, byte for byte.

pub(crate) mod commit;
pub(crate) mod date;
pub(crate) mod pull;
pub(crate) mod signatures;
pub(crate) mod size;
pub(crate) mod summary;
pub(crate) mod variant;
