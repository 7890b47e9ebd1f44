//! From a commit to a bootable deployment.
//!
//! | module | what it owns |
//! |---|---|
//! | [`layout`], [`settings`] | every path name; switches of the environment |
//! | [`sysroot`], [`deployment`], [`host`] | a system root as it is, read without privilege; the running system |
//! | [`lock`], [`lock_owner`] | the right to change a system root, and who has it |
//! | [`host_file`], [`update_policy`], [`update_driver`] | what a person wants of the host, in one file; what a timer may do; which program drives updates |
//! | [`plan`], [`retention`] | the next boot order, as a pure function |
//! | [`preflight`] | what is checked before anything is written |
//! | [`materialize`], [`etc_merge`], [`merge_record`], [`kernel`], [`overlay`] | a commit as a directory that can be booted |
//! | [`signatures`], [`base`] | what the remotes of commits ask of them; the commit below layered packages |
//! | [`publish`] | the only writer of boot entries and bootlinks |
//! | [`deploy`](mod@deploy), [`upgrade`], [`staged`], [`finalization`], [`order`], [`kargs`], [`origin_file`], [`stateroot`], [`unlock`], [`cleanup`] | the verbs |
//! | [`trials`], [`health_file`], [`health_report`] | which deployments have proven themselves, and the way back from one that does not; what must work |
//! | [`state_overlay`], [`relabel`], [`post_copy`], [`boot_menu`] | what units and installers call |
//! | [`kexec`] | a restart without firmware |
//! | [`etc_restore`], [`factory_reset`], [`apply`] | verbs of `/etc` and of the host file in it |
//! | [`reset`], [`initramfs_etc`] | what was asked for beyond the tree; files of `/etc` in the first root |
//! | [`status`], [`holding`], [`history`] | what is told of all of it |
//! | [`install`] | a bootable disk, made of a repository |
//! | [`tree_files`] | what a tree carries so that a machine boots it |
//!
//! A change goes one way: lock, plan, preflight, materialize, publish, cleanup. Until the boot order is published nothing refers to what was
//! written, and afterwards nothing to what it replaced, so a crash anywhere leaves only what the next cleanup removes.

pub mod apply;
pub mod base;
mod boot_form;
pub mod boot_menu;
mod boot_settings;
pub mod cleanup;
pub mod deploy;
pub mod deployment;
pub mod etc_merge;
pub mod etc_restore;
pub mod factory_reset;
pub mod finalization;
pub mod health_file;
pub mod health_report;
mod hint;
pub mod history;
pub mod holding;
pub mod host;
pub mod host_file;
pub mod initramfs_etc;
pub mod install;
pub mod kargs;
pub mod kernel;
pub mod kexec;
pub mod layout;
pub mod lock;
pub mod lock_owner;
pub mod materialize;
pub mod merge_record;
pub mod order;
pub mod origin_file;
pub mod os_release;
pub mod overlay;
pub mod plan;
pub mod post_copy;
pub mod preflight;
pub mod publish;
pub mod relabel;
pub mod reset;
pub mod retention;
pub mod settings;
pub mod signatures;
pub mod staged;
pub mod state_overlay;
pub mod stateroot;
pub mod status;
pub mod sysroot;
pub mod trials;
pub mod unlock;
pub mod update_driver;
pub mod update_policy;
pub mod upgrade;

pub use boot_form::FlatBootError;
pub use deployment::Deployment;
pub use hint::hint;
pub use host::Host;
pub use lock::SysrootLock;
pub use ostler_bootloader::{tree_files, trial};
pub use settings::Settings;
pub use sysroot::Sysroot;
