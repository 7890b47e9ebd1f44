//! A deployment's origin file: where its tree came from and what was asked of it.
//!
//! [`Origin`] is a typed view on a [`KeyFile`]: groups and keys that it doesn't know, such as those of package layering, stay
//! as they are.

#[cfg(test)]
mod tests;

use crate::checksum::CommitId;
use crate::keyfile::{KeyFile, KeyFileError};
use crate::refname::{NameError, Refspec};

const GROUP: &str = "origin";
const TRANSIENT: &str = "libostree-transient";
/// Groups of rpm-ostree.
const RPM_OSTREE: &str = "rpmostree";
const PACKAGE_GROUPS: [&str; 2] = ["packages", "modules"];
const OVERRIDE_GROUPS: [&str; 1] = ["overrides"];
/// In [`RPM_OSTREE`].
const INITRAMFS_ETC: &str = "initramfs-etc";
const SOURCES: [&str; 3] = ["refspec", "baserefspec", "container-image-reference"];

/// The reason why an origin can't be read or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// The text is no key file, or a value in it is of the wrong type.
    #[error("{0}")]
    KeyFile(#[from] KeyFileError),
    /// The source is no refspec.
    #[error("origin `{key}`: {source}")]
    Refspec {
        /// The key that holds it.
        key: &'static str,
        /// What is wrong with it.
        source: NameError,
    },
    /// More than one of `refspec`, `baserefspec` and `container-image-reference` is given.
    #[error("origin has both `{first}` and `{second}`")]
    TwoSources {
        /// The key that comes first.
        first: &'static str,
        /// The key that comes second.
        second: &'static str,
    },
    /// An override that is no checksum.
    #[error("origin `override-commit` is `{found}`, not a commit of 64 hexadecimal digits")]
    OverrideCommit {
        /// The value.
        found: String,
    },
    /// A value of `unlocked` that is not known.
    #[error("origin `unlocked` is `{found}`, not `none`, `development`, `transient` or `hotfix`")]
    Unlocked {
        /// The value.
        found: String,
    },
}

/// Where a deployment's tree comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A ref that is followed as it is.
    Refspec(Refspec),
    /// A ref or a pinned commit on which packages are layered; a commit stands as its 64 digits.
    BaseRefspec(String),
    /// A container image, in the form of its own tools.
    ContainerImage(String),
}

/// How the `/usr` of a deployment was made writable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlocked {
    /// It was not.
    None,
    /// By an overlay that a reboot drops.
    Development,
    /// By an overlay that a reboot drops and that is read-only outside of a private mount namespace.
    Transient,
    /// By an overlay that stays.
    Hotfix,
}

impl Unlocked {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Development => "development",
            Self::Transient => "transient",
            Self::Hotfix => "hotfix",
        }
    }
}

/// What is asked for beyond the tree of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Layers {
    /// Packages that are layered.
    pub packages: bool,
    /// Packages of the tree that are replaced or removed.
    pub overrides: bool,
    /// Another initramfs, or files of `/etc` that go along with it.
    pub initramfs: bool,
}

/// An origin file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    file: KeyFile,
}

impl Origin {
    /// Makes the origin of a deployment that follows a source.
    ///
    /// # Errors
    /// [`OriginError::KeyFile`] if a container image reference has a line end in it.
    pub fn new(source: &Source) -> Result<Self, OriginError> {
        let mut origin = Self::default();
        origin.set_source(source)?;
        Ok(origin)
    }

    /// Parses and checks the text of an origin file.
    ///
    /// # Errors
    /// [`OriginError`] on the first value that can't be what it should be.
    pub fn parse(text: &[u8]) -> Result<Self, OriginError> {
        Self::from_key_file(KeyFile::parse(text)?)
    }

    /// Takes and checks a key file.
    ///
    /// # Errors
    /// [`OriginError`] on the first value that can't be what it should be.
    pub fn from_key_file(file: KeyFile) -> Result<Self, OriginError> {
        let origin = Self { file };
        origin.source()?;
        origin.override_commit()?;
        origin.unlocked()?;
        origin.is_pinned()?;
        Ok(origin)
    }

