//! Room for kernels in `/boot`.

use std::collections::{HashMap, HashSet};

use ostler_format::Checksum;
use ostler_fs::{Dir, FsError, Trusted};

use crate::deployment::Deployment;
use crate::kernel::{Kernel, KernelError, directory_size, rounded};
use crate::layout::{self, DeploymentId};
use crate::lock::SysrootLock;

/// Left free for boot entries and what the file system takes for directories.
const MARGIN_BYTES: u64 = 1 << 20;

/// `/boot` has too little room, or its content can't be measured; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BootSpaceError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// A deployment's kernel.
    #[error("{0}")]
    Kernel(#[from] KernelError),
    /// There is too little room.
    #[error(
        "/boot has {} free, the new kernels need {}",
        ostler_store::transaction::format_size(*free_bytes),
        ostler_store::transaction::format_size(*needed_bytes)
    )]
    Full {
        /// What is free, in bytes.
        free_bytes: u64,
        /// What kernels, initramfs and device trees need, in bytes, with what must stay free beside them.
        needed_bytes: u64,
        /// Deployments that a person may give up, with the bytes that each frees.
        removable: Vec<(usize, DeploymentId, u64)>,
    },
}

impl BootSpaceError {
    /// Returns the way out, in words.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let Self::Full { removable, .. } = self else {
            return None;
        };
        let Some((index, id, bytes)) = removable.first() else {
            return Some(
                "remove files from /boot that belong to no deployment, or make it larger"
                    .to_owned(),
            );
        };
        let size = ostler_store::transaction::format_size(*bytes);
        Some(format!(
            "`ostler admin undeploy {index}` removes `{id}` and frees {size}; unpin it first if it is pinned"
        ))
    }
}

/// How a boot order's kernels fit into `/boot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// They do.
    Enough,
    /// They do once the kernels of deployments that are not in the order are gone.
    AfterDropping,
}

/// A kernel that is not checked out yet.
pub(super) struct NewKernel {
    pub(super) stateroot: String,
    pub(super) bootcsum: Checksum,
    /// What its files take.
    pub(super) bytes: u64,
    /// Initrds that its deployment adds to its own.
    pub(super) overlays: Vec<Checksum>,
}

/// Whether `/boot` is on the file system of the deployments, so that its files are links to theirs.
pub(crate) fn is_shared(lock: &SysrootLock, boot: &Dir) -> Result<bool, FsError> {
    Ok(boot.self_metadata()?.dev == lock.ostree.self_metadata()?.dev)
}

/// Checks that the kernels of a boot order fit into `/boot` beside those of the present one.
///
/// # Errors
/// [`BootSpaceError::Full`] with the numbers.
pub fn boot_space(
    lock: &SysrootLock,
    boot: &Dir,
    order: &[Deployment],
) -> Result<Room, BootSpaceError> {
    match is_shared(lock, boot)? {
        true => Ok(Room::Enough),
        false => room(lock, boot, order, None),
    }
}

/// As [`boot_space`], with a kernel that is to come.
pub(super) fn room(
    lock: &SysrootLock,
    boot: &Dir,
    order: &[Deployment],
    new: Option<&NewKernel>,
) -> Result<Room, BootSpaceError> {
    let space = boot.space()?;
    let present = present_kernels(boot, space.block_bytes)?;
    let mut needed = HashMap::new();
    if let Some(new) = new {
        needed.insert((new.stateroot.clone(), new.bootcsum), new.bytes);
    }
    for deployment in order {
        let key = key(deployment);
        if !present.contains_key(&key) && !needed.contains_key(&key) {
            let kernel = Kernel::find(
                &lock.open_deployment(&deployment.id)?,
                lock.look_for_device_trees(),
            )?;
            needed.insert(key, kernel.size(space.block_bytes)?);
        }
    }
    needed.retain(|key, _| !present.contains_key(key));
    let stays = |kernel: &(String, Checksum)| {
        order.iter().any(|deployment| key(deployment) == *kernel)
            || new.is_some_and(|new| (&new.stateroot, new.bootcsum) == (&kernel.0, kernel.1))
    };
    let outgoing = present
        .iter()
        .filter(|(kernel, _)| !stays(kernel))
        .map(|(_, bytes)| bytes)
        .sum();
    let keeps_one = lock
        .deployments
        .iter()
        .any(|now| order.iter().any(|next| next.bootcsum == now.bootcsum));
    let droppable = if lock.settings.no_early_prune || !keeps_one {
        0
    } else {
        outgoing
    };
    let overlays = order
        .iter()
        .flat_map(|deployment| &deployment.overlay_initrds);
    let overlays = overlays.chain(new.iter().flat_map(|new| &new.overlays));
    let overlays = missing_overlays(lock, boot, overlays, space.block_bytes)?;
    let needed_bytes = needed.values().sum::<u64>().saturating_add(overlays);
    decide(needed_bytes, space.free_bytes, droppable).ok_or_else(|| BootSpaceError::Full {
        free_bytes: space.free_bytes,
        needed_bytes: needed_bytes + MARGIN_BYTES,
        removable: removable(lock, &present),
    })
}

