//! Remotes: the places that a repository pulls from, and where they are configured.
//!
//! ```text
//! config                           [remote "NAME"] url=… gpg-verify=…
//! /etc/ostree/remotes.d/*.conf     the same group, one file a remote; a host's own repository reads it, too
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

use ostler_format::{KeyFile, RemoteName};
use ostler_fs::{Dir, Durability, FileType};

use crate::config::ConfigError;
use crate::error::StoreError;
use crate::repo::Repo;

/// The host's own repository.
const SYSTEM_REPO: &str = "/ostree/repo";
/// Where the host's administrator and packages put remotes, beneath the system's root.
pub const REMOTES_DIR: &str = "etc/ostree/remotes.d";

/// A remote that cannot be used, added or deleted.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// No such remote.
    #[error("Remote \"{name}\" not found")]
    NotFound {
        /// Its name.
        name: String,
    },
    /// There is one of this name already.
    #[error("Remote configuration for \"{name}\" already exists: {place}")]
    Exists {
        /// Its name.
        name: String,
        /// Where it is configured.
        place: RemotePlace,
    },
    /// A key that must be there is not.
    #[error("No \"{key}\" option in remote \"{name}\"")]
    KeyMissing {
        /// The remote.
        name: String,
        /// The key.
        key: &'static str,
    },
    /// A key or its value cannot be.
    #[error("remote `{name}`: {source}")]
    Syntax {
        /// The remote.
        name: String,
        /// What is wrong.
        source: ostler_format::keyfile::KeyFileError,
    },
    /// The name is no remote's.
    #[error(transparent)]
    Name(#[from] ostler_format::NameError),
    /// The configuration can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ostler_fs::FsError> for RemoteError {
    fn from(error: ostler_fs::FsError) -> Self {
        Self::Store(error.into())
    }
}

/// Where a remote is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemotePlace {
    /// The repository's `config`.
    Config,
    /// A file of its own.
    File(PathBuf),
    /// Nowhere: the URL was given in its name's place.
    Nowhere,
}

impl fmt::Display for RemotePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config => f.write_str("(in config)"),
            Self::File(path) => path.display().fmt(f),
            Self::Nowhere => f.write_str("(not configured)"),
        }
    }
}

/// A remote's settings.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Its name, or a `file://` URL.
    pub name: String,
    /// Where it is configured.
    pub place: RemotePlace,
    /// `url`: where metadata, and content unless `content_url` says otherwise, is fetched; `mirrorlist=` may precede it.
    pub url: Option<String>,
    /// `contenturl`: where content objects are fetched.
    pub content_url: Option<String>,
    /// `metalink`: where the summary's mirrors and checksums are.
    pub metalink: Option<String>,
    /// `branches`: the refs that are pulled if none is named.
    pub branches: Vec<String>,
    /// `gpg-verify`, true unless said otherwise: whether commits must have an OpenPGP signature.
    pub gpg_verify: bool,
    /// `gpg-verify-summary`: whether the summary must have one.
    pub gpg_verify_summary: bool,
    /// `sign-verify`: whether commits must have a signature of another kind.
    pub sign_verify: SignVerify,
    /// `sign-verify-summary`: whether the summary must have one.
    pub sign_verify_summary: SignVerify,
    /// `proxy`: the HTTP proxy's URL.
    pub proxy: Option<String>,
    /// `tls-permissive`: whether a server without a valid certificate is talked to.
    pub tls_permissive: bool,
    /// `tls-client-cert-path`.
    pub tls_client_cert_path: Option<PathBuf>,
    /// `tls-client-key-path`.
    pub tls_client_key_path: Option<PathBuf>,
    /// `tls-ca-path`: certificates that are trusted in place of the system's.
    pub tls_ca_path: Option<PathBuf>,
    /// `http2`, true unless said otherwise.
    pub http2: bool,
    /// `custom-backend`: the other program that fetches this remote's content.
    pub custom_backend: Option<String>,
    /// `collection-id`.
    pub collection_id: Option<String>,
    /// `unconfigured-state`: why nothing can be pulled yet, and what to do.
    pub unconfigured_state: Option<String>,
}

/// Which signatures other than OpenPGP's are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SignVerify {
    /// None.
    #[default]
    No,
    /// One of any kind that there is a key for.
    AnyKind,
    /// One of these kinds.
    Kinds(Vec<String>),
}

