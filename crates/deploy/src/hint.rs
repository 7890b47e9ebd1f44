//! The way out of an error, in words: data beside the message, printed on a line of its own.

use std::error::Error;
use std::io::{self, ErrorKind};

use ostler_fs::FsError;
use ostler_store::StoreError;

use crate::boot_form::FlatBootError;
use crate::cleanup::CleanupError;
use crate::etc_merge::EtcMergeError;
use crate::etc_restore::RestoreError;
use crate::host_file::{self, HostFileError};
use crate::initramfs_etc::InitramfsEtcError;
use crate::install::DiskError;
use crate::kargs::defaults::DefaultsError;
use crate::kernel::KernelError;
use crate::kexec::KexecError;
use crate::lock::SysrootLockError;
use crate::materialize::MaterializeError;
use crate::order::OrderError;
use crate::plan::PlanError;
use crate::preflight::{BootSpaceError, DownloadSpaceError, TreeSpaceError};
use crate::reset;
use crate::signatures::SignatureError;
use crate::staged::StageError;
use crate::sysroot::SysrootError;
use crate::upgrade::UpgradeError;

/// Returns what a person can do about an error of this crate; of a chain of errors, each is asked for itself.
#[must_use]
pub fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    None.or_else(|| error.downcast_ref().and_then(plan))
        .or_else(|| error.downcast_ref().and_then(sysroot))
        .or_else(|| error.downcast_ref().and_then(BootSpaceError::hint))
        .or_else(|| error.downcast_ref().and_then(SignatureError::hint))
        .or_else(|| error.downcast_ref().and_then(upgrade))
        .or_else(|| error.downcast_ref().and_then(restore))
        .or_else(|| error.downcast_ref().and_then(etc_merge))
        .or_else(|| error.downcast_ref().and_then(no_policy))
        .or_else(|| error.downcast_ref().and_then(meant))
        .or_else(|| error.downcast_ref().and_then(simple_lock))
        .or_else(|| error.downcast_ref().and_then(install))
        .or_else(|| simple(error).map(str::to_owned))
        .or_else(|| error.downcast_ref().and_then(verity).map(str::to_owned))
        .or_else(|| disk(error).map(str::to_owned))
}

fn verity(error: &StoreError) -> Option<&'static str> {
    let StoreError::VerityUnsupported = error else {
        return None;
    };
    Some(
        "`tune2fs -O verity DEVICE` turns it on for ext4; with `ex-integrity.fsverity` as `maybe` it is done without",
    )
}

/// What a disk does not let be done.
fn disk(error: &(dyn Error + 'static)) -> Option<&'static str> {
    /// `EIO`.
    const BROKEN: i32 = 5;
    let of_path = error.downcast_ref().map(FsError::io);
    let error: &io::Error = of_path.or_else(|| error.downcast_ref())?;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Some("make room on the file system of that path, and run the command again")
        }
        ErrorKind::ReadOnlyFilesystem => Some(
            "mount it writable, and run the command again; if it was writable before, `dmesg` says what went wrong",
        ),
        _ if error.raw_os_error() == Some(BROKEN) => Some(
            "the disk gives errors, and `dmesg` says which; save what is on it, then run the command again",
        ),
        _ => None,
    }
}

fn install(error: &DiskError) -> Option<String> {
    error.hint()
}

fn plan(error: &PlanError) -> Option<String> {
    Some(match error {
        PlanError::OutOfRange { .. } | PlanError::NoRollback => {
            "`ostler status` lists the deployments".to_owned()
        }
        PlanError::Booted { .. } => "boot another deployment first".to_owned(),
        PlanError::Only { .. } => "deploy another one first".to_owned(),
        PlanError::Pinned { index } => format!("unpin it with `ostler admin pin --unpin {index}`"),
        PlanError::AlreadyDefault { .. } | PlanError::Staged { .. } | PlanError::Empty => {
            return None;
        }
    })
}

fn sysroot(error: &SysrootError) -> Option<String> {
    Some(match error {
        SysrootError::NotASysroot { .. } => {
            "make one with `ostler admin init-fs PATH`, or name one with --sysroot".to_owned()
        }
        SysrootError::NoStateroot => "name a stateroot with --stateroot".to_owned(),
        SysrootError::NoSuchStateroot { stateroot } => {
            format!("make it with `ostler admin stateroot-init {stateroot}`")
        }
        SysrootError::OutOfRange { .. } => "`ostler status` lists the deployments".to_owned(),
        _ => return None,
    })
}

fn upgrade(error: &UpgradeError) -> Option<String> {
    Some(match error {
        UpgradeError::NoDeployment { stateroot } => {
            format!(
                "make the first one with `ostler admin deploy --stateroot {stateroot} REMOTE:REF`"
            )
        }
        UpgradeError::NothingFollowed { .. } => {
            "choose what to follow with `ostler rebase REMOTE:REF`".to_owned()
        }
        UpgradeError::Layered { .. } => {
            "upgrade with rpm-ostree, or drop what is layered with `ostler reset-layers`".to_owned()
        }
        UpgradeError::Bad { .. } => {
            "take it all the same with `ostler upgrade --retry-bad`".to_owned()
        }
        UpgradeError::Older { .. } => "use --allow-downgrade to permit it".to_owned(),
        _ => return None,
    })
}

