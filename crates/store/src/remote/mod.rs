//! Remotes: the places that a repository pulls from, and where they are configured.
//!
//! ```text
//! config                           [remote "NAME"] url=… gpg-verify=…
//! /etc/ostree/remotes.d/*.conf     the same group, one file a remote; a host's own repository reads it, too
//! ```

pub(crate) mod cookies;
mod error;
mod settings;

use std::path::{Path, PathBuf};

use ostler_format::{KeyFile, RemoteName};
use ostler_fs::{Dir, Durability, FileType};

pub use cookies::CookieKey;
pub use error::RemoteError;
pub use ostler_http::Cookie;
pub use settings::{Remote, RemotePlace, RemoteValue, SignVerify, VerificationKeys};
use settings::{group_name, remote_name, set_group};

use crate::error::StoreError;
use crate::repo::Repo;

/// The host's own repository.
const SYSTEM_REPO: &str = "/ostree/repo";
/// Where the host's administrator and packages put remotes, beneath the system's root.
pub const REMOTES_DIR: &str = "etc/ostree/remotes.d";

/// Whether a remote of the same name may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfExists {
    /// It may not.
    Refuse,
    /// It is replaced, with all of its keys.
    Replace,
}

impl Repo {
    /// Returns the directory of remotes that this repository reads besides its `config`: of the system `root`, else the
    /// running system's if this is its own repository.
    #[must_use]
    pub fn remotes_dir(&self, root: Option<&Path>) -> Option<PathBuf> {
        match root {
            Some(root) => Some(root.join(REMOTES_DIR)),
            None => is_system_repo(self).then(|| Path::new("/").join(REMOTES_DIR)),
        }
    }

    /// Lists the remotes of `config`, of `remotes_dir` and of the parent repositories, by name.
    ///
    /// # Errors
    /// [`RemoteError::Syntax`] on the first that can't be used.
    pub fn remotes(&self, remotes_dir: Option<&Path>) -> Result<Vec<Remote>, RemoteError> {
        let mut remotes = Vec::new();
        for (place, file) in self.remote_files(remotes_dir)? {
            let names: Vec<_> = file
                .groups()
                .filter_map(remote_name)
                .map(str::to_owned)
                .collect();
            for name in names {
                remotes.push(Remote::parse(&name, place.clone(), &file)?);
            }
        }
        if let Some(parent) = self.parent() {
            remotes.extend(parent.remotes(None)?);
        }
        // The sort keeps the order of equal names, so that the nearest remote of a name stays.
        remotes.sort_by(|a, b| a.name.cmp(&b.name));
        remotes.dedup_by(|later, first| later.name == first.name);
        Ok(remotes)
    }

    /// Reads one remote; a name that is a `file://` URL stands for itself. Parents are asked last.
    ///
    /// # Errors
    /// [`RemoteError::NotFound`], [`RemoteError::Syntax`].
    pub fn remote(&self, name: &str, remotes_dir: Option<&Path>) -> Result<Remote, RemoteError> {
        if name.starts_with("file://") {
            return Ok(Remote::for_file_url(name));
        }
        RemoteName::new(name)?;
        for (place, file) in self.remote_files(remotes_dir)? {
            if file.has_group(&group_name(name)) {
                return Remote::parse(name, place, &file);
            }
        }
        match self.parent() {
            Some(parent) => parent.remote(name, None),
            None => Err(RemoteError::NotFound {
                name: name.to_owned(),
            }),
        }
    }

