//! From a commit to a bootable deployment.

pub mod deployment;
pub mod host;
pub mod kernel;
pub mod layout;
pub mod plan;
pub mod settings;
