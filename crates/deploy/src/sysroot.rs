//! A system root: its repository, and its deployments in boot order.
//!
//! The boot entries are the source of truth. `/boot/loader` says which of two versions of them is active; each entry's `ostree=` leads
//! through a bootlink to a deployment's directory, and the running one is known by the device and inode of `/`. Nothing here writes, and
//! nothing needs privilege; [`SysrootLock`](crate::SysrootLock) is the way to change a system root.

use std::cmp::Ordering;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use ostler_format::bootlink::{parse_boot_dir, parse_loader_dir};
use ostler_format::origin::{OriginError, Unlocked};
use ostler_format::variant::Value;
use ostler_format::{
    BootEntry, Bootlink, Checksum, ChecksumError, DeploymentName, KernelArgs, KeyFile, Origin,
    StaterootName, Turn,
};
use ostler_fs::{Dir, FsError, Trusted};
use ostler_store::{Repo, StoreError};

use crate::deployment::{Deployment, Staged};
use crate::host::{Host, HostError};
use crate::kernel::LookForDeviceTrees;
use crate::layout::{self, DeploymentId};
use crate::plan::{self, Slot};
use crate::settings::Settings;

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
    #[error("no such stateroot: `{stateroot}`")]
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
    /// Returns what plans need to know.
    #[must_use]
    pub fn slots(&self) -> Vec<Slot> {
        let slot = |deployment: &Deployment| Slot {
            stateroot: deployment.id.stateroot.to_string(),
            booted: deployment.booted,
            pinned: deployment.is_pinned(),
            staged: deployment.staged.is_some(),
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
        let state = Reader {
            ostree: &ostree,
            boot: boot.as_ref(),
            host: &host,
            running,
        }
        .state()?;
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
        self.state = Reader {
            ostree: &self.ostree,
            boot,
            host: &self.host,
            running,
        }
        .state()?;
        Ok(())
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

/// Reads the boot entries and follows them.
struct Reader<'a> {
    ostree: &'a Dir,
    boot: Option<&'a Dir>,
    host: &'a Host,
    running: Option<(u64, u64)>,
}

impl Reader<'_> {
    fn state(&self) -> Result<State, SysrootError> {
        let boot_version = self.boot_version()?;
        let sub_version = read_sub_version(self.ostree, boot_version)?;
        let mut deployments = Vec::new();
        for (name, entry) in self.entries(boot_version)? {
            deployments.push(self.deployment(boot_version, &name, entry)?);
        }
        if self.running.is_some()
            && !deployments
                .iter()
                .any(|deployment: &Deployment| deployment.booted)
        {
            return Err(SysrootError::BootedNotFound {
                entries: self.shown(&layout::entries(boot_version)),
            });
        }
        if self.running.is_some()
            && let Some(staged) = self.staged()?
        {
            deployments.insert(0, staged);
        }
        Ok(State {
            boot_version,
            sub_version,
            deployments,
        })
    }

    fn shown(&self, within_boot: &str) -> String {
        format!("{}/{within_boot}", layout::BOOT)
    }

    fn boot_version(&self) -> Result<Turn, SysrootError> {
        let Some(boot) = self.boot else {
            return Ok(Turn::Zero);
        };
        let damaged = |reason: String| SysrootError::Damaged {
            path: self.shown(layout::LOADER),
            reason,
        };
        match boot.read_link_optional(layout::LOADER)? {
            Some(target) => parse_loader_dir(&String::from_utf8_lossy(&target))
                .map_err(|e| damaged(e.to_string())),
            None if boot.exists(layout::LOADER)? => Err(damaged("not a symbolic link".to_owned())),
            None => Ok(Turn::Zero),
        }
    }

    /// The active entries with their names, first what boots next.
    fn entries(&self, boot_version: Turn) -> Result<Vec<(String, BootEntry)>, SysrootError> {
        let path = layout::entries(boot_version);
        let Some(boot) = self.boot else {
            return Ok(Vec::new());
        };
        let Some(dir) = boot.open_dir_optional(Trusted(&path))? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for entry in dir.entries()?.iter() {
            let Some(name) = entry
                .str_name()
                .filter(|name| name.starts_with("ostree-") && name.ends_with(".conf"))
            else {
                continue;
            };
            if !entry.file_type.is_file() {
                continue;
            }
            let text = dir.read(name, BootEntry::MAX_BYTES as u64)?;
            let parsed = BootEntry::parse(&text).map_err(|e| SysrootError::Damaged {
                path: self.shown(&format!("{path}/{name}")),
                reason: e.to_string(),
            })?;
            found.push((name.to_owned(), parsed));
        }
        found.sort_by(menu_order);
        Ok(found)
    }

    fn deployment(
        &self,
        boot_version: Turn,
        entry_name: &str,
        entry: BootEntry,
    ) -> Result<Deployment, SysrootError> {
        let entry_path = || self.shown(&format!("{}/{entry_name}", layout::entries(boot_version)));
        let damaged = |reason: String| SysrootError::Damaged {
            path: entry_path(),
            reason,
        };
        let link = entry
            .options
            .ostree()
            .ok_or_else(|| damaged("no ostree= kernel argument found".to_owned()))?;
        let link = Bootlink::parse(link).map_err(|e| damaged(e.to_string()))?;
        let link_path = format!(
            "{}/{}",
            layout::bootlinks(link.boot_version),
            link.below_boot_dir()
        );
        let target = self.ostree.read_link(Trusted(&link_path))?;
        let target = String::from_utf8_lossy(&target).into_owned();
        let name = target.rsplit('/').next().unwrap_or_default();
        let bad_link = |reason: String| SysrootError::Damaged {
            path: shown_ostree(&link_path),
            reason,
        };
        let id = deployment_id(&link.stateroot, name).map_err(bad_link)?;
        let dir = self.ostree.open_dir(Trusted(id.path()))?;
        let overlay_initrds = overlay_initrds(&entry).map_err(damaged)?;
        let origin = self.origin(&id)?;
        Ok(Deployment {
            bootcsum: link.bootcsum,
            bootserial: link.bootserial,
            overlay_initrds,
            unlocked: self.unlocked(&id, origin.as_ref()),
            booted: self.running == Some(dir.self_metadata()?.dev_ino()),
            id,
            entry,
            entry_name: Some(entry_name.to_owned()),
            origin,
            staged: None,
        })
    }

    fn origin(&self, id: &DeploymentId) -> Result<Option<Origin>, SysrootError> {
        let path = id.origin_path();
        let Some(text) = self
            .ostree
            .read_optional(Trusted(&path), KeyFile::MAX_BYTES as u64)?
        else {
            return Ok(None);
        };
        Origin::parse(&text)
            .map(Some)
            .map_err(|source| SysrootError::Origin {
                path: shown_ostree(&path),
                source,
            })
    }

    fn unlocked(&self, id: &DeploymentId, origin: Option<&Origin>) -> Unlocked {
        let flag = |name: &str| {
            self.host
                .has_run_file(&format!("{}/{name}", id.run_state()))
        };
        if flag(layout::RUN_UNLOCKED_DEVELOPMENT) {
            Unlocked::Development
        } else if flag(layout::RUN_UNLOCKED_TRANSIENT) {
            Unlocked::Transient
        } else {
            origin
                .and_then(|origin| origin.unlocked().ok())
                .unwrap_or(Unlocked::None)
        }
    }

    fn staged(&self) -> Result<Option<Deployment>, SysrootError> {
        let Some(value) = self.host.staged()? else {
            return Ok(None);
        };
        let Some(target) = value.lookup("target").map(Value::unboxed) else {
            return Ok(None);
        };
        let damaged = |reason: String| SysrootError::Damaged {
            path: self.host.run.join(layout::RUN_STAGED).display().to_string(),
            reason,
        };
        let text = |key: &str| {
            let found = target
                .lookup(key)
                .and_then(|value| value.unboxed().as_str());
            found.ok_or_else(|| damaged(format!("the target has no `{key}`")))
        };
        let stateroot = StaterootName::new(text("osname")?).map_err(|e| damaged(e.to_string()))?;
        let id = deployment_id(&stateroot, text("name")?).map_err(damaged)?;
        let bootcsum = text("bootcsum")?
            .parse()
            .map_err(|e: ChecksumError| damaged(e.to_string()))?;
        let list = |key: &str| {
            value
                .lookup(key)
                .and_then(|value| value.unboxed().as_strings())
                .unwrap_or_default()
        };
        let mut options = KernelArgs::new();
        list("kargs")
            .into_iter()
            .for_each(|karg| options.append(karg));
        let overlays = list("overlay-initrds")
            .into_iter()
            .map(str::parse)
            .collect::<Result<_, _>>();
        let locked = value
            .lookup("locked")
            .and_then(|value| value.unboxed().as_bool())
            .unwrap_or(false)
            || self.host.has_run_file(layout::RUN_STAGED_LOCKED);
        Ok(Some(Deployment {
            bootcsum,
            bootserial: 0,
            entry: BootEntry {
                options,
                ..BootEntry::default()
            },
            entry_name: None,
            overlay_initrds: overlays.map_err(|e: ChecksumError| damaged(e.to_string()))?,
            origin: self.origin(&id)?,
            unlocked: Unlocked::None,
            booted: false,
            staged: Some(Staged { locked }),
            id,
        }))
    }
}

