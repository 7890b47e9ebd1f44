//! A commit becomes a directory that can be booted.
//!
//! [`check_out`] makes the tree, of hard links to the repository; [`finish`] fills `/etc`, writes the origin and seals it. Until a boot order
//! that holds it is published nothing refers to the directory, so a crash leaves something that the next cleanup removes.

use ostler_format::origin::Unlocked;
use ostler_format::{BootEntry, Checksum, CommitId, KernelArgs, KeyFile, Origin, StaterootName};
use ostler_fs::inode_flags::{Immutable, set_immutable};
use ostler_fs::{Dir, Durability, FsError, Trusted};
use ostler_store::checkout::{self, CheckoutError, CheckoutOptions, Links, Target};
use ostler_store::composefs::{self, ComposefsError, Verity};
use ostler_store::config::Tristate;
use ostler_store::progress::Sink;
use ostler_store::{Repo, StoreError, integrity};

use crate::cleanup;
use crate::deployment::Deployment;
use crate::etc_merge::{self, EtcMergeError, MergeReport, Sides};
use crate::kernel::{Kernel, KernelError};
use crate::layout::{self, DeploymentId};
use crate::lock::SysrootLock;
use crate::merge_record;
use crate::stateroot::{init_legacy_var, open_var};
use crate::sysroot::SysrootError;

const ETC: &str = "etc";
const USR_ETC: &str = "usr/etc";
/// The image that a first root which knows composefs mounts.
const IMAGE: &str = ".ostree.cfs";
/// What the tree's first root is told, as key file; at most this long.
const PREPARE_ROOT: &str = "usr/lib/ostree/prepare-root.conf";
const MAX_PREPARE_ROOT: u64 = 1 << 20;
const VAR: &str = "var";
const TMPFILES: &str = "usr/lib/tmpfiles.d";
/// Left by systemd after its first boot of a version; what needs it must run again in a new one.
const UPDATED: &str = ".updated";

