//! From boot entries to deployments.

use std::cmp::Ordering;

use ostler_format::bootlink::{parse_boot_dir, parse_loader_dir};
use ostler_format::origin::Unlocked;
use ostler_format::variant::Value;
use ostler_format::{
    BootEntry, Bootlink, Checksum, ChecksumError, DeploymentName, KernelArgs, KeyFile, Origin,
    StaterootName, Turn,
};
use ostler_fs::{Dir, FsError, Trusted};

use ostler_bootloader::systemd_boot;

use crate::boot_form::BootForm;
use crate::deployment::{Deployment, Staged};
use crate::host::Host;
use crate::layout::{self, DeploymentId};

use super::{State, SysrootError};

/// Reads the boot entries and follows them.
pub(super) struct Reader<'a> {
    pub(super) ostree: &'a Dir,
    pub(super) boot: Option<&'a Dir>,
    pub(super) form: BootForm,
    pub(super) host: &'a Host,
    pub(super) running: Option<(u64, u64)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        ostree: &'a Dir,
        boot: Option<&'a Dir>,
        host: &'a Host,
        running: Option<(u64, u64)>,
    ) -> Result<Self, FsError> {
        Ok(Self {
            ostree,
            boot,
            form: boot.map_or(Ok(BootForm::Linked), BootForm::of)?,
            host,
            running,
        })
    }

    pub(super) fn state(&self) -> Result<State, SysrootError> {
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
                entries: self.shown(&self.form.entries(boot_version)),
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
        if self.form == BootForm::Flat {
            return self.flat_boot_version(boot);
        }
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

    /// Without a word in `loader.conf` a boot loader takes the entry with the highest name.
    fn flat_boot_version(&self, boot: &Dir) -> Result<Turn, SysrootError> {
        if let Some(version) = systemd_boot::active(boot)? {
            return Ok(version);
        }
        let names = match boot.open_dir_beneath_optional(Trusted(layout::FLAT_ENTRIES))? {
            Some(dir) => dir.entries()?,
            None => return Ok(Turn::Zero),
        };
        let mut names = names.iter().filter_map(|entry| entry.str_name());
        match names.any(|name| self.form.is_entry(name, Turn::One)) {
            true => Ok(Turn::One),
            false => Ok(Turn::Zero),
        }
    }

    /// The active entries with their names, first what boots next.
    pub(super) fn entries(
        &self,
        boot_version: Turn,
    ) -> Result<Vec<(String, BootEntry)>, SysrootError> {
        let path = self.form.entries(boot_version);
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
                .filter(|name| self.form.is_entry(name, boot_version))
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
        let entry_path =
            || self.shown(&format!("{}/{entry_name}", self.form.entries(boot_version)));
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
                other: staged_annotations(&value),
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

fn staged_annotations(description: &Value) -> Vec<(String, String)> {
    let found = description.lookup(layout::STAGED_ANNOTATIONS);
    let entries = found.and_then(|found| found.unboxed().items());
    let text = |entry: &Value| {
        let (key, value) = entry.as_entry()?;
        Some((key.as_str()?.to_owned(), value.as_str()?.to_owned()))
    };
    entries
        .unwrap_or_default()
        .iter()
        .filter_map(text)
        .collect()
}

/// Returns device and inode of the deployment that runs, if the system root is the running one.
pub(super) fn running_root(root: &Dir, host: &Host) -> Result<Option<(u64, u64)>, FsError> {
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
