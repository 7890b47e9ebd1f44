//! `admin deploy`: a commit becomes a deployment.

use std::path::PathBuf;

use crate::grammar::SysrootOption;

/// Options of `admin deploy`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Deploy in this stateroot (defaults to the booted one)
    #[arg(long = "stateroot", visible_alias = "os", value_name = "STATEROOT")]
    pub(crate) stateroot: Option<String>,
    /// Take the origin from this file
    #[arg(long, value_name = "FILE")]
    pub(crate) origin_file: Option<PathBuf>,
    /// Finish at shutdown
    #[arg(long)]
    pub(crate) stage: bool,
    /// With --stage: do not finish until unlocked
    #[arg(long, requires = "stage")]
    pub(crate) lock_finalization: bool,
    /// Start with the commit's /etc and no kernel arguments of another deployment
    #[arg(long)]
    pub(crate) no_merge: bool,
    /// Leave unreachable objects in the repository
    #[arg(long)]
    pub(crate) no_prune: bool,

    /// Put the deployment last, not first
    #[arg(long, help_heading = "Other deployments")]
    pub(crate) not_as_default: bool,
    /// Keep all other deployments
    #[arg(long, help_heading = "Other deployments")]
    pub(crate) retain: bool,
    /// Keep deployments before the booted one
    #[arg(long, help_heading = "Other deployments")]
    pub(crate) retain_pending: bool,
    /// Keep deployments after the booted one
    #[arg(long, help_heading = "Other deployments")]
    pub(crate) retain_rollback: bool,

    /// Set a kernel argument in place of those of this name (repeatable)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Kernel arguments")]
    pub(crate) karg: Vec<String>,
    /// Append a kernel argument (repeatable)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Kernel arguments")]
    pub(crate) karg_append: Vec<String>,
    /// Delete a kernel argument (repeatable)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Kernel arguments")]
    pub(crate) karg_delete: Vec<String>,
    /// Take over no kernel arguments
    #[arg(
        long,
        conflicts_with = "karg_proc_cmdline",
        help_heading = "Kernel arguments"
    )]
    pub(crate) karg_none: bool,
    /// Take over the running kernel's arguments
    #[arg(long, help_heading = "Kernel arguments")]
    pub(crate) karg_proc_cmdline: bool,
    /// Load this archive after the initramfs (repeatable)
    #[arg(long, value_name = "FILE", help_heading = "Kernel arguments")]
    pub(crate) overlay_initrd: Vec<PathBuf>,

    /// Ref, `REMOTE:REF` or commit
    #[arg(value_name = "REFSPEC", required = true)]
    pub(crate) refspec: String,
}
