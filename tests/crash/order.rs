//! What a power cut may lose: the order in which a command writes, syncs and names.
//!
//! A [`Disk`] knows of each file and name whether a power cut could still lose it. At the steps that others rely on, such as
//! the move of a ref, the tests look at what is not safe yet.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostler_tests::trace::{Call, Fate, Step, run};

/// What has been written and not synced.
#[derive(Default)]
pub(crate) struct Disk {
    /// Files whose content or attributes changed.
    data: BTreeSet<PathBuf>,
    /// Names that appeared or went.
    names: BTreeSet<PathBuf>,
}

impl Disk {
    /// Takes note of a step, after it was looked at.
    fn step(&mut self, step: &Step) {
        match (step.call, &step.to) {
            (Call::SyncFileSystem, _) => *self = Self::default(),
            (Call::SyncFile, _) => {
                self.data.remove(&step.path);
                self.names.retain(|name| name.parent() != Some(&step.path));
            }
            (Call::Write | Call::Attribute, _) => {
                self.data.insert(step.path.clone());
            }
            (Call::Remove, _) => {
                self.data.remove(&step.path);
                self.names.insert(step.path.clone());
            }
            (Call::Create | Call::Make, _) => self.names.extend(step.appears().map(Path::to_owned)),
            (Call::Link, Some(to)) => {
                self.names.insert(to.clone());
                if self.data.contains(&step.path) {
                    self.data.insert(to.clone());
                }
            }
            (Call::Rename, Some(to)) => {
                self.data = moved(&self.data, &step.path, to);
                self.names = moved(&self.names, &step.path, to);
                self.names.extend([step.path.clone(), to.clone()]);
            }
            (Call::Link | Call::Rename, None) => {}
        }
    }

    /// What a power cut could lose below `folder`.
    pub(crate) fn unsafe_below(&self, folder: &Path) -> Vec<&Path> {
        let all = self.data.iter().chain(&self.names);
        all.map(PathBuf::as_path)
            .filter(|path| path.starts_with(folder))
            .collect()
    }

    /// Whether a power cut can lose nothing of the content at `path`.
    pub(crate) fn has_safe_data(&self, path: &Path) -> bool {
        !self.data.contains(path)
    }

    /// Whether a power cut can't bring the name back, or take it away.
    pub(crate) fn has_safe_name(&self, path: &Path) -> bool {
        !self.names.contains(path)
    }
}

/// What is unsafe below the old name of a folder is so below the new one.
fn moved(paths: &BTreeSet<PathBuf>, from: &Path, to: &Path) -> BTreeSet<PathBuf> {
    let renamed = |path: &PathBuf| match path.strip_prefix(from) {
        Ok(below) if below.as_os_str().is_empty() => to.to_owned(),
        Ok(below) => to.join(below),
        Err(_) => path.clone(),
    };
    paths.iter().map(renamed).collect()
}

/// Runs a command to its end; `look` sees each step with the disk as it is before it.
///
/// Returns the disk as it is when the command has ended.
pub(crate) fn watch(command: &Command, mut look: impl FnMut(&Disk, &Step)) -> Disk {
    let traced = run(command, |_| Fate::Live);
    assert!(traced.status.success(), "{}", traced.text);
    let mut disk = Disk::default();
    for step in &traced.steps {
        look(&disk, step);
        disk.step(step);
    }
    disk
}