/// A deployment could not be made; its directory, if there is one, is removed by the next cleanup.
#[derive(Debug, thiserror::Error)]
pub enum MaterializeError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The repository.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The system root.
    #[error("{0}")]
    Sysroot(#[from] SysrootError),
    /// The tree.
    #[error("checking out `{commit}`: {source}")]
    Checkout {
        /// The commit.
        commit: CommitId,
        /// What went wrong.
        source: CheckoutError,
    },
    /// The kernel of the tree.
    #[error("commit `{commit}`: {source}")]
    Kernel {
        /// The commit.
        commit: CommitId,
        /// What is wrong with it.
        source: KernelError,
    },
    /// The merge of `/etc`.
    #[error("{0}")]
    EtcMerge(#[from] EtcMergeError),
    /// The composefs image of the tree.
    #[error("commit `{commit}`: {source}")]
    Composefs {
        /// The commit.
        commit: CommitId,
        /// Why there is none.
        source: ComposefsError,
    },
    /// A tree has its default configuration in one place.
    #[error("commit `{commit}`: the tree contains both /etc and /usr/etc")]
    TwoEtc {
        /// The commit.
        commit: CommitId,
    },
}

/// What a new deployment is made of.
#[derive(Clone, Debug)]
pub struct Request {
    /// The stateroot that it joins.
    pub stateroot: StaterootName,
    /// The commit; all of it must be in the repository.
    pub commit: CommitId,
    /// Where it came from.
    pub origin: Option<Origin>,
    /// Its kernel arguments.
    pub kargs: KernelArgs,
    /// Keys of its boot entry that only others know.
    pub annotations: Vec<(String, String)>,
    /// Initrds that are added to its own.
    pub overlay_initrds: Vec<Checksum>,
}

/// Writes the composefs image of the tree into its root. Every deployment has one, since the first root may ask for it; whether it names
/// digests is for the tree's `prepare-root.conf` to say, as the first root checks them only where that asks for it.
fn write_image(
    repo: &Repo,
    commit: CommitId,
    root: &Dir,
    sink: &dyn Sink,
) -> Result<(), MaterializeError> {
    let verity = wanted_verity(root)?;
    let failed = |source| MaterializeError::Composefs { commit, source };
    let image = composefs::of_commit(repo, commit, verity, sink).map_err(failed)?;
    root.write_atomic(IMAGE, &image, 0o644, Durability::Cached)?;
    seal_image(repo, root)
}

/// Seals the image, if there is one, as the repository's settings and the tree's first root want it.
pub(crate) fn seal_image(repo: &Repo, root: &Dir) -> Result<(), MaterializeError> {
    let Some((image, _)) = root.open_regular_optional(IMAGE)? else {
        return Ok(());
    };
    let wanted = match (wanted_verity(root)?, repo.config().fsverity) {
        // A first root that checks the image asks the kernel for its digest.
        (Verity::Digests, Tristate::No) => Tristate::Maybe,
        (_, wanted) => wanted,
    };
    Ok(integrity::seal(&image, wanted)?)
}

/// Whether the tree's first root checks digests.
fn wanted_verity(root: &Dir) -> Result<Verity, FsError> {
    let settings = match root.read_in_root_optional(PREPARE_ROOT, MAX_PREPARE_ROOT)? {
        Some(bytes) => KeyFile::parse(&bytes).unwrap_or_default(),
        None => KeyFile::default(),
    };
    let enabled = settings.string("composefs", "enabled").ok().flatten();
    Ok(match enabled.as_deref() {
        Some("signed" | "verity") => Verity::Digests,
        _ => Verity::Unchecked,
    })
}

/// Makes the tree of a new deployment, without `/etc`.
///
/// # Errors
/// [`MaterializeError`].
pub fn check_out(
    lock: &SysrootLock,
    request: &Request,
    sink: &dyn Sink,
) -> Result<Deployment, MaterializeError> {
    lock.require_stateroot(&request.stateroot)?;
    let commit = request.commit;
    let directory = deployments_directory(lock, &request.stateroot)?;
    let used = cleanup::deployment_directories(&lock.ostree, &request.stateroot)?;
    let used = used
        .iter()
        .filter(|id| id.commit == commit)
        .map(|id| id.serial);
    let serial = used.max().map_or(0, |highest| highest + 1);
    let id = DeploymentId {
        stateroot: request.stateroot.clone(),
        commit,
        serial,
    };
    let failed = |source| MaterializeError::Checkout { commit, source };
    let options = CheckoutOptions {
        passthrough_whiteouts: true,
        ..CheckoutOptions::default()
    };
    let tree = checkout::find(&lock.repo, commit, "/").map_err(failed)?;
    checkout::checkout(&lock.repo, &tree, &directory, &id.name(), &options, sink)
        .map_err(failed)?;
    let root = directory.open_dir(id.name())?;
    write_image(&lock.repo, commit, &root, sink)?;
    let no_kernel = |source| MaterializeError::Kernel { commit, source };
    let kernel = Kernel::find(&root, lock.look_for_device_trees()).map_err(no_kernel)?;
    let bootcsum = kernel.bootcsum().map_err(no_kernel)?;
    settle_etc(&root, commit)?;
    seed_var(lock, &id, &root, sink)?;
    Ok(Deployment {
        id,
        bootcsum,
        bootserial: 0,
        entry: BootEntry {
            options: request.kargs.clone(),
            other: request.annotations.clone(),
            ..BootEntry::default()
        },
        entry_name: None,
        overlay_initrds: request.overlay_initrds.clone(),
        origin: request.origin.as_ref().map(Origin::without_transient),
        unlocked: Unlocked::None,
        booted: false,
        staged: None,
    })
}

/// Fills `/etc` of a checked-out deployment, with what a person changed in that of `merge_source`, and seals it.
///
/// Returns what the merge did; `None` if there was nothing to merge with.
///
/// # Errors
/// [`MaterializeError`]; `/etc` may be half filled then, and a second call starts anew.
pub fn finish(
    lock: &SysrootLock,
    deployment: &Deployment,
    merge_source: Option<&DeploymentId>,
) -> Result<Option<MergeReport>, MaterializeError> {
    let id = &deployment.id;
    let root = lock.open_deployment(id)?;
    set_immutable(&root, Immutable::Clear)?;
    let report = fill_etc(lock, &root, merge_source)?;
    forget_update_stamps(lock, id, &root)?;
    make_backing(lock, id, &root)?;
    if let Some(origin) = &deployment.origin {
        let origin = origin.to_bytes();
        lock.ostree
            .write_atomic(Trusted(id.origin_path()), origin, 0o644, Durability::Cached)?;
    }
    if let Some(report) = &report {
        merge_record::write(lock, id, report)?;
    }
    if !lock.settings.mutable_deployments {
        set_immutable(&root, Immutable::Set)?;
    }
    Ok(report)
}

/// Copies the default configuration to `/etc` of a deployment that is finished later.
pub(crate) fn copy_default_etc(root: &Dir) -> Result<(), MaterializeError> {
    fill(root, |default, etc| {
        etc_merge::copy_default(default, etc)?;
        Ok(())
    })?;
    Ok(())
}

fn deployments_directory(lock: &SysrootLock, stateroot: &StaterootName) -> Result<Dir, FsError> {
    lock.ostree
        .ensure_dir(Trusted(layout::deployments(stateroot)), 0o755)?;
    lock.ostree
        .open_dir(Trusted(layout::deployments(stateroot)))
}

/// Leaves the default configuration in `/usr/etc` alone, and no `/etc`.
fn settle_etc(root: &Dir, commit: CommitId) -> Result<(), MaterializeError> {
    let has_default = root.exists(Trusted(USR_ETC))?;
    let Some(etc) = root.open_dir_optional(ETC)? else {
        return Ok(());
    };
    match (etc.entries()?.is_empty(), has_default) {
        (true, true) => root.remove_dir(ETC)?,
        (true, false) => {}
        (false, true) => return Err(MaterializeError::TwoEtc { commit }),
        (false, false) => root.rename(ETC, &root.open_dir("usr")?, ETC)?,
    }
    Ok(())
}

fn fill_etc(
    lock: &SysrootLock,
    root: &Dir,
    merge_source: Option<&DeploymentId>,
) -> Result<Option<MergeReport>, MaterializeError> {
    let old = match merge_source {
        Some(id) => {
            let old = lock.open_deployment(id)?;
            old.open_dir_in_root_optional(USR_ETC)?
                .zip(old.open_dir_optional(ETC)?)
        }
        None => None,
    };
    let Some((old_default, person)) = old else {
        copy_default_etc(root)?;
        return Ok(None);
    };
    let report = fill(root, |new_default, etc| {
        let sides = Sides {
            old_default: &old_default,
            person: &person,
            new_default,
        };
        Ok(etc_merge::merge(
            sides,
            etc,
            lock.settings.file_against_directory,
        )?)
    })?;
    Ok(report)
}

/// Calls with the default configuration and a new, empty `/etc`; does nothing in a tree without a default.
fn fill<T>(
    root: &Dir,
    fill: impl FnOnce(&Dir, &Dir) -> Result<T, MaterializeError>,
) -> Result<Option<T>, MaterializeError> {
    let Some(default) = root.open_dir_in_root_optional(USR_ETC)? else {
        return Ok(None);
    };
    root.remove_all(ETC)?;
    root.create_dir(ETC, 0o755)?;
    fill(&default, &root.open_dir(ETC)?).map(Some)
}

/// Gives an empty `/var` of the stateroot the content of the first deployment's, once: later ones don't touch it.
fn seed_var(
    lock: &SysrootLock,
    id: &DeploymentId,
    root: &Dir,
    sink: &dyn Sink,
) -> Result<(), MaterializeError> {
    let stateroot = lock
        .ostree
        .open_dir(Trusted(layout::stateroot(&id.stateroot)))?;
    stateroot.ensure_dir(VAR, 0o755)?;
    let var = stateroot.open_dir(VAR)?;
    if !var.entries()?.is_empty() {
        return Ok(());
    }
    let failed = |source| MaterializeError::Checkout {
        commit: id.commit,
        source,
    };
    // Made beside it and renamed over the empty one: a crash must not leave a part, which would count as seeded.
    stateroot.remove_all(layout::VAR_SEED)?;
    match checkout::find(&lock.repo, id.commit, VAR) {
        Ok(tree @ Target::Directory { .. }) => {
            let options = CheckoutOptions {
                links: Links::Copy,
                ..CheckoutOptions::default()
            };
            checkout::checkout(
                &lock.repo,
                &tree,
                &stateroot,
                layout::VAR_SEED,
                &options,
                sink,
            )
            .map_err(failed)?;
        }
        Ok(Target::File { .. }) | Err(CheckoutError::NoSuchPath { .. }) => {
            stateroot.create_dir(layout::VAR_SEED, 0o755)?;
        }
        Err(error) => return Err(failed(error)),
    }
    if root.open_dir_in_root_optional(TMPFILES)?.is_none() {
        init_legacy_var(&stateroot.open_dir(layout::VAR_SEED)?)?;
    }
    stateroot.rename(layout::VAR_SEED, &stateroot, VAR)?;
    Ok(())
}

fn forget_update_stamps(lock: &SysrootLock, id: &DeploymentId, root: &Dir) -> Result<(), FsError> {
    if let Some(etc) = root.open_dir_optional(ETC)? {
        etc.unlink_optional(UPDATED)?;
    }
    open_var(lock, &id.stateroot)?.unlink_optional(UPDATED)?;
    Ok(())
}

/// Makes the directories of a writable layer that is dropped at the next boot.
fn make_backing(lock: &SysrootLock, id: &DeploymentId, root: &Dir) -> Result<(), FsError> {
    lock.ostree
        .ensure_dir(Trusted(layout::backing(&id.stateroot)), 0o700)?;
    lock.ostree.ensure_dir(Trusted(id.backing_path()), 0o700)?;
    let backing = lock.ostree.open_dir(Trusted(id.backing_path()))?;
    backing.ensure_dir(layout::ROOT_TRANSIENT, 0o700)?;
    let layer = backing.open_dir(layout::ROOT_TRANSIENT)?;
    layer.ensure_dir("work", 0o700)?;
    let mode = root.self_metadata()?.permissions();
    if layer.ensure_dir("upper", mode)? {
        layer.set_mode("upper", mode)?;
    }
    Ok(())
}
