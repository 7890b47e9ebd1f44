//! Changes of the boot order that make no new deployment: undeploy, set-default, rollback, drop.

use ostler_format::StaterootName;

use crate::cleanup::{self, CleanupError};
use crate::deployment::Deployment;
use crate::host_file::HostFileError;
use crate::layout::DeploymentId;
use crate::lock::SysrootLock;
use crate::plan::{self, Next, PlanError, Wish};
use crate::publish::{self, PublishError, Published};
use crate::trials::{self, TrialError};

/// The boot order could not be changed; the old one is in place unless only the cleanup failed.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The wish.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// The host file, for what should stay.
    #[error("{0}")]
    HostFile(#[from] HostFileError),
    /// Nothing says what should stay.
    #[error("no retention policy is set for stateroot `{stateroot}`")]
    NoPolicy {
        /// The stateroot.
        stateroot: StaterootName,
    },
    /// The trial of what a person chose; the new order is in place.
    #[error("{0}")]
    Trial(#[from] TrialError),
    /// The new order.
    #[error("{0}")]
    Publish(#[from] PublishError),
    /// What it replaced.
    #[error("performing final cleanup: {0}")]
    Cleanup(#[from] CleanupError),
}

/// What a change did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderChange {
    /// The publication; `None` if the order was in place already.
    pub published: Option<Published>,
    /// The deployments that are gone.
    pub removed: Vec<DeploymentId>,
    /// Bytes of objects that were removed with them.
    pub bytes_freed: u64,
}

/// Makes the boot order what a person's wish without a new deployment asks for, and removes what it leaves. Which deployment boots next is their
/// choice then, and no trial.
///
/// # Errors
/// [`OrderError`].
pub fn change(lock: &mut SysrootLock, wish: &Wish) -> Result<OrderChange, OrderError> {
    let before = lock.deployments.first().map(|first| first.id.clone());
    let order = plan::plan(&lock.slots(), wish)?;
    let change = carry_out(lock, &order)?;
    if matches!(wish, Wish::MakeDefault(_) | Wish::Rollback { .. }) {
        trials::chosen(lock, before.as_ref())?;
    }
    Ok(change)
}

/// Makes the boot order what no person asked for, in a system that has little time; what it leaves is for the next cleanup.
pub(crate) fn change_unasked(lock: &mut SysrootLock, wish: &Wish) -> Result<(), OrderError> {
    let order = plan::plan(&lock.slots(), wish)?;
    let next = arrange(&lock.deployments, &order, None);
    publish::publish(lock, &next)?;
    Ok(())
}

/// Removes the deployments of a stateroot that its retention policy does not hold, and that need not stay for another reason.
///
/// # Errors
/// [`OrderError`].
pub fn expire(
    lock: &mut SysrootLock,
    stateroot: &StaterootName,
) -> Result<OrderChange, OrderError> {
    if !lock.retention(stateroot)?.is_set() {
        let stateroot = stateroot.clone();
        return Err(OrderError::NoPolicy { stateroot });
    }
    let wish = Wish::Expire {
        stateroot: stateroot.to_string(),
    };
    let order = plan::plan(&lock.slots_beside(stateroot, None)?, &wish)?;
    carry_out(lock, &order)
}

fn carry_out(lock: &mut SysrootLock, order: &[Next]) -> Result<OrderChange, OrderError> {
    let next = arrange(&lock.deployments, order, None);
    let before: Vec<DeploymentId> = lock
        .deployments
        .iter()
        .map(|deployment| deployment.id.clone())
        .collect();
    let published = publish::publish(lock, &next)?;
    let bytes_freed = cleanup::full(lock)?.bytes_freed;
    let stays = |id: &DeploymentId| {
        lock.deployments
            .iter()
            .any(|deployment| deployment.id == *id)
    };
    let removed = before.into_iter().filter(|id| !stays(id)).collect();
    Ok(OrderChange {
        published,
        removed,
        bytes_freed,
    })
}

/// Puts deployments in the order of a plan.
pub(crate) fn arrange(
    now: &[Deployment],
    order: &[Next],
    new: Option<&Deployment>,
) -> Vec<Deployment> {
    order
        .iter()
        .filter_map(|next| match next {
            Next::Keep(index) => now.get(*index).cloned(),
            Next::New => new.cloned(),
        })
        .collect()
}