    /// Adds a remote with these keys and text values, in this order; where it is written follows
    /// `core.add-remotes-config-dir`, else whether this is the running system's repository or `remotes_dir` a deployment's.
    ///
    /// # Errors
    /// [`RemoteError::Exists`], [`RemoteError::Syntax`]; nothing is changed then.
    pub fn add_remote(
        &mut self,
        name: &RemoteName,
        keys: &[(String, RemoteValue)],
        if_exists: IfExists,
        remotes_dir: Option<&Path>,
    ) -> Result<(), RemoteError> {
        let existing = match self.remote(name.as_str(), remotes_dir) {
            Ok(existing) if if_exists == IfExists::Refuse => {
                let (name, place) = (existing.name, existing.place);
                return Err(RemoteError::Exists { name, place });
            }
            Ok(existing) => Some(existing.place),
            // A remote that can't be parsed can still be replaced.
            Err(RemoteError::Syntax { .. }) if if_exists == IfExists::Replace => None,
            Err(RemoteError::NotFound { .. }) => None,
            Err(other) => return Err(other),
        };
        let into_dir = self
            .config()
            .add_remotes_config_dir
            .unwrap_or_else(|| is_system_repo(self) || remotes_dir.is_some_and(is_of_deployment));
        let file_of_its_own = match existing {
            Some(RemotePlace::File(path)) => Some(path),
            Some(RemotePlace::Config) => None,
            _ => remotes_dir
                .filter(|_| into_dir)
                .map(|dir| dir.join(format!("{name}.conf"))),
        };
        match file_of_its_own {
            Some(path) => {
                let mut file = read_key_file(&path)?.unwrap_or_default();
                set_group(&mut file, name.as_str(), keys)?;
                write_key_file(&path, &file)
            }
            None => {
                let mut file = self.config().file().clone();
                set_group(&mut file, name.as_str(), keys)?;
                Ok(self.write_config(file)?)
            }
        }
    }

    /// Deletes a remote's configuration, its keyring and its cookies; its refs and objects stay.
    ///
    /// # Errors
    /// [`RemoteError::NotFound`].
    pub fn delete_remote(
        &mut self,
        name: &RemoteName,
        remotes_dir: Option<&Path>,
    ) -> Result<(), RemoteError> {
        let group = group_name(name.as_str());
        let found = self
            .remote_files(remotes_dir)?
            .into_iter()
            .find(|(_, file)| file.has_group(&group));
        let Some((place, mut file)) = found else {
            return Err(RemoteError::NotFound {
                name: name.to_string(),
            });
        };
        file.remove_group(&group);
        match place {
            RemotePlace::File(path) if file.groups().next().is_none() => remove_file(&path)?,
            RemotePlace::File(path) => write_key_file(&path, &file)?,
            RemotePlace::Config | RemotePlace::Nowhere => self.write_config(file)?,
        }
        self.dir()
            .unlink_optional(format!("{name}.trustedkeys.gpg"))?;
        self.dir()
            .unlink_optional(cookies::file_name(name.as_str()))?;
        Ok(())
    }

    fn remote_files(
        &self,
        remotes_dir: Option<&Path>,
    ) -> Result<Vec<(RemotePlace, KeyFile)>, RemoteError> {
        let mut files = vec![(RemotePlace::Config, self.config().file().clone())];
        let Some(path) = remotes_dir else {
            return Ok(files);
        };
        let Some(dir) = Dir::open_ambient_optional(path)? else {
            return Ok(files);
        };
        let entries = dir.entries()?;
        let mut names: Vec<_> = entries
            .iter()
            .filter(|entry| entry.file_type == FileType::Regular)
            .filter_map(|entry| entry.str_name().map(str::to_owned))
            .filter(|name| name.ends_with(".conf"))
            .collect();
        names.sort();
        for name in names {
            let path = path.join(name);
            if let Some(file) = read_key_file(&path)? {
                files.push((RemotePlace::File(path), file));
            }
        }
        Ok(files)
    }
}

/// Whether the directory is in a deployment, not in the physical root of a system.
fn is_of_deployment(remotes_dir: &Path) -> bool {
    let root = remotes_dir.ancestors().nth(3);
    root.is_some_and(|root| root.join("sysroot").exists())
}

fn is_system_repo(repo: &Repo) -> bool {
    let identity = |dir: &Dir| dir.self_metadata().ok().map(|m| m.dev_ino());
    match Dir::open_ambient_optional(SYSTEM_REPO) {
        Ok(Some(system)) => identity(&system).is_some_and(|id| Some(id) == identity(repo.dir())),
        _ => false,
    }
}

fn read_key_file(path: &Path) -> Result<Option<KeyFile>, RemoteError> {
    let (dir, name) = split(path);
    let Some(dir) = Dir::open_ambient_optional(dir)? else {
        return Ok(None);
    };
    let Some(text) = dir.read_optional(name, KeyFile::MAX_BYTES as u64)? else {
        return Ok(None);
    };
    let file = KeyFile::parse(&text).map_err(|source| RemoteError::Syntax {
        name: path.display().to_string(),
        source,
    })?;
    Ok(Some(file))
}