fn decide(needed_bytes: u64, free_bytes: u64, droppable_bytes: u64) -> Option<Room> {
    if needed_bytes == 0 {
        return Some(Room::Enough);
    }
    let wanted = needed_bytes.saturating_add(MARGIN_BYTES);
    if wanted <= free_bytes {
        Some(Room::Enough)
    } else if wanted <= free_bytes.saturating_add(droppable_bytes) {
        Some(Room::AfterDropping)
    } else {
        None
    }
}

/// What initrds take that wait in `/run` for their place in `/boot`; each counts once.
fn missing_overlays<'a>(
    lock: &SysrootLock,
    boot: &Dir,
    overlays: impl Iterator<Item = &'a Checksum>,
    block_bytes: u64,
) -> Result<u64, FsError> {
    let overlays: HashSet<&Checksum> = overlays.collect();
    let mut total = 0_u64;
    for checksum in overlays {
        let installed = format!("{}/{checksum}.img", layout::BOOT_OVERLAYS);
        if boot.exists(Trusted(installed))? {
            continue;
        }
        let run = Dir::open_ambient_optional(lock.host.run.join(layout::RUN_STAGED_INITRDS))?;
        let waiting = match run {
            Some(run) => run.metadata_optional(checksum.to_hex())?,
            None => None,
        };
        // One that is nowhere is told of where it is installed.
        let size = waiting.map_or(0, |metadata| metadata.size);
        total = total.saturating_add(rounded(size, block_bytes));
    }
    Ok(total)
}

fn key(deployment: &Deployment) -> (String, Checksum) {
    (deployment.id.stateroot.to_string(), deployment.bootcsum)
}

/// The kernels in `/boot` with the bytes that each takes.
fn present_kernels(
    boot: &Dir,
    block_bytes: u64,
) -> Result<HashMap<(String, Checksum), u64>, BootSpaceError> {
    let mut present = HashMap::new();
    let Some(kernels) = boot.open_dir_optional(layout::BOOT_KERNELS)? else {
        return Ok(present);
    };
    for entry in kernels
        .entries()?
        .iter()
        .filter(|entry| entry.file_type.is_dir())
    {
        if let Some((stateroot, bootcsum)) = entry.str_name().and_then(layout::parse_kernel_dir) {
            let bytes = directory_size(&kernels.open_dir(entry.name())?, block_bytes, 0)?;
            present.insert((stateroot.to_owned(), bootcsum), bytes);
        }
    }
    Ok(present)
}

/// Deployments that don't run and whose kernel no other needs, the last of the boot order first.
fn removable(
    lock: &SysrootLock,
    present: &HashMap<(String, Checksum), u64>,
) -> Vec<(usize, DeploymentId, u64)> {
    let alone = |deployment: &Deployment| {
        lock.deployments
            .iter()
            .filter(|other| key(other) == key(deployment))
            .count()
            == 1
    };
    let candidates = lock.deployments.iter().enumerate().rev();
    candidates
        .filter(|(_, deployment)| !deployment.booted && alone(deployment))
        .filter_map(|(index, deployment)| {
            Some((
                index,
                deployment.id.clone(),
                *present.get(&key(deployment))?,
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_fit_with_a_margin_or_after_dropping_or_not() {
        let mib = 1 << 20;
        assert_eq!(decide(0, 0, 0), Some(Room::Enough));
        assert_eq!(decide(10 * mib, 11 * mib, 0), Some(Room::Enough));
        assert_eq!(decide(10 * mib, 11 * mib - 1, 0), None);
        assert_eq!(decide(10 * mib, 11 * mib - 1, 1), Some(Room::AfterDropping));
        assert_eq!(decide(u64::MAX, 11 * mib, 1), None);
    }
}
