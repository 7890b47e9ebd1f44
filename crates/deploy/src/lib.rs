//! From a commit to a bootable deployment.

pub mod plan;
