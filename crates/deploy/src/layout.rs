//! Every path name of a system root, in one place.
//!
//! ```text
//! /ostree/repo                                          the repository, mode bare
//! /ostree/lock                                          held by whoever changes deployments
//! /ostree/lock-owner                                    who that is, JSON
//! /ostree/finalize-failure                              why the last staged deployment could not be finished, text
//! /ostree/trials                                        which deployments have proven themselves, a key file
//! /ostree/history                                       what was deployed and booted, JSON lines
//! /ostree/deploy/<stateroot>/var                        shared by the stateroot's deployments
//! /ostree/deploy/<stateroot>/deploy/<commit>.<serial>             a deployment's root
//! /ostree/deploy/<stateroot>/deploy/<commit>.<serial>.origin      where it came from
//! /ostree/deploy/<stateroot>/deploy/<commit>.<serial>.etc-merge   what its /etc merge did, JSON
//! /ostree/deploy/<stateroot>/deploy/<commit>.<serial>.health      what its last checks said, JSON
//! /ostree/deploy/<stateroot>/backing/<commit>.<serial>            writable layers of a transient root
//! /ostree/boot.<B>           -> boot.<B>.<S>
//! /ostree/boot.<B>.<S>/<stateroot>/<bootcsum>/<bootserial>        -> ../../../deploy/<stateroot>/deploy/<commit>.<serial>
//! /boot/loader               -> loader.<B>
//! /boot/loader.<B>/entries/ostree-<N>.conf
//! /boot/loader/{loader.conf,entries/ostree-b<B>-<N>.conf}         in place of both where /boot is FAT
//! /boot/ostree/<stateroot>-<bootcsum>/                  kernel, initramfs, device trees
//! /boot/ostree/initramfs-overlays/<checksum>.img
//! ```
//! Paths here are relative to the sysroot, but for those that say `Within`.

use std::fmt;

use ostler_format::bootlink::{boot_dir, boot_link, loader_dir, parse_boot_dir};
use ostler_format::{Checksum, CommitId, DeploymentName, StaterootName, Turn};

/// The directory of everything but `/boot`; on a running system a symlink to `sysroot/ostree`.
pub const OSTREE: &str = "ostree";
/// Within [`OSTREE`]: the system repository.
pub const REPO: &str = "repo";
/// Within [`OSTREE`]: the directory of the stateroots; its mtime changes with every change of the deployments.
pub const DEPLOY: &str = "deploy";
/// Within [`OSTREE`]: the lock file.
pub const LOCK: &str = "lock";
/// Within [`OSTREE`]: who holds the lock, JSON that everybody may read, as the lock file may not be.
pub const LOCK_OWNER: &str = "lock-owner";
/// The directory that the boot loader reads.
pub const BOOT: &str = "boot";

/// Within a stateroot: the next content of its `/var`, before it is complete.
pub const VAR_SEED: &str = "var.seed";
/// Within a deployment's backing directory: the layer of a transient root.
pub const ROOT_TRANSIENT: &str = "root-transient";

/// Within [`BOOT`]: the symlink to the active `loader.<B>`.
pub const LOADER: &str = "loader";
/// Within [`BOOT`]: the next [`LOADER`], before its rename.
pub const LOADER_NEXT: &str = "loader.tmp";
/// Within [`BOOT`]: the boot entries of both boot versions, where there are no links.
pub const FLAT_ENTRIES: &str = "loader/entries";
/// Within [`BOOT`]: the directory of kernels.
pub const BOOT_KERNELS: &str = "ostree";
/// Within [`BOOT`]: the directory of initrds that are added to a deployment's own.
pub const BOOT_OVERLAYS: &str = "ostree/initramfs-overlays";
/// Within [`BOOT`]: the reason why the last staged deployment could not be finished.
pub const FINALIZE_FAILURE: &str = "ostree/finalize-failure.stamp";

/// Within [`OSTREE`]: the same reason, kept for `status` until a deployment is staged or finished again.
pub const FINALIZE_RECORD: &str = "finalize-failure";

/// Within [`OSTREE`]: what was deployed and booted, an event a line.
pub const HISTORY: &str = "history";