    /// The text to write.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.file.to_bytes()
    }

    /// The key file below, for groups of others.
    pub fn key_file(&self) -> &KeyFile {
        &self.file
    }

    /// The key file below, to be changed; what is set here is not checked.
    pub fn key_file_mut(&mut self) -> &mut KeyFile {
        &mut self.file
    }

    /// Where the tree comes from; `None` if the file doesn't say.
    ///
    /// # Errors
    /// [`OriginError::Refspec`], [`OriginError::TwoSources`].
    pub fn source(&self) -> Result<Option<Source>, OriginError> {
        let mut found: Option<(&'static str, String)> = None;
        for key in SOURCES {
            if let Some(value) = self.file.string(GROUP, key)? {
                if let Some((first, _)) = found {
                    return Err(OriginError::TwoSources { first, second: key });
                }
                found = Some((key, value));
            }
        }
        let Some((key, value)) = found else {
            return Ok(None);
        };
        Ok(Some(match key {
            "refspec" => Source::Refspec(
                Refspec::parse(&value).map_err(|source| OriginError::Refspec { key, source })?,
            ),
            "baserefspec" => Source::BaseRefspec(value),
            _ => Source::ContainerImage(value),
        }))
    }

    /// Sets where the tree comes from, in place of what was set.
    ///
    /// # Errors
    /// [`OriginError::KeyFile`] if the text can't stand in a key file.
    pub fn set_source(&mut self, source: &Source) -> Result<(), OriginError> {
        let (key, value) = match source {
            Source::Refspec(refspec) => ("refspec", refspec.to_string()),
            Source::BaseRefspec(text) => ("baserefspec", text.clone()),
            Source::ContainerImage(text) => ("container-image-reference", text.clone()),
        };
        for other in SOURCES.iter().filter(|other| **other != key) {
            self.file.remove_key(GROUP, other);
        }
        Ok(self.file.set_string(GROUP, key, &value)?)
    }

    /// The refspec that an upgrade pulls, of either kind; `None` for a container image or no source.
    ///
    /// # Errors
    /// As [`Origin::source`], and [`OriginError::Refspec`] if a base is no refspec.
    pub fn refspec(&self) -> Result<Option<Refspec>, OriginError> {
        match self.source()? {
            Some(Source::Refspec(refspec)) => Ok(Some(refspec)),
            Some(Source::BaseRefspec(text)) => {
                let key = "baserefspec";
                Refspec::parse(&text)
                    .map(Some)
                    .map_err(|source| OriginError::Refspec { key, source })
            }
            _ => Ok(None),
        }
    }

    /// The commit that is deployed instead of the ref's newest.
    ///
    /// # Errors
    /// [`OriginError::OverrideCommit`].
    pub fn override_commit(&self) -> Result<Option<CommitId>, OriginError> {
        let Some(found) = self.file.string(GROUP, "override-commit")? else {
            return Ok(None);
        };
        match found.parse() {
            Ok(commit) => Ok(Some(commit)),
            Err(_) => Err(OriginError::OverrideCommit { found }),
        }
    }

    /// Sets or removes the commit that is deployed instead of the ref's newest.
    ///
    /// # Errors
    /// [`OriginError::KeyFile`].
    pub fn set_override_commit(&mut self, commit: Option<CommitId>) -> Result<(), OriginError> {
        match commit {
            Some(commit) => {
                self.file
                    .set_string(GROUP, "override-commit", &commit.to_string())?;
            }
            None => {
                self.file.remove_key(GROUP, "override-commit");
            }
        }
        Ok(())
    }

    /// What a person must do before the first upgrade, in words; an upgrade is refused with this text.
    ///
    /// # Errors
    /// [`OriginError::KeyFile`].
    pub fn unconfigured_state(&self) -> Result<Option<String>, OriginError> {
        Ok(self.file.string(GROUP, "unconfigured-state")?)
    }

    /// How `/usr` was made writable.
    ///
    /// # Errors
    /// [`OriginError::Unlocked`].
    pub fn unlocked(&self) -> Result<Unlocked, OriginError> {
        let Some(found) = self.file.string(GROUP, "unlocked")? else {
            return Ok(Unlocked::None);
        };
        [
            Unlocked::None,
            Unlocked::Development,
            Unlocked::Transient,
            Unlocked::Hotfix,
        ]
        .into_iter()
        .find(|state| state.as_str() == found)
        .ok_or(OriginError::Unlocked { found })
    }

    /// Records how `/usr` was made writable; [`Unlocked::None`] removes the key.
    ///
    /// # Errors
    /// [`OriginError::KeyFile`].
    pub fn set_unlocked(&mut self, state: Unlocked) -> Result<(), OriginError> {
        if state == Unlocked::None {
            self.file.remove_key(GROUP, "unlocked");
            return Ok(());
        }
        Ok(self.file.set_string(GROUP, "unlocked", state.as_str())?)
    }

    /// A link to and a description of a source that another tool manages.
    ///
    /// # Errors
    /// [`OriginError::KeyFile`].
    pub fn custom(&self) -> Result<(Option<String>, Option<String>), OriginError> {
        Ok((
            self.file.string(GROUP, "custom-url")?,
            self.file.string(GROUP, "custom-description")?,
        ))
    }

    /// Sets or removes the link to and the description of a source that another tool manages.
    ///
    /// # Errors
    /// [`OriginError::KeyFile`] if a text has a line end in it.
    pub fn set_custom(&mut self, custom: Option<&(String, String)>) -> Result<(), OriginError> {
        let keys = ["custom-url", "custom-description"];
        let Some((url, description)) = custom else {
            self.remove(&keys.map(|key| (GROUP, key)));
            return Ok(());
        };
        for (key, value) in keys.into_iter().zip([url, description]) {
            self.file.set_string(GROUP, key, value)?;
        }
        Ok(())
    }

    /// Paths of `/etc` that go along with the initramfs.
    ///
    /// # Errors
    /// [`OriginError::KeyFile`].
    pub fn initramfs_etc(&self) -> Result<Vec<String>, OriginError> {
        let list = self.file.string_list(RPM_OSTREE, INITRAMFS_ETC)?;
        Ok(list.unwrap_or_default())
    }

    /// Sets which paths of `/etc` go along with the initramfs.
    ///
    /// # Errors
    /// [`OriginError::KeyFile`].
    pub fn set_initramfs_etc(&mut self, paths: &[String]) -> Result<(), OriginError> {
        if !paths.is_empty() {
            let list = self.file.set_string_list(RPM_OSTREE, INITRAMFS_ETC, paths);
            return Ok(list?);
        }
        self.remove(&[(RPM_OSTREE, INITRAMFS_ETC)]);
        Ok(())
    }

    /// Says whether a tree of its own is made on the one that came from the source: with packages, overrides, or a new initramfs.
    ///
    /// # Errors
    /// [`OriginError::KeyFile`].
    pub fn is_layered(&self) -> Result<bool, OriginError> {
        let groups = PACKAGE_GROUPS.iter().chain(&OVERRIDE_GROUPS);
        let regenerates = self.file.boolean(RPM_OSTREE, "regenerate-initramfs")?;
        Ok(regenerates == Some(true) || groups.into_iter().any(|group| self.file.has_group(group)))
    }

    /// Drops what was asked for beyond the source, and returns whether there was any. What is not layered any more follows its ref as it is.
    ///
    /// # Errors
    /// [`OriginError`].
    pub fn drop_layers(&mut self, what: Layers) -> Result<bool, OriginError> {
        let before = self.file.clone();
        let groups = |asked: bool, groups: &'static [&'static str]| match asked {
            true => groups,
            false => &[],
        };
        for group in groups(what.packages, &PACKAGE_GROUPS)
            .iter()
            .chain(groups(what.overrides, &OVERRIDE_GROUPS))
        {
            self.file.remove_group(group);
        }
        if what.initramfs {
            self.remove(&[
                (RPM_OSTREE, "regenerate-initramfs"),
                (RPM_OSTREE, "initramfs-args"),
                (RPM_OSTREE, INITRAMFS_ETC),
            ]);
        }
        let changed = self.file != before;
        if changed
            && !self.is_layered()?
            && let Some(Source::BaseRefspec(_)) = self.source()?
            && let Some(refspec) = self.refspec()?
        {
            self.set_source(&Source::Refspec(refspec))?;
        }
        Ok(changed)
    }

    /// Removes keys, and groups that have no others.
    fn remove(&mut self, keys: &[(&str, &str)]) {
        for (group, key) in keys {
            self.file.remove_key(group, key);
            if self.file.keys(group).is_empty() {
                self.file.remove_group(group);
            }
        }
    }

    /// Says whether clean-up must leave the deployment.
    ///
    /// # Errors
    /// [`OriginError::KeyFile`].
    pub fn is_pinned(&self) -> Result<bool, OriginError> {
        Ok(self.file.boolean(TRANSIENT, "pinned")?.unwrap_or(false))
    }

    /// Pins the deployment, or removes the pin.
    ///
    /// # Errors
    /// [`OriginError::KeyFile`].
    pub fn set_pinned(&mut self, pinned: bool) -> Result<(), OriginError> {
        if pinned {
            return Ok(self.file.set_boolean(TRANSIENT, "pinned", true)?);
        }
        self.file.remove_key(TRANSIENT, "pinned");
        if self.file.keys(TRANSIENT).is_empty() {
            self.file.remove_group(TRANSIENT);
        }
        Ok(())
    }

    /// The origin that a new deployment inherits: the same without what belongs to the one deployment only.
    #[must_use]
    pub fn without_transient(&self) -> Self {
        let mut origin = self.clone();
        origin.file.remove_group(TRANSIENT);
        origin.file.remove_key(GROUP, "unlocked");
        origin
    }
}
