//! Puts defaults back in `/etc` of a deployment.
//!
//! Everything that is asked for is checked before anything changes. Then path by path: each file and symlink is replaced in one step, with
//! content, owner, mode and attributes of the default, so a crash leaves some paths restored and none half restored.

use std::collections::BTreeSet;

use ostler_fs::{Access, Dir, FsError, LinkPolicy, file};

use crate::etc_merge::{
    Content, EtcMergeError, Node, Snapshot, Snapshots, copy_dir_attributes, copy_regular,
    copy_symlink, parents, replace_dir_attributes, shown, split_path,
};
use crate::layout::DeploymentId;
use crate::lock::SysrootLock;

/// What the copy of a person's file ends in.
pub const KEPT_SUFFIX: &str = ".old";

/// Defaults that were not put back; nothing was changed unless it is [`RestoreError::Fs`].
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The trees could not be compared.
    #[error("{0}")]
    Read(#[from] EtcMergeError),
    /// The tree has no default configuration.
    #[error("deployment `{deployment}` has no usr/etc")]
    NoDefaults {
        /// The deployment.
        deployment: Box<DeploymentId>,
    },
    /// It names nothing below `/etc`.
    #[error("`{path}` is no path below /etc")]
    OutsideEtc {
        /// As it was given.
        path: String,
    },
    /// There is nothing to put back.
    #[error("`/etc/{path}` has no default")]
    NoDefault {
        /// The path below `/etc`.
        path: String,
    },
    /// All that is in a directory was not asked for.
    #[error("`/etc/{path}` is a directory")]
    IsDirectory {
        /// The path below `/etc`.
        path: String,
    },
    /// A file stands where the default has a directory, or the other way round.
    #[error("`/etc/{path}` is in the way: it is not of the kind that the default is")]
    InTheWay {
        /// The path below `/etc`.
        path: String,
    },
    /// There is a file by the name that the copy of the person's would get.
    #[error("`/etc/{path}` is there already")]
    CopyExists {
        /// The path below `/etc`.
        path: String,
    },
}

/// Whether a directory stands for all that is in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Directories {
    /// It is refused.
    #[default]
    Refuse,
    /// What was changed or removed in it is put back; what was added to it stays.
    WithContents,
}

/// What becomes of the person's file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Yours {
    /// It is gone.
    #[default]
    Replace,
    /// It stays beside the default, under its name and [`KEPT_SUFFIX`].
    Keep,
}

/// One path that is put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreStep {
    /// A directory is made.
    MakeDir(Vec<u8>),
    /// A directory gets the default's owner, mode and attributes.
    SetAttributes(Vec<u8>),
    /// A file or symlink takes the place of what is there.
    Replace {
        /// The path below `/etc`.
        path: Vec<u8>,
        /// What is there is kept under this name, in the same directory.
        keep_as: Option<Vec<u8>>,
    },
}

impl RestoreStep {
    /// Returns the path below `/etc` as text.
    #[must_use]
    pub fn shown_path(&self) -> String {
        match self {
            Self::MakeDir(path) | Self::SetAttributes(path) | Self::Replace { path, .. } => {
                shown(path)
            }
        }
    }

    /// Returns the path of the copy that is kept, as text.
    #[must_use]
    pub fn shown_copy(&self) -> Option<String> {
        match self {
            Self::Replace {
                path,
                keep_as: Some(name),
            } => {
                let (parent, _) = split_path(path);
                Some(match parent {
                    b"." => shown(name),
                    parent => format!("{}/{}", shown(parent), shown(name)),
                })
            }
            _ => None,
        }
    }
}

/// Reads a path as a person gives it, `/etc/a/b` or `a/b`, and returns the part below `/etc`; empty for `/etc` itself.
///
/// # Errors
/// [`RestoreError::OutsideEtc`].
pub fn path_in_etc(given: &str) -> Result<Vec<u8>, RestoreError> {
    let outside = || RestoreError::OutsideEtc {
        path: given.to_owned(),
    };
    let below = match given.strip_prefix('/') {
        None => given,
        Some(rest) => match rest.trim_end_matches('/') {
            "etc" => return Ok(Vec::new()),
            _ => rest.strip_prefix("etc/").ok_or_else(outside)?,
        },
    };
    let parts: Vec<&str> = below
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if parts.contains(&"..") || below.contains('\0') {
        return Err(outside());
    }
    Ok(parts.join("/").into_bytes())
}

/// Puts the defaults of `paths`, below `/etc`, back in a deployment, and returns what was done. Each file is durable when it has its name.
///
/// # Errors
/// [`RestoreError`].
pub fn restore(
    lock: &SysrootLock,
    id: &DeploymentId,
    paths: &[Vec<u8>],
    directories: Directories,
    yours: Yours,
) -> Result<Vec<RestoreStep>, RestoreError> {
    let root = lock.open_deployment(id)?;
    let default = root.open_dir_in_root_optional("usr/etc")?;
    let default = default.ok_or_else(|| RestoreError::NoDefaults {
        deployment: Box::new(id.clone()),
    })?;
    let etc = root.open_dir("etc")?;
    let (defaults, person) = Snapshots::read_two(&default, &etc).map_err(EtcMergeError::from)?;
    let steps = plan_restore(&defaults, &person, paths, directories, yours)?;
    for step in &steps {
        apply(step, &default, &etc)?;
    }
    Ok(steps)
}