impl Remote {
    /// Returns the settings of a place that is named by its `file://` URL alone; nothing is verified.
    #[must_use]
    pub fn for_file_url(url: &str) -> Self {
        let mut remote = Self::parse(url, RemotePlace::Nowhere, &KeyFile::new())
            .expect("a key file without keys has no value that could be wrong");
        remote.url = Some(url.to_owned());
        remote.gpg_verify = false;
        remote
    }

    /// Returns the URL of metadata.
    ///
    /// # Errors
    /// [`RemoteError::KeyMissing`].
    pub fn require_url(&self) -> Result<&str, RemoteError> {
        let missing = || RemoteError::KeyMissing {
            name: self.name.clone(),
            key: "url",
        };
        self.url.as_deref().ok_or_else(missing)
    }

    fn parse(name: &str, place: RemotePlace, file: &KeyFile) -> Result<Self, RemoteError> {
        let group = group_name(name);
        let syntax = |source| RemoteError::Syntax {
            name: name.to_owned(),
            source,
        };
        let text = |key| file.string(&group, key).map_err(syntax);
        let flag = |key, otherwise: bool| {
            file.boolean(&group, key)
                .map(|v| v.unwrap_or(otherwise))
                .map_err(syntax)
        };
        let path = |key| Ok::<_, RemoteError>(text(key)?.map(PathBuf::from));
        Ok(Self {
            url: text("url")?,
            content_url: text("contenturl")?,
            metalink: text("metalink")?,
            branches: file
                .string_list(&group, "branches")
                .map_err(syntax)?
                .unwrap_or_default(),
            gpg_verify: flag("gpg-verify", true)?,
            gpg_verify_summary: flag("gpg-verify-summary", false)?,
            sign_verify: sign_verify(file, &group, "sign-verify").map_err(syntax)?,
            sign_verify_summary: sign_verify(file, &group, "sign-verify-summary")
                .map_err(syntax)?,
            proxy: text("proxy")?,
            tls_permissive: flag("tls-permissive", false)?,
            tls_client_cert_path: path("tls-client-cert-path")?,
            tls_client_key_path: path("tls-client-key-path")?,
            tls_ca_path: path("tls-ca-path")?,
            http2: flag("http2", true)?,
            custom_backend: text("custom-backend")?,
            collection_id: text("collection-id")?.filter(|id| !id.is_empty()),
            unconfigured_state: text("unconfigured-state")?,
            name: name.to_owned(),
            place,
        })
    }
}

fn sign_verify(
    file: &KeyFile,
    group: &str,
    key: &str,
) -> Result<SignVerify, ostler_format::keyfile::KeyFileError> {
    if let Ok(value) = file.boolean(group, key) {
        return Ok(if value == Some(true) {
            SignVerify::AnyKind
        } else {
            SignVerify::No
        });
    }
    Ok(match file.string_list(group, key)? {
        Some(kinds) if !kinds.is_empty() => SignVerify::Kinds(kinds),
        _ => SignVerify::No,
    })
}

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

    /// Lists the remotes of `config` and of `remotes_dir`, by name.
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
    /// `core.add-remotes-config-dir`, else whether this is the running system's repository.
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
            .unwrap_or_else(|| is_system_repo(self));
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

    /// Deletes a remote's configuration and its keyring; its refs and objects stay.
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

/// The value of a remote's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteValue {
    /// Text, escaped when written.
    Text(String),
    /// Several texts.
    List(Vec<String>),
    /// `true` or `false`.
    Flag(bool),
}

fn set_group(
    file: &mut KeyFile,
    name: &str,
    keys: &[(String, RemoteValue)],
) -> Result<(), RemoteError> {
    let group = group_name(name);
    let syntax = |source| RemoteError::Syntax {
        name: name.to_owned(),
        source,
    };
    file.remove_group(&group);
    for (key, value) in keys {
        match value {
            RemoteValue::Text(text) => file.set_string(&group, key, text),
            RemoteValue::List(items) => file.set_string_list(&group, key, items),
            RemoteValue::Flag(flag) => file.set_boolean(&group, key, *flag),
        }
        .map_err(syntax)?;
    }
    Ok(())
}

fn group_name(name: &str) -> String {
    format!("remote \"{name}\"")
}

fn remote_name(group: &str) -> Option<&str> {
    group.strip_prefix("remote \"")?.strip_suffix('"')
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

impl From<ConfigError> for RemoteError {
    fn from(error: ConfigError) -> Self {
        Self::Store(error.into())
    }
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
