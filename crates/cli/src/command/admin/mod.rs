//! Verbs of a host's deployments, spelled as `ostree admin` spells them. One file a verb.

pub(crate) mod cleanup;
pub(crate) mod config_diff;
pub(crate) mod deploy;
pub(crate) mod finalize_staged;
pub(crate) mod init_fs;
pub(crate) mod kargs_edit_in_place;
pub(crate) mod pin;
pub(crate) mod set_default;
pub(crate) mod set_kargs;
pub(crate) mod set_origin;
pub(crate) mod stateroot_init;
pub(crate) mod status;
pub(crate) mod switch;
pub(crate) mod undeploy;
pub(crate) mod upgrade;