/// Decides what is done to put `paths` back.
///
/// # Errors
/// [`RestoreError`], but for those of reading.
pub fn plan_restore(
    defaults: &Snapshot,
    person: &Snapshot,
    paths: &[Vec<u8>],
    directories: Directories,
    yours: Yours,
) -> Result<Vec<RestoreStep>, RestoreError> {
    let mut planner = Planner {
        defaults,
        person,
        yours,
        seen: BTreeSet::new(),
        steps: Vec::new(),
    };
    for path in paths {
        let named = match path.is_empty() {
            true => None,
            false => Some(
                defaults
                    .get(path)
                    .ok_or_else(|| RestoreError::NoDefault { path: shown(path) })?,
            ),
        };
        match named {
            Some(node) if !node.is_dir() => planner.one(path, node, Asked::ByName)?,
            _ if directories == Directories::Refuse => {
                return Err(RestoreError::IsDirectory { path: shown(path) });
            }
            Some(node) => {
                planner.one(path, node, Asked::ByName)?;
                planner.below(path)?;
            }
            None => planner.below(path)?,
        }
    }
    Ok(planner.steps)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The path itself was given: attributes that no comparison sees are put back too.
    ByName,
    /// A directory above it was.
    ByDirectory,
}

struct Planner<'a> {
    defaults: &'a Snapshot,
    person: &'a Snapshot,
    yours: Yours,
    seen: BTreeSet<Vec<u8>>,
    steps: Vec<RestoreStep>,
}

impl Planner<'_> {
    fn below(&mut self, path: &[u8]) -> Result<(), RestoreError> {
        let defaults = self.defaults;
        if path.is_empty() {
            return defaults
                .iter()
                .try_for_each(|(inner, node)| self.one(inner, node, Asked::ByDirectory));
        }
        defaults
            .below(path)
            .try_for_each(|(inner, node)| self.one(inner, node, Asked::ByDirectory))
    }

    fn one(&mut self, path: &[u8], node: &Node, asked: Asked) -> Result<(), RestoreError> {
        if matches!(node.content, Content::Special(_)) || !self.seen.insert(path.to_vec()) {
            return Ok(());
        }
        let there = self.person.get(path);
        let in_the_way = |path: &[u8]| RestoreError::InTheWay { path: shown(path) };
        if there.is_some_and(|there| there.is_dir() != node.is_dir()) {
            return Err(in_the_way(path));
        }
        let as_it_was = asked == Asked::ByDirectory && there.is_some_and(|there| there.same(node));
        if as_it_was && !node.is_dir() {
            return Ok(());
        }
        for parent in parents(path) {
            match self.person.get(parent) {
                Some(there) if there.is_dir() => (),
                Some(_) => return Err(in_the_way(parent)),
                None if self.seen.insert(parent.to_vec()) => {
                    self.steps.push(RestoreStep::MakeDir(parent.to_vec()));
                }
                None => (),
            }
        }
        match (node.is_dir(), there) {
            (true, None) => self.steps.push(RestoreStep::MakeDir(path.to_vec())),
            (true, Some(there)) if there == node => (),
            (true, Some(_)) => self.steps.push(RestoreStep::SetAttributes(path.to_vec())),
            (false, there) => {
                let keep_as = match there.is_some_and(|there| !there.same(node)) {
                    true => self.copy_name(path)?,
                    false => None,
                };
                let path = path.to_vec();
                self.steps.push(RestoreStep::Replace { path, keep_as });
            }
        }
        Ok(())
    }

    fn copy_name(&self, path: &[u8]) -> Result<Option<Vec<u8>>, RestoreError> {
        if self.yours == Yours::Replace {
            return Ok(None);
        }
        let copy = [path, KEPT_SUFFIX.as_bytes()].concat();
        if self.person.get(&copy).is_some() || self.defaults.get(&copy).is_some() {
            return Err(RestoreError::CopyExists { path: shown(&copy) });
        }
        Ok(Some(split_path(&copy).1.to_vec()))
    }
}

fn apply(step: &RestoreStep, default: &Dir, etc: &Dir) -> Result<(), FsError> {
    match step {
        RestoreStep::MakeDir(path) => {
            let (parent, name) = split_path(path);
            let parent = etc.open_dir_beneath(parent)?;
            parent.create_dir(name, 0o700)?;
            copy_dir_attributes(
                &default.open_dir_beneath(path.as_slice())?,
                &parent.open_dir(name)?,
            )?;
            parent.sync()
        }
        RestoreStep::SetAttributes(path) => {
            let target = etc.open_dir_beneath(path.as_slice())?;
            replace_dir_attributes(&default.open_dir_beneath(path.as_slice())?, &target)?;
            target.sync()
        }
        RestoreStep::Replace { path, keep_as } => {
            let (parent, name) = split_path(path);
            let from_dir = default.open_dir_beneath(parent)?;
            let target = etc.open_dir_beneath(parent)?;
            if let Some(copy) = keep_as {
                target.hard_link(name, &target, copy.as_slice())?;
            }
            if from_dir.metadata(name)?.is_symlink() {
                copy_symlink(&from_dir, name, &target)?;
            } else {
                let from = from_dir.open_file(name, Access::Read)?;
                let copied = copy_regular(&from, &file::metadata(&from)?, &target)?;
                copied.sync()?;
                copied.link_into(&target, name, LinkPolicy::Replace)?;
            }
            target.sync()
        }
    }
}
