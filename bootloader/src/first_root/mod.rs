//! From the physical root to the deployment's: what runs before, and just after, the system's first program.
//!
//! The kernel's argument `ostree=` names a bootlink of the physical root, and the bootlink a deployment. [`prepare`] arranges
//! mounts so that the deployment is the root and the physical root is in its `/sysroot`:
//!
//! | place | from | can be written to |
//! |---|---|---|
//! | `/` | the deployment, or its composefs image over the repository's objects | as the physical root; never, with composefs, unless the root is transient |
//! | `/usr` | the deployment; with a layer of its own after a hotfix | no; after a hotfix, yes |
//! | `/etc` | the deployment's; a layer in memory over `usr/etc` if it is transient | yes |
//! | `/var` | the stateroot's; left to [`generate`] where the system has it | yes |
//! | `/boot` | the physical root's, unless it is a file system of its own | yes |
//! | `/sysroot` | the physical root | no, if `sysroot.readonly` says so |
//!
//! `prepare-root.conf`, of the initramfs and never of the physical root, says what is wanted (`[sysroot] readonly`, `[etc] transient`,
//! `[root] transient|transient-ro`, `[composefs] enabled|keypath`); what was done is left in `/run/ostree-booted`. Later, in the system,
//! [`remount`] undoes what a remount of `/` did to the others, and [`generate`] makes the units of systemd that a booted deployment needs.
//!
//! Before anything is mounted, [`prepare`] counts the boot of a deployment that is on [trial](crate::trial). One that has used up its tries is not
//! booted: the deployment to go back to is, under the kernel that runs, and makes the rollback.
//!
//! Formats, places and settings are libostree's (`ostree-prepare-root`, `ostree-remount`, `ostree-system-generator`).

mod booted;
mod composefs;
mod config;
mod error;
mod generator;
mod prepare;
mod remount;
mod signature;
mod target;
mod trial;

pub use error::FirstRootError;
pub use generator::{Booting, generate};
pub use prepare::{Host, Init, Prepared, prepare};
pub use remount::remount;

/// Within `/run`: its presence asks for `/var` to be mounted before the system starts, and not by [`generate`].
const MOUNT_VAR: &str = "ostree/initramfs-mount-var";
