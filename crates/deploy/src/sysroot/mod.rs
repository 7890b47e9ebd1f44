//! A system root: its repository, and its deployments in boot order.
//!
//! The boot entries are the source of truth. `/boot/loader`, or on FAT its `loader.conf`, says which of two versions of them is active; each entry's `ostree=` leads
//! through a bootlink to a deployment's directory, and the running one is known by the device and inode of `/`. Nothing here writes, and
//! nothing needs privilege; [`SysrootLock`](crate::SysrootLock) is the way to change a system root.

mod held;
mod read;

use std::ops::Deref;
use std::path::{Path, PathBuf};

use ostler_format::origin::OriginError;
use ostler_format::{BootEntry, StaterootName, Turn};
use ostler_fs::{Dir, FsError, Trusted};
use ostler_store::{Repo, StoreError};

use crate::deployment::Deployment;
use crate::host::{Host, HostError};
use crate::kernel::LookForDeviceTrees;
use crate::layout::{self, DeploymentId};
use crate::plan::{self, Slot};
use crate::settings::Settings;

use read::{Reader, running_root};

pub(crate) use read::read_sub_version;

/// A system root that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SysrootError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The repository.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The running system.
    #[error("{0}")]
    Host(#[from] HostError),
    /// There is no repository below the path.
    #[error("`{path}` is no system root: it has no `ostree/repo`")]
    NotASysroot {
        /// The path that was given.
        path: PathBuf,
    },
    /// A link, name or entry is not what it should be.
    #[error("`{path}`: {reason}")]
    Damaged {
        /// Its path, relative to the system root.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An origin file.
    #[error("`{path}`: {source}")]
    Origin {
        /// Its path, relative to the system root.
        path: String,
        /// What is wrong with it.
        source: OriginError,
    },
    /// The system says that it was booted from a deployment, and no boot entry leads there.
    #[error("the system was booted from a deployment that no boot entry in `{entries}` leads to")]
    BootedNotFound {
        /// The directory of the active entries.
        entries: String,
    },
    /// A verb that needs a booted deployment.
    #[error("not currently booted into an OSTree system")]
    NotBooted,
    /// A verb that needs a stateroot was given none, and none is booted.
    #[error("not currently booted into an OSTree system, and no stateroot was given")]
    NoStateroot,
    /// No deployment has the index.
    #[error("no deployment has index {index}: out of range, expected < {count}")]
    OutOfRange {
        /// The index that was asked for.
        index: usize,
        /// How many deployments there are.
        count: usize,
    },
    /// The stateroot was never made.
    #[error("No such stateroot: {stateroot}")]
    NoSuchStateroot {
        /// Its name.
        stateroot: StaterootName,
    },
}

/// The deployments of a system root at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Which boot entries are active.
    pub boot_version: Turn,
    /// Which bootlinks of them are active.
    pub sub_version: Turn,
    /// The boot order: the first one boots next. A staged one comes first.
    pub deployments: Vec<Deployment>,
}

impl State {
    /// Returns what plans need to know, with nothing held by a policy.
    #[must_use]
    pub fn slots(&self) -> Vec<Slot> {
        let slot = |deployment: &Deployment| Slot {
            stateroot: deployment.id.stateroot.to_string(),
            booted: deployment.booted,
            pinned: deployment.is_pinned(),
            staged: deployment.staged.is_some(),
            held: false,
        };
        self.deployments.iter().map(slot).collect()
    }

    /// Returns the deployment that the running system was booted from.
    #[must_use]
    pub fn booted(&self) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.booted)
    }

    /// Returns the deployment that is finished at shutdown.
    #[must_use]
    pub fn staged(&self) -> Option<&Deployment> {
        self.deployments
            .iter()
            .find(|deployment| deployment.staged.is_some())
    }

    /// Returns the deployment at an index.
    ///
    /// # Errors
    /// [`SysrootError::OutOfRange`].
    pub fn at(&self, index: usize) -> Result<&Deployment, SysrootError> {
        let count = self.deployments.len();
        self.deployments
            .get(index)
            .ok_or(SysrootError::OutOfRange { index, count })
    }

    /// Returns the stateroot that was given, or else the booted one.
    ///
    /// # Errors
    /// [`SysrootError::NoStateroot`].
    pub fn stateroot_or_booted(
        &self,
        given: Option<&StaterootName>,
    ) -> Result<StaterootName, SysrootError> {
        given
            .or(self.booted().map(|deployment| &deployment.id.stateroot))
            .cloned()
            .ok_or(SysrootError::NoStateroot)
    }

    /// Returns the deployment whose `/etc` and kernel arguments a new one of `stateroot` takes.
    #[must_use]
    pub fn merge_source(&self, stateroot: &StaterootName) -> Option<&Deployment> {
        plan::merge_source(&self.slots(), stateroot.as_str()).map(|index| &self.deployments[index])
    }

    /// Returns the deployment of a stateroot that boots next, if the stateroot does; staged ones count.
    #[must_use]
    pub fn next_of(&self, stateroot: &StaterootName) -> Option<&Deployment> {
        let mut all = self.deployments.iter();
        all.find(|deployment| deployment.id.stateroot == *stateroot)
    }

    /// Returns the indices of the pending and the rollback deployment of the booted stateroot; both are `None` where none is booted.
    #[must_use]
    pub fn pending_and_rollback(&self) -> (Option<usize>, Option<usize>) {
        self.booted().map_or((None, None), |booted| {
            plan::pending_and_rollback(&self.slots(), booted.id.stateroot.as_str())
        })
    }
}

