//! An unlock that stays: the layer is in the deployment itself, where the first root finds and mounts it at each boot.
//!
//! ```text
//! <deployment>/.usr-ovl-upper    what was written to /usr
//! <deployment>/.usr-ovl-work     the kernel's own; that it is there tells the first root to mount the layer
//! <deployment>.origin            [origin] unlocked=hotfix
//! ```
//! Before it, an untouched copy of the deployment is made to go back to. The origin is written before the layer is made, so that none is
//! mounted that nobody tells of; a hotfix without its layer is what a kill left, and the same verb goes on with it.

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use ostler_format::origin::Unlocked;
use ostler_fs::inode_flags::{Immutable, set_immutable};
use ostler_store::progress::Sink;

use crate::deploy::{self, DeployOptions, Prune};
use crate::deployment::Deployment;
use crate::layout::DeploymentId;
use crate::lock::SysrootLock;
use crate::origin_file;
use crate::plan::{Position, Retain};

use super::{
    Detached, Dir, FsError, Overlay, Places, UnlockError, Writable, make_layer, refuse_if_covered,
};

const UPPER: &str = ".usr-ovl-upper";
const WORK: &str = ".usr-ovl-work";

/// A thread that stays where everybody sees the mounts, while the lock of the system root may be had in a namespace of its own.
#[derive(Debug)]
pub struct Outside {
    places: Places,
    give: Sender<Detached>,
    thread: JoinHandle<Result<(), FsError>>,
}

impl Outside {
    /// Starts the thread; call it before the system root is locked.
    #[must_use]
    pub fn stay(places: Places) -> Self {
        let (give, take) = channel::<Detached>();
        let usr = places.usr.clone();
        let thread = std::thread::spawn(move || match take.recv() {
            Ok(mount) => mount.attach(usr),
            // Nothing was made that could be shown.
            Err(_) => Ok(()),
        });
        Self {
            places,
            give,
            thread,
        }
    }

    fn attach(self, mount: Detached) -> Result<(), FsError> {
        // It waits for this, so it takes it.
        let _ = self.give.send(mount);
        drop(self.give);
        match self.thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Makes `/usr` of the running deployment writable for good, and returns the deployment to go back to; `None` if an interrupted call had
/// made it already.
///
/// # Errors
/// [`UnlockError`]; `/usr` and the origin are as before then.
pub fn hotfix(
    lock: &mut SysrootLock,
    outside: Outside,
    sink: &dyn Sink,
) -> Result<Option<DeploymentId>, UnlockError> {
    let booted = lock.require_booted()?.clone();
    refuse_if_covered(booted.unlocked, Unlocked::Hotfix, &outside.places)?;
    let back = match booted.unlocked {
        Unlocked::Hotfix => None,
        _ => Some(copy(lock, &booted, sink)?),
    };
    write_state(lock, &booted, Unlocked::Hotfix)?;
    let shown = make(lock, &booted, &outside.places).and_then(|mount| outside.attach(mount));
    if let Err(error) = shown {
        unmake(lock, &booted)?;
        return Err(error.into());
    }
    lock.sysroot_mut().reload()?;
    Ok(back)
}

/// Deploys the same commit right after the running deployment; what waits for the next boot stays.
fn copy(
    lock: &mut SysrootLock,
    booted: &Deployment,
    sink: &dyn Sink,
) -> Result<DeploymentId, UnlockError> {
    let options = DeployOptions {
        stateroot: Some(booted.id.stateroot.clone()),
        origin: booted.origin.clone(),
        retain: Retain {
            pending: true,
            ..Retain::default()
        },
        position: Position::AfterCurrent,
        prune: Prune::Nothing,
        ..DeployOptions::default()
    };
    Ok(deploy::deploy(lock, booted.id.commit, &options, sink)?.id)
}

fn write_state(
    lock: &SysrootLock,
    booted: &Deployment,
    state: Unlocked,
) -> Result<(), UnlockError> {
    let mut origin = booted.origin.clone().unwrap_or_default();
    origin.set_unlocked(state)?;
    Ok(origin_file::write(lock, &booted.id, &origin)?)
}

fn make(lock: &SysrootLock, booted: &Deployment, places: &Places) -> Result<Detached, FsError> {
    let usr = Dir::open_ambient(&places.usr)?;
    change(lock, booted, |root| {
        make_layer(root, [UPPER, WORK], &usr)?;
        root.sync()
    })?;
    let root = lock.deployment_path(&booted.id);
    let overlay = Overlay {
        lower: &places.usr,
        upper: &root.join(UPPER),
        work: &root.join(WORK),
    };
    overlay.mount(Writable::Yes)
}

fn unmake(lock: &SysrootLock, booted: &Deployment) -> Result<(), UnlockError> {
    change(lock, booted, |root| {
        root.remove_all(WORK)?;
        root.remove_all(UPPER)?;
        Ok(())
    })?;
    write_state(lock, booted, Unlocked::None)
}

/// Opens the sealed root of the deployment for a change, and seals it again.
fn change(
    lock: &SysrootLock,
    booted: &Deployment,
    change: impl FnOnce(&Dir) -> Result<(), FsError>,
) -> Result<(), FsError> {
    let root = lock.open_deployment(&booted.id)?;
    set_immutable(&root, Immutable::Clear)?;
    let changed = change(&root);
    if !lock.settings.mutable_deployments {
        set_immutable(&root, Immutable::Set)?;
    }
    changed
}
