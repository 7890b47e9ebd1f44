//! From a commit to a bootable deployment.