/// An opened system root.
#[derive(Debug)]
pub struct Sysroot {
    /// `/ostree`; on a running system it is reached through a symlink.
    pub(crate) ostree: Dir,
    pub(crate) path: PathBuf,
    pub(crate) boot: Option<Dir>,
    pub(crate) repo: Repo,
    pub(crate) settings: Settings,
    pub(crate) host: Host,
    /// Device and inode of the running deployment, if the running system is this one.
    running: Option<(u64, u64)>,
    state: State,
}

impl Deref for Sysroot {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl Sysroot {
    /// Opens the system root at `path` and reads its deployments.
    ///
    /// # Errors
    /// [`SysrootError`] names the file that is not what it should be.
    pub fn open(path: impl AsRef<Path>, settings: Settings) -> Result<Self, SysrootError> {
        Self::open_on(path, settings, Host::read()?)
    }

    /// As [`Sysroot::open`], on a running system that is described by `host`.
    ///
    /// # Errors
    /// As [`Sysroot::open`].
    pub fn open_on(
        path: impl AsRef<Path>,
        settings: Settings,
        host: Host,
    ) -> Result<Self, SysrootError> {
        let path = path.as_ref().to_owned();
        let root = Dir::open_ambient(&path)?;
        let Some(ostree) = root.open_dir_optional(Trusted(format!("{}/.", layout::OSTREE)))? else {
            return Err(SysrootError::NotASysroot { path });
        };
        let Some(repo) = ostree.open_dir_optional(layout::REPO)? else {
            return Err(SysrootError::NotASysroot { path });
        };
        let repo = Repo::open_dir(repo, path.join(layout::OSTREE).join(layout::REPO))?;
        let boot = root.open_dir_in_root_optional(layout::BOOT)?;
        let running = running_root(&root, &host)?;
        let state = Reader::new(&ostree, boot.as_ref(), &host, running)?.state()?;
        Ok(Self {
            ostree,
            path,
            boot,
            repo,
            settings,
            host,
            running,
            state,
        })
    }

    /// Reads the deployments again.
    ///
    /// # Errors
    /// As [`Sysroot::open`]; what was read before stays then.
    pub fn reload(&mut self) -> Result<(), SysrootError> {
        let (boot, running) = (self.boot.as_ref(), self.running);
        self.state = Reader::new(&self.ostree, boot, &self.host, running)?.state()?;
        Ok(())
    }

    /// Reads the boot entries of a boot version, active or not, the default first.
    ///
    /// # Errors
    /// As [`Sysroot::open`].
    pub fn boot_entries(&self, version: Turn) -> Result<Vec<BootEntry>, SysrootError> {
        let boot = self.boot.as_ref();
        let reader = Reader::new(&self.ostree, boot, &self.host, self.running)?;
        let entries = reader.entries(version)?.into_iter();
        Ok(entries.map(|(_, entry)| entry).collect())
    }

    /// Returns the path that it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the system repository.
    #[must_use]
    pub fn repo(&self) -> &Repo {
        &self.repo
    }

    /// Returns the deployments.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Returns the running system that it was opened on.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the full path of a deployment's root.
    #[must_use]
    pub fn deployment_path(&self, id: &DeploymentId) -> PathBuf {
        self.path.join(layout::OSTREE).join(id.path())
    }

    /// Opens a deployment's root.
    ///
    /// # Errors
    /// [`FsError`] if it is gone.
    pub fn open_deployment(&self, id: &DeploymentId) -> Result<Dir, FsError> {
        self.ostree.open_dir(Trusted(id.path()))
    }

    /// Makes sure that a stateroot exists.
    ///
    /// # Errors
    /// [`SysrootError::NoSuchStateroot`].
    pub fn require_stateroot(&self, stateroot: &StaterootName) -> Result<(), SysrootError> {
        match self.ostree.exists(Trusted(layout::stateroot(stateroot)))? {
            true => Ok(()),
            false => Err(SysrootError::NoSuchStateroot {
                stateroot: stateroot.clone(),
            }),
        }
    }

    /// Returns the running deployment.
    ///
    /// # Errors
    /// [`SysrootError::NotBooted`].
    pub fn require_booted(&self) -> Result<&Deployment, SysrootError> {
        self.booted().ok_or(SysrootError::NotBooted)
    }

    pub(crate) fn look_for_device_trees(&self) -> LookForDeviceTrees {
        match self.settings.no_device_trees {
            true => LookForDeviceTrees::No,
            false => LookForDeviceTrees::Yes,
        }
    }
}