/// The directory of the running system's state.
pub const RUN: &str = "/run";
/// Within [`RUN`]: says that the running system was booted from a deployment, and how.
pub const RUN_BOOTED: &str = "ostree-booted";
/// Within [`RUN`]: describes the staged deployment.
pub const RUN_STAGED: &str = "ostree/staged-deployment";
/// Within the description of the staged deployment: keys of its boot entry that only others know.
pub const STAGED_ANNOTATIONS: &str = "bootconfig-extra";
/// Within [`RUN`]: its presence keeps the staged deployment from being finished; written by older programs.
pub const RUN_STAGED_LOCKED: &str = "ostree/staged-deployment-locked";
/// Within [`RUN`]: initrds of the staged deployment.
pub const RUN_STAGED_INITRDS: &str = "ostree/staged-initrds";
/// Within [`RUN`]: flags of the running deployment, in `<commit>.<serial>/`.
const RUN_DEPLOYMENT_STATE: &str = "ostree/deployment-state";
/// Within a deployment's flags: `/usr` has a writable layer.
pub const RUN_UNLOCKED_DEVELOPMENT: &str = "unlocked-development";
/// Within a deployment's flags: `/usr` has a writable layer, mounted read-only.
pub const RUN_UNLOCKED_TRANSIENT: &str = "unlocked-transient";
/// Within a deployment: the first program of a system that has no initramfs.
pub const PREPARE_ROOT: &str = "/usr/lib/ostree/ostree-prepare-root";
/// The running system's own `/var`.
pub const RUNNING_VAR: &str = "/var";
/// Names this boot of the kernel.
pub const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// The kernel's arguments.
pub const PROC_CMDLINE: &str = "/proc/cmdline";

const ORIGIN_SUFFIX: &str = ".origin";
const MERGE_SUFFIX: &str = ".etc-merge";
const HEALTH_SUFFIX: &str = ".health";

/// Names a deployment: no two of a sysroot share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeploymentId {
    /// The stateroot that it belongs to.
    pub stateroot: StaterootName,
    /// The commit that it is a checkout of.
    pub commit: CommitId,
    /// Counts the deployments of one commit in one stateroot.
    pub serial: u32,
}

impl DeploymentId {
    /// Returns the directory's name, `<commit>.<serial>`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.commit, self.serial)
    }

    /// Within [`OSTREE`]: the deployment's root directory.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", deployments(&self.stateroot), self.name())
    }

    /// Within [`OSTREE`]: the file that says where the deployment came from.
    #[must_use]
    pub fn origin_path(&self) -> String {
        self.path() + ORIGIN_SUFFIX
    }

    /// Within [`OSTREE`]: the file that says what the merge of `/etc` did.
    ///
    /// It is a plain file beside the origin, so libostree neither reads nor removes it; it is readable for everyone, and the cleanup
    /// removes it with its deployment.
    #[must_use]
    pub fn merge_report_path(&self) -> String {
        self.path() + MERGE_SUFFIX
    }

    /// Within [`OSTREE`]: the file that says what the deployment's last checks said; beside the origin for the same reasons.
    #[must_use]
    pub fn health_report_path(&self) -> String {
        self.path() + HEALTH_SUFFIX
    }

    /// Within [`OSTREE`]: the directory of the writable layers of a transient root.
    #[must_use]
    pub fn backing_path(&self) -> String {
        format!("{}/{}", backing(&self.stateroot), self.name())
    }

    /// Returns what the bootlink of this deployment holds.
    #[must_use]
    pub fn bootlink_target(&self) -> String {
        format!("../../../deploy/{}/deploy/{}", self.stateroot, self.name())
    }

    /// Within [`RUN`]: returns the directory of the running system's flags for this deployment.
    #[must_use]
    pub fn run_state(&self) -> String {
        format!("{RUN_DEPLOYMENT_STATE}/{}", self.name())
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}.{}", self.stateroot, self.commit, self.serial)
    }
}

/// Reads `<commit>.<serial>`.
#[must_use]
pub fn parse_deployment_name(name: &str) -> Option<(CommitId, u32)> {
    let name = DeploymentName::parse(name).ok()?;
    Some((name.commit, name.serial))
}

/// Reads the name of a file that belongs to a deployment, and returns the deployment's name.
#[must_use]
pub fn parse_companion_name(name: &str) -> Option<&str> {
    let of = [ORIGIN_SUFFIX, MERGE_SUFFIX, HEALTH_SUFFIX]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))?;
    parse_deployment_name(of).map(|_| of)
}

/// Within [`OSTREE`]: a stateroot's directory.
#[must_use]
pub fn stateroot(name: &StaterootName) -> String {
    format!("{DEPLOY}/{name}")
}