/// Returns device and inode of the deployment that runs, if the system root is the running one.
fn running_root(root: &Dir, host: &Host) -> Result<Option<(u64, u64)>, FsError> {
    let is_running = root.self_metadata()?.dev_ino() == host.root;
    Ok(host
        .booted
        .filter(|_| is_running)
        .map(|booted| booted.backing_root.unwrap_or(host.root)))
}

/// Reads which bootlinks of a boot version are active.
pub(crate) fn read_sub_version(ostree: &Dir, boot_version: Turn) -> Result<Turn, SysrootError> {
    let path = layout::bootlinks(boot_version);
    let Some(target) = ostree.read_link_optional(&path)? else {
        return Ok(Turn::Zero);
    };
    match parse_boot_dir(&String::from_utf8_lossy(&target)) {
        Ok((boot, sub)) if boot == boot_version => Ok(sub),
        Ok(_) => Err(SysrootError::Damaged {
            path: shown_ostree(&path),
            reason: "it leads to another boot version".to_owned(),
        }),
        Err(error) => Err(SysrootError::Damaged {
            path: shown_ostree(&path),
            reason: error.to_string(),
        }),
    }
}

fn shown_ostree(path: &str) -> String {
    format!("{}/{path}", layout::OSTREE)
}

fn menu_order(a: &(String, BootEntry), b: &(String, BootEntry)) -> Ordering {
    BootEntry::menu_order((&a.0, &a.1), (&b.0, &b.1))
}

fn deployment_id(stateroot: &StaterootName, name: &str) -> Result<DeploymentId, String> {
    let parsed = DeploymentName::parse(name).map_err(|e| e.to_string())?;
    Ok(DeploymentId {
        stateroot: stateroot.clone(),
        commit: parsed.commit,
        serial: parsed.serial,
    })
}

/// The initrds after the first are overlays, named by their checksum.
fn overlay_initrds(entry: &BootEntry) -> Result<Vec<Checksum>, String> {
    let overlays = entry.initrds.iter().skip(1);
    overlays
        .map(|path| {
            let name = path.rsplit('/').next().unwrap_or_default();
            let checksum = name.strip_suffix(".img").and_then(|name| name.parse().ok());
            checksum.ok_or_else(|| format!("malformed overlay initrd file name: `{name}`"))
        })
        .collect()
}
