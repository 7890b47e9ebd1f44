//! The way out of an error, in words: data beside the message, printed on a line of its own.

use crate::deploy::DeployError;
use crate::kargs::KargsChangeError;
use crate::kernel::KernelError;
use crate::lock::SysrootLockError;
use crate::materialize::MaterializeError;
use crate::order::OrderError;
use crate::origin_file::OriginFileError;
use crate::plan::PlanError;
use crate::preflight::{PreflightError, TreeSpaceError};
use crate::publish::PublishError;
use crate::staged::StageError;
use crate::stateroot::InitError;
use crate::sysroot::SysrootError;
use crate::upgrade::UpgradeError;

/// An error that may know what a person can do about it.
pub trait Advice {
    /// Returns what to do, if there is something to do.
    fn hint(&self) -> Option<String>;
}

impl Advice for PlanError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::OutOfRange { .. } | Self::NoRollback => {
                Some("`ostler status` lists the deployments".to_owned())
            }
            Self::Booted { .. } => Some("boot another deployment first".to_owned()),
            Self::Pinned { index } => {
                Some(format!("unpin it with `ostler admin pin --unpin {index}`"))
            }
            Self::AlreadyDefault { .. } | Self::Staged { .. } | Self::Empty => None,
        }
    }
}

impl Advice for SysrootError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotASysroot { .. } => Some(
                "make one with `ostler admin init-fs PATH`, or name one with --sysroot".to_owned(),
            ),
            Self::NoStateroot => Some("name a stateroot with --stateroot".to_owned()),
            Self::NoSuchStateroot { stateroot } => Some(format!(
                "make it with `ostler admin stateroot-init {stateroot}`"
            )),
            Self::OutOfRange { .. } => Some("`ostler status` lists the deployments".to_owned()),
            _ => None,
        }
    }
}

impl Advice for KernelError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound => {
                Some("a tree has its kernel at /usr/lib/modules/VERSION/vmlinuz".to_owned())
            }
            Self::Store(error) => error.hint(),
            Self::Fs(_) | Self::Checkout(_) | Self::Mismatch { .. } | Self::TooDeep { .. } => None,
        }
    }
}

impl Advice for PublishError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Sysroot(error) => error.hint(),
            Self::Kernel { source, .. } => source.hint(),
            Self::BootSpace(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::FatBoot => Some(
                "format /boot with ext4 or another file system that has symbolic links".to_owned(),
            ),
            _ => None,
        }
    }
}

impl Advice for OrderError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Plan(error) => error.hint(),
            Self::Publish(error) => error.hint(),
            Self::Cleanup(_) => Some("`ostler admin cleanup` tries the cleanup again".to_owned()),
        }
    }
}

impl Advice for SysrootLockError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Sysroot(error) => error.hint(),
            Self::Fs(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Some("only root changes deployments; `ostler status` works for everyone".to_owned())
            }
            Self::Fs(_) | Self::Lock(_) => None,
        }
    }
}

impl Advice for OriginFileError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Sysroot(error) => error.hint(),
            Self::Fs(_) | Self::Origin(_) | Self::Staged { .. } => None,
        }
    }
}

impl Advice for InitError {
    fn hint(&self) -> Option<String> {
        None
    }
}

impl Advice for KargsChangeError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Sysroot(error) => error.hint(),
            Self::Publish(error) => error.hint(),
            Self::Kargs(_) | Self::NoDeployment | Self::Staged { .. } => None,
        }
    }
}

impl Advice for MaterializeError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Sysroot(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Kernel { source, .. } => source.hint(),
            Self::TwoEtc { .. } => Some(
                "move the defaults to /usr/etc, or all of it to /etc, and commit again".to_owned(),
            ),
            Self::Fs(_) | Self::Checkout { .. } | Self::EtcMerge(_) => None,
        }
    }
}

impl Advice for DeployError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Sysroot(error) => error.hint(),
            Self::Preflight(error) => error.hint(),
            Self::Materialize(error) => error.hint(),
            Self::Plan(error) => error.hint(),
            Self::Publish(error) => error.hint(),
            Self::Cleanup(_) => Some("`ostler admin cleanup` tries the cleanup again".to_owned()),
            Self::Kargs(_) | Self::Overlay(_) => None,
        }
    }
}

impl Advice for StageError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Sysroot(error) => error.hint(),
            Self::Deploy(error) => error.hint(),
            Self::Materialize(error) => error.hint(),
            Self::BootSpace(error) => error.hint(),
            Self::NotBooted => Some("deploy without --stage".to_owned()),
            _ => None,
        }
    }
}

impl Advice for UpgradeError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Sysroot(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Deploy(error) => error.hint(),
            Self::Stage(error) => error.hint(),
            Self::NoDeployment { .. } => Some(
                "make the first one with `ostler admin deploy --stateroot STATEROOT REMOTE:REF`"
                    .to_owned(),
            ),
            Self::NothingFollowed { .. } => {
                Some("choose what to follow with `ostler rebase REMOTE:REF`".to_owned())
            }
            Self::Older { .. } => Some("use --allow-downgrade to permit it".to_owned()),
            _ => None,
        }
    }
}

impl Advice for PreflightError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Kernel { source, .. } => source.hint(),
            Self::BootSpace(error) => error.hint(),
            Self::TreeSpace(TreeSpaceError::Bytes { .. } | TreeSpaceError::Inodes { .. }) => Some(
                "`ostler admin undeploy INDEX` gives up a deployment; `ostler status` lists them"
                    .to_owned(),
            ),
            Self::FatBoot => Some(
                "format /boot with ext4 or another file system that has symbolic links".to_owned(),
            ),
            Self::TreeSpace(_) | Self::Fs(_) | Self::Plan(_) | Self::NoBoot => None,
        }
    }
}