fn write_key_file(path: &Path, file: &KeyFile) -> Result<(), RemoteError> {
    let (dir, name) = split(path);
    std::fs::create_dir_all(dir)
        .map_err(|e| StoreError::io(format!("make directory `{}`", dir.display()), e))?;
    Ok(Dir::open_ambient(dir)?.write_atomic(name, file.to_bytes(), 0o644, Durability::Synced)?)
}

fn remove_file(path: &Path) -> Result<(), RemoteError> {
    let (dir, name) = split(path);
    Dir::open_ambient(dir)?.unlink_optional(name)?;
    Ok(())
}

fn split(path: &Path) -> (&Path, &std::ffi::OsStr) {
    (
        path.parent().unwrap_or(Path::new("/")),
        path.file_name().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::RepoMode;

    fn repo() -> (tempfile::TempDir, Repo) {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repo::create(dir.path().join("repo"), RepoMode::Archive, None).unwrap();
        (dir, repo)
    }

    fn name(text: &str) -> RemoteName {
        RemoteName::new(text).unwrap()
    }

    fn url(text: &str) -> Vec<(String, RemoteValue)> {
        vec![("url".to_owned(), RemoteValue::Text(text.to_owned()))]
    }

    #[test]
    fn a_remote_is_verified_unless_it_says_otherwise() {
        let (_dir, mut repo) = repo();
        repo.add_remote(&name("o"), &url("http://x"), IfExists::Refuse, None)
            .unwrap();
        let remote = repo.remote("o", None).unwrap();
        assert!(remote.gpg_verify && remote.http2);
        assert_eq!(remote.sign_verify, SignVerify::No);
        assert!(!Remote::for_file_url("file:///r").gpg_verify);
    }

    #[test]
    fn replacing_a_remote_drops_its_other_keys() {
        let (_dir, mut repo) = repo();
        let mut keys = url("http://x");
        keys.push((
            "branches".to_owned(),
            RemoteValue::List(vec!["a".into(), "b".into()]),
        ));
        repo.add_remote(&name("o"), &keys, IfExists::Refuse, None)
            .unwrap();
        let again = repo.add_remote(&name("o"), &url("http://y"), IfExists::Refuse, None);
        assert!(matches!(again, Err(RemoteError::Exists { .. })));
        assert_eq!(repo.remote("o", None).unwrap().branches, ["a", "b"]);
        repo.add_remote(&name("o"), &url("http://y"), IfExists::Replace, None)
            .unwrap();
        let remote = repo.remote("o", None).unwrap();
        assert_eq!(
            (remote.url.as_deref(), remote.branches.len()),
            (Some("http://y"), 0)
        );
    }

    #[test]
    fn a_remote_of_the_directory_is_deleted_with_its_file() {
        let (dir, mut repo) = repo();
        let remotes_dir = dir.path().join("remotes.d");
        std::fs::create_dir(&remotes_dir).unwrap();
        let file = remotes_dir.join("foo.conf");
        std::fs::write(&file, "[remote \"foo\"]\nurl=http://foo\n").unwrap();
        let names: Vec<_> = repo
            .remotes(Some(&remotes_dir))
            .unwrap()
            .into_iter()
            .map(|r| r.name)
            .collect();
        assert_eq!(names, ["foo"]);
        assert!(matches!(
            repo.remote("foo", None),
            Err(RemoteError::NotFound { .. })
        ));
        repo.delete_remote(&name("foo"), Some(&remotes_dir))
            .unwrap();
        assert!(!file.exists(), "the file is gone with its only remote");
    }

    #[test]
    fn a_new_remote_goes_to_the_directory_if_the_config_says_so() {
        let (dir, mut repo) = repo();
        let remotes_dir = dir.path().join("remotes.d");
        let mut config = repo.config().file().clone();
        config
            .set_boolean("core", "add-remotes-config-dir", true)
            .unwrap();
        repo.write_config(config).unwrap();
        repo.add_remote(
            &name("o"),
            &url("http://x"),
            IfExists::Refuse,
            Some(&remotes_dir),
        )
        .unwrap();
        assert!(remotes_dir.join("o.conf").exists());
        let keys = url("http://y");
        repo.add_remote(&name("o"), &keys, IfExists::Replace, Some(&remotes_dir))
            .unwrap();
        let remote = repo.remote("o", Some(&remotes_dir)).unwrap();
        assert_eq!(remote.url.as_deref(), Some("http://y"));
        assert_eq!(remote.place, RemotePlace::File(remotes_dir.join("o.conf")));
    }
}