fn etc_merge(error: &EtcMergeError) -> Option<String> {
    match error {
        EtcMergeError::Refused { path, .. } => Some(format!(
            "`ostler etc restore /etc/{path}` takes the default; or change the rule in /etc/{}",
            host_file::PATH
        )),
        EtcMergeError::HostFile(error) => meant(error),
        _ => None,
    }
}

fn meant(error: &HostFileError) -> Option<String> {
    match error {
        HostFileError::Syntax { meant, .. } => {
            meant.as_ref().map(|name| format!("did you mean `{name}`?"))
        }
        _ => None,
    }
}

fn restore(error: &RestoreError) -> Option<String> {
    Some(match error {
        RestoreError::OutsideEtc { .. } => "write /etc/NAME, or NAME alone".to_owned(),
        RestoreError::NoDefault { path } => {
            format!("it is your own; `rm -r /etc/{path}` removes it")
        }
        RestoreError::IsDirectory { .. } => {
            "use --recursive to put back all that was changed in it".to_owned()
        }
        RestoreError::InTheWay { path } => format!("move /etc/{path} away first"),
        RestoreError::CopyExists { path } => format!("move /etc/{path} away, or leave out --keep"),
        _ => return None,
    })
}

fn no_policy(error: &OrderError) -> Option<String> {
    let OrderError::NoPolicy { .. } = error else {
        return None;
    };
    Some(format!(
        "write `keep = 3` below `[retention]` in /etc/{}",
        host_file::PATH
    ))
}

fn simple_lock(error: &SysrootLockError) -> Option<String> {
    let SysrootLockError::Fs(error) = error else {
        return None;
    };
    (error.kind() == ErrorKind::PermissionDenied)
        .then(|| "only root changes deployments; `ostler status` works for everyone".to_owned())
}

/// Hints that don't depend on what the error holds.
fn simple(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(KernelError::NotFound) = error.downcast_ref() {
        return Some("a tree has its kernel at /usr/lib/modules/VERSION/vmlinuz");
    }
    if let Some(MaterializeError::TwoEtc { .. }) = error.downcast_ref() {
        return Some("move the defaults to /usr/etc, or all of it to /etc, and commit again");
    }
    if let Some(TreeSpaceError::Bytes { .. } | TreeSpaceError::Inodes { .. }) = error.downcast_ref()
    {
        return Some(
            "`ostler admin undeploy INDEX` gives up a deployment; `ostler status` lists them",
        );
    }
    if let Some(DownloadSpaceError::Full { .. }) = error.downcast_ref() {
        return Some(
            "`ostler admin undeploy INDEX` and `ostler admin cleanup` make room; `ostler status` lists the deployments",
        );
    }
    if let Some(DefaultsError::File { .. }) = error.downcast_ref() {
        return Some(
            "such a file holds `kargs = [\"NAME=VALUE\"]`, and `match-architectures` if need be; mend it in the tree and commit again",
        );
    }
    if let Some(InitramfsEtcError::Missing { .. } | InitramfsEtcError::TooLarge { .. }) =
        error.downcast_ref()
    {
        return Some("`ostler initramfs-etc --untrack PATH` lets it go");
    }
    if let Some(reset::ResetError::StaysLayered { .. }) = error.downcast_ref() {
        return Some("reset all of it at once: `ostler reset-layers`");
    }
    if let Some(reset::ResetError::BaseIsGone { .. }) = error.downcast_ref() {
        return Some("`ostler pull` it from the remote of the origin, and reset again");
    }
    if let Some(StageError::NotBooted) = error.downcast_ref() {
        return Some("deploy without --stage");
    }
    if let Some(FlatBootError::Unfit { .. }) = error.downcast_ref() {
        return Some(
            "use systemd-boot, or format /boot with ext4 or another file system that has symbolic links",
        );
    }
    if let Some(kexec) = error.downcast_ref() {
        return match kexec {
            KexecError::NotPublished { .. } => Some("deploy without --stage"),
            KexecError::Fs(_) | KexecError::Initrds(_) => Some(
                "the new deployment boots next all the same: `systemctl reboot` goes through the boot loader",
            ),
        };
    }
    error
        .downcast_ref::<CleanupError>()
        .map(|_| "what was asked for is done; `ostler admin cleanup` tries the cleanup again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::DeployError;

    #[test]
    fn an_error_is_asked_for_itself_and_its_cause_is_found_in_the_chain() {
        let error = DeployError::from(PlanError::Pinned { index: 3 });
        assert_eq!(hint(&error), None);
        let cause = Error::source(&error).expect("the plan's error is in the chain");
        assert_eq!(
            hint(cause).as_deref(),
            Some("unpin it with `ostler admin pin --unpin 3`")
        );
    }
}