/// Within [`OSTREE`]: the directory of a stateroot's deployments.
#[must_use]
pub fn deployments(stateroot: &StaterootName) -> String {
    format!("{DEPLOY}/{stateroot}/deploy")
}

/// Within [`OSTREE`]: the `/var` that a stateroot's deployments share.
#[must_use]
pub fn var(stateroot: &StaterootName) -> String {
    format!("{DEPLOY}/{stateroot}/var")
}

/// Within [`OSTREE`]: the directory of a stateroot's writable layers.
#[must_use]
pub fn backing(stateroot: &StaterootName) -> String {
    format!("{DEPLOY}/{stateroot}/backing")
}

/// Within [`OSTREE`]: the link to the active links of a boot version.
#[must_use]
pub fn bootlinks(boot: Turn) -> String {
    boot_link(boot)
}

/// Within [`OSTREE`]: a directory of bootlinks.
#[must_use]
pub fn bootlinks_dir(boot: Turn, sub: Turn) -> String {
    boot_dir(boot, sub)
}

/// Within [`BOOT`]: the boot entries of a boot version.
#[must_use]
pub fn entries(boot: Turn) -> String {
    format!("{}/entries", loader_dir(boot))
}

/// Within [`BOOT_KERNELS`]: the directory of one kernel with its initramfs and device trees.
#[must_use]
pub fn kernel_dir(stateroot: &StaterootName, bootcsum: &Checksum) -> String {
    format!("{stateroot}-{bootcsum}")
}

/// Within [`BOOT_KERNELS`]: where a kernel's directory is made before it gets its name.
#[must_use]
pub fn unfinished_kernel_dir(name: &str) -> String {
    format!(".{name}.new")
}

/// Says whether a name within [`BOOT_KERNELS`] is that of a directory that was never finished.
#[must_use]
pub fn is_unfinished_kernel_dir(name: &str) -> bool {
    let inner = name
        .strip_prefix('.')
        .and_then(|name| name.strip_suffix(".new"));
    inner.and_then(parse_kernel_dir).is_some()
}

/// Reads what [`kernel_dir`] wrote: the checksum behind the last `-`.
#[must_use]
pub fn parse_kernel_dir(name: &str) -> Option<(&str, Checksum)> {
    let (stateroot, bootcsum) = name.rsplit_once('-')?;
    Some((stateroot, bootcsum.parse().ok()?))
}

/// Returns the ref that keeps the commit of the deployment at `index` alive.
#[must_use]
pub fn deployment_ref(boot: Turn, sub: Turn, index: usize) -> String {
    format!("ostree/{boot}/{sub}/{index}")
}

/// Says which of its places a deployment's ref is for; `None` if it is no such ref.
#[must_use]
pub fn parse_deployment_ref(name: &str) -> Option<(Turn, Turn, usize)> {
    let (boot, rest) = name.strip_prefix("ostree/")?.split_once('/')?;
    let (sub, index) = rest.split_once('/')?;
    let (boot, sub) = parse_boot_dir(&format!("boot.{boot}.{sub}")).ok()?;
    Some((boot, sub, index.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_strangers_do_not() {
        let sum = Checksum::of(b"");
        let id = DeploymentId {
            stateroot: "my-os".parse().unwrap(),
            commit: CommitId::new(sum),
            serial: 12,
        };
        assert_eq!(parse_deployment_name(&id.name()), Some((id.commit, 12)));
        assert_eq!(
            parse_companion_name(&format!("{}.origin", id.name())),
            Some(id.name().as_str())
        );
        let short = &id.name()[1..];
        for stranger in [
            "",
            ".",
            "x.1",
            short,
            &format!("{}.+1", id.commit),
            &format!("{}.", id.commit),
            "a.origin",
        ] {
            assert_eq!(parse_deployment_name(stranger), None, "{stranger}");
            assert_eq!(parse_companion_name(stranger), None, "{stranger}");
        }
        assert_eq!(
            parse_kernel_dir(&kernel_dir(&id.stateroot, &sum)),
            Some(("my-os", sum))
        );
        assert_eq!(
            parse_deployment_ref("ostree/1/0/3"),
            Some((Turn::One, Turn::Zero, 3))
        );
        assert_eq!(parse_deployment_ref("ostree/1/0/3/4"), None);
        assert_eq!(parse_deployment_ref("ostree/2/0/3"), None);
    }
}
