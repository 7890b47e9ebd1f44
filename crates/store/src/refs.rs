//! Refs: names that point to commits.
//!
//! ```text
//! refs/heads/<ref>   refs/remotes/<remote>/<ref>   refs/mirrors/<collection>/<ref>
//! ```
//! A ref is a file with 64 hex digits and a line feed; an alias is a relative symlink to another ref.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use ostler_format::{Checksum, CollectionId, CommitId, RefName, Refspec, RemoteName, Revision};
use ostler_fs::{Dir, Durability, FileType, FsError, Trusted};

use crate::error::StoreError;
use crate::repo::Repo;

/// The longest ref file that is read.
const MAX_REF_FILE: u64 = 4096;
/// How many aliases a ref may lead through.
const MAX_ALIASES: usize = 8;

/// Which ref.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefKey {
    /// `refs/heads/NAME`.
    Head(RefName),
    /// `refs/remotes/REMOTE/NAME`.
    Remote {
        /// The remote.
        remote: RemoteName,
        /// The ref.
        name: RefName,
    },
    /// `refs/mirrors/COLLECTION/NAME`.
    Mirror {
        /// The collection id.
        collection: CollectionId,
        /// The ref.
        name: RefName,
    },
}

impl RefKey {
    /// The key of a parsed `[remote:]ref`.
    #[must_use]
    pub fn from_refspec(spec: &Refspec) -> Self {
        match &spec.remote {
            None => Self::Head(spec.name.clone()),
            Some(remote) => Self::Remote {
                remote: remote.clone(),
                name: spec.name.clone(),
            },
        }
    }

    /// Parses and validates `[remote:]ref`.
    ///
    /// # Errors
    /// [`StoreError::Name`].
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        Ok(Self::from_refspec(&Refspec::parse(text)?))
    }

    /// The ref's name without remote or collection.
    #[must_use]
    pub fn name(&self) -> &RefName {
        match self {
            Self::Head(name) | Self::Remote { name, .. } | Self::Mirror { name, .. } => name,
        }
    }

    fn path(&self) -> String {
        match self {
            Self::Head(name) => format!("refs/heads/{name}"),
            Self::Remote { remote, name } => format!("refs/remotes/{remote}/{name}"),
            Self::Mirror { collection, name } => format!("refs/mirrors/{collection}/{name}"),
        }
    }
}

impl std::fmt::Display for RefKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Head(name) => f.write_str(name.as_str()),
            Self::Remote { remote, name } => write!(f, "{remote}:{name}"),
            Self::Mirror { collection, name } => write!(f, "({collection}, {name})"),
        }
    }
}

impl Repo {
    /// Reads one ref, here or in a parent; `None` if it does not exist.
    ///
    /// # Errors
    /// [`StoreError::RefMalformed`].
    pub fn read_ref(&self, key: &RefKey) -> Result<Option<CommitId>, StoreError> {
        for repo in self.chain() {
            if let Some(id) = read(repo, key)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Sets a ref (`None` deletes it) at once, outside a transaction.
    ///
    /// # Errors
    /// [`StoreError::RefConflict`].
    pub fn set_ref(&self, key: &RefKey, target: Option<CommitId>) -> Result<(), StoreError> {
        write(self, key, target, self.durability())
    }

    /// Makes `alias` a symlink to `target`, both local refs.
    ///
    /// # Errors
    /// [`StoreError::RefNotFound`] if the target does not exist.
    pub fn set_alias(&self, alias: &RefName, target: &RefName) -> Result<(), StoreError> {
        let key = RefKey::Head(target.clone());
        if self.read_ref(&key)?.is_none() {
            return Err(StoreError::RefNotFound {
                refspec: target.to_string(),
            });
        }
        let up = "../".repeat(alias.as_str().matches('/').count());
        let heads = self.dir().open_dir_beneath("refs/heads")?;
        let (parent, name) = open_parent(&heads, alias.as_str())?;
        self.replace_symlink(&format!("{up}{target}"), &parent, name)
    }

    /// Returns the target of an alias, `None` if the local ref is none.
    ///
    /// # Errors
    /// [`StoreError::Fs`].
    pub fn alias_target(&self, name: &RefName) -> Result<Option<RefName>, StoreError> {
        let path = format!("refs/heads/{name}");
        match self.dir().metadata_optional(Trusted(&path))? {
            Some(stat) if stat.file_type == FileType::Symlink => resolve_alias(self, name.as_str()),
            _ => Ok(None),
        }
    }

    /// Lists refs below `prefix` (`None`: all of them), heads and remotes; aliases are resolved.
    ///
    /// `prefix` is a ref, or a folder of refs, with or without `remote:`.
    ///
    /// # Errors
    /// [`StoreError::RefMalformed`].
    pub fn list_refs(
        &self,
        prefix: Option<&RefKey>,
    ) -> Result<BTreeMap<RefKey, CommitId>, StoreError> {
        let mut found = BTreeMap::new();
        let keep = |key: &RefKey| match prefix {
            None => true,
            Some(RefKey::Head(wanted)) => {
                matches!(key, RefKey::Head(name) if is_below(name.as_str(), wanted.as_str()))
            }
            Some(RefKey::Remote {
                remote: wanted_remote,
                name: wanted,
            }) => matches!(
                key,
                RefKey::Remote { remote, name } if remote == wanted_remote && is_below(name.as_str(), wanted.as_str())
            ),
            Some(RefKey::Mirror { .. }) => false,
        };
        for key in self
            .heads()?
            .into_iter()
            .chain(self.remote_refs()?)
            .filter(keep)
        {
            if let Some(id) = read(self, &key)? {
                found.insert(key, id);
            }
        }
        Ok(found)
    }

    /// Lists `refs/mirrors`, keyed by collection and ref.
    ///
    /// # Errors
    /// [`StoreError::RefMalformed`].
    pub fn list_mirror_refs(&self) -> Result<BTreeMap<RefKey, CommitId>, StoreError> {
        let mut found = BTreeMap::new();
        let Some(mirrors) = self.dir().open_dir_beneath_optional("refs/mirrors")? else {
            return Ok(found);
        };
        for (collection, name) in two_level(&mirrors)? {
            let Ok(collection) = CollectionId::new(collection) else {
                continue;
            };
            let key = RefKey::Mirror { collection, name };
            if let Some(id) = read(self, &key)? {
                found.insert(key, id);
            }
        }
        Ok(found)
    }

    /// Every ref of every kind: what keeps objects alive.
    ///
    /// # Errors
    /// [`StoreError::RefMalformed`].
    pub fn list_all_refs(&self) -> Result<BTreeMap<RefKey, CommitId>, StoreError> {
        let mut all = self.list_refs(None)?;
        all.extend(self.list_mirror_refs()?);
        Ok(all)
    }

    fn heads(&self) -> Result<Vec<RefKey>, StoreError> {
        let mut names = Vec::new();
        collect_names(&self.refs_folder("refs/heads")?, "", &mut names)?;
        Ok(names.into_iter().map(RefKey::Head).collect())
    }

    fn remote_refs(&self) -> Result<Vec<RefKey>, StoreError> {
        let pairs = two_level(&self.refs_folder("refs/remotes")?)?;
        let keys = pairs.into_iter().filter_map(|(remote, name)| {
            RemoteName::new(remote)
                .ok()
                .map(|remote| RefKey::Remote { remote, name })
        });
        Ok(keys.collect())
    }

    /// Opens a folder that every repository has. One that lacks it must not pass for one without refs: a prune would
    /// take all of its commits.
    fn refs_folder(&self, path: &'static str) -> Result<Dir, StoreError> {
        self.dir()
            .open_dir_beneath_optional(path)?
            .ok_or(StoreError::RefsFolderMissing { path })
    }

    /// Resolves what a person writes for a commit: an id, a unique start of one, `[remote:]ref`, each with any number of
    /// `^` for the parent. A plain ref that is not a head may be `remote/ref`, or is looked for in every remote.
    ///
    /// # Errors
    /// [`StoreError::RefNotFound`], [`StoreError::RefAmbiguous`], [`StoreError::NoParent`].
    pub fn resolve(&self, revision: &str) -> Result<CommitId, StoreError> {
        self.resolve_optional(revision)?
            .ok_or_else(|| StoreError::RefNotFound {
                refspec: revision.to_owned(),
            })
    }

    /// As [`Repo::resolve`], `None` if no such ref exists.
    ///
    /// # Errors
    /// As [`Repo::resolve`].
    pub fn resolve_optional(&self, revision: &str) -> Result<Option<CommitId>, StoreError> {
        let revision = Revision::parse(revision);
        let Some(mut id) = self.resolve_base(&revision)? else {
            return Ok(None);
        };
        for _ in 0..revision.parents {
            id = self.read_commit(id)?.parent.ok_or(StoreError::NoParent {
                commit: id.checksum(),
            })?;
        }
        Ok(Some(id))
    }

    fn resolve_base(&self, revision: &Revision<'_>) -> Result<Option<CommitId>, StoreError> {
        if let Ok(checksum) = Checksum::from_hex(revision.base) {
            return Ok(Some(CommitId::new(checksum)));
        }
        if let Some(start) = revision.checksum_prefix()
            && let Some(id) = self.commit_starting_with(start)?
        {
            return Ok(Some(id));
        }
        let spec = Refspec::parse(revision.base)?;
        if let Some(id) = self.read_ref(&RefKey::from_refspec(&spec))? {
            return Ok(Some(id));
        }
        if spec.remote.is_some() {
            return Ok(None);
        }
        if let Some((remote, name)) = revision.base.split_once('/')
            && let (Ok(remote), Ok(name)) = (RemoteName::new(remote), RefName::new(name))
            && let Some(id) = self.read_ref(&RefKey::Remote { remote, name })?
        {
            return Ok(Some(id));
        }
        let in_remotes = self
            .remote_refs()?
            .into_iter()
            .find(|key| *key.name() == spec.name);
        in_remotes.map_or(Ok(None), |key| read(self, &key))
    }

    fn commit_starting_with(&self, start: &str) -> Result<Option<CommitId>, StoreError> {
        if start.len() < 2 {
            // One digit would mean reading sixteen directories, and nobody abbreviates so.
            return Ok(None);
        }
        let (prefix, rest) = start.split_at(2);
        let mut found = None;
        for repo in self.chain() {
            let Some(dir) = repo.objects().open_dir_optional(prefix)? else {
                continue;
            };
            for entry in dir.entries()?.iter() {
                let Some(name) = entry.str_name().and_then(|n| n.strip_suffix(".commit")) else {
                    continue;
                };
                let Ok(id) = Checksum::from_hex(&format!("{prefix}{name}")) else {
                    continue;
                };
                if !name.starts_with(rest) || found == Some(id) {
                    continue;
                }
                if found.replace(id).is_some() {
                    return Err(StoreError::RefAmbiguous {
                        refspec: start.to_owned(),
                    });
                }
            }
        }
        Ok(found.map(CommitId::new))
    }

    /// Whether the commit was only fetched in part: it is marked in `state/`.
    ///
    /// # Errors
    /// [`StoreError::Fs`].
    pub fn is_partial(&self, id: CommitId) -> Result<bool, StoreError> {
        Ok(self.dir().exists(Trusted(partial_path(id)))?)
    }

    /// Whether, and why, the commit is marked partial.
    ///
    /// # Errors
    /// [`StoreError::Fs`].
    pub fn partial(&self, id: CommitId) -> Result<Partial, StoreError> {
        Ok(
            match self.dir().read_optional(Trusted(partial_path(id)), 64)? {
                None => Partial::No,
                Some(marker) if marker.starts_with(PartialReason::Damaged.marker()) => {
                    Partial::Yes(PartialReason::Damaged)
                }
                Some(_) => Partial::Yes(PartialReason::NotFetched),
            },
        )
    }

    /// Marks a commit as partial, or takes the mark away.
    ///
    /// # Errors
    /// [`StoreError::Fs`].
    pub fn set_partial(&self, id: CommitId, partial: Partial) -> Result<(), StoreError> {
        let path = partial_path(id);
        match partial {
            Partial::Yes(reason) => {
                self.dir().ensure_dir("state", 0o775)?;
                let marker = reason.marker();
                self.replace_file(self.dir(), &path, marker, Durability::Cached)?;
            }
            Partial::No => {
                self.dir().unlink_optional(Trusted(&path))?;
            }
        }
        Ok(())
    }
}

/// Whether, and why, a commit is marked partial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partial {
    /// All of its objects are here.
    No,
    /// Some of them may be absent.
    Yes(PartialReason),
}

/// Why objects of a commit are absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartialReason {
    /// They have not been fetched.
    NotFetched,
    /// A check found them damaged or missing.
    Damaged,
}

impl PartialReason {
    /// What libostree writes into the marker: nothing, or `f` after an fsck.
    fn marker(self) -> &'static [u8] {
        match self {
            Self::NotFetched => b"",
            Self::Damaged => b"f",
        }
    }
}

fn partial_path(id: CommitId) -> String {
    format!("state/{id}.commitpartial")
}

fn is_below(name: &str, wanted: &str) -> bool {
    wanted.is_empty()
        || wanted == "."
        || name
            .strip_prefix(wanted)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Lists the refs in the folders of `dir`, with the folder's name.
fn two_level(dir: &Dir) -> Result<Vec<(String, RefName)>, StoreError> {
    let mut pairs = Vec::new();
    for entry in dir.entries()?.iter() {
        let (Some(first), FileType::Directory) = (entry.str_name(), entry.file_type) else {
            continue;
        };
        let mut names = Vec::new();
        collect_names(&dir.open_dir(first)?, "", &mut names)?;
        pairs.extend(names.into_iter().map(|name| (first.to_owned(), name)));
    }
    Ok(pairs)
}

fn collect_names(dir: &Dir, prefix: &str, names: &mut Vec<RefName>) -> Result<(), StoreError> {
    for entry in dir.entries()?.iter() {
        let Some(name) = entry.str_name() else {
            continue;
        };
        let path = format!("{prefix}{name}");
        match entry.file_type {
            FileType::Directory => collect_names(&dir.open_dir(name)?, &format!("{path}/"), names)?,
            FileType::Regular | FileType::Symlink => names.extend(RefName::new(path)),
            _ => {}
        }
    }
    Ok(())
}

/// Reads one ref of this repository itself, parents aside.
pub(crate) fn read(repo: &Repo, key: &RefKey) -> Result<Option<CommitId>, StoreError> {
    let mut path = key.path();
    for _ in 0..MAX_ALIASES {
        let Some(stat) = repo.dir().metadata_optional(Trusted(&path))? else {
            return Ok(None);
        };
        match stat.file_type {
            FileType::Regular => {
                let bytes = repo.dir().read(Trusted(&path), MAX_REF_FILE)?;
                let text = std::str::from_utf8(&bytes)
                    .unwrap_or_default()
                    .trim_end_matches('\n');
                return match Checksum::from_hex(text) {
                    Ok(checksum) => Ok(Some(CommitId::new(checksum))),
                    Err(_) => Err(StoreError::RefMalformed {
                        name: key.to_string(),
                    }),
                };
            }
            FileType::Symlink => {
                let Some(name) = path.strip_prefix("refs/heads/") else {
                    return Ok(None);
                };
                match resolve_alias(repo, name)? {
                    Some(target) => path = format!("refs/heads/{target}"),
                    None => {
                        return Err(StoreError::RefMalformed {
                            name: key.to_string(),
                        });
                    }
                }
            }
            _ => return Ok(None),
        }
    }
    Err(StoreError::RefMalformed {
        name: key.to_string(),
    })
}

/// Turns an alias's relative target into a ref name; `None` if it leads out of `refs/heads`.
fn resolve_alias(repo: &Repo, name: &str) -> Result<Option<RefName>, StoreError> {
    let heads = repo.dir().open_dir_beneath("refs/heads")?;
    let target = heads.read_link(Trusted(name))?;
    let Ok(target) = String::from_utf8(target) else {
        return Ok(None);
    };
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => {
                if parts.pop().is_none() {
                    return Ok(None);
                }
            }
            "" | "." => {}
            part => parts.push(part),
        }
    }
    Ok(RefName::new(parts.join("/")).ok())
}

/// Writes or deletes one ref. With [`Durability::Synced`] it survives a power cut when this returns.
pub(crate) fn write(
    repo: &Repo,
    key: &RefKey,
    target: Option<CommitId>,
    durability: Durability,
) -> Result<(), StoreError> {
    let (root_path, below) = match key {
        RefKey::Head(name) => ("refs/heads", name.to_string()),
        RefKey::Remote { remote, name } => ("refs/remotes", format!("{remote}/{name}")),
        RefKey::Mirror { collection, name } => ("refs/mirrors", format!("{collection}/{name}")),
    };
    let Some(target) = target else {
        repo.dir().unlink_optional(Trusted(key.path()))?;
        return Ok(());
    };
    let root = repo.dir().create_dir_all(root_path, 0o775)?;
    let (parent, name) = open_parent(&root, &below).map_err(|source| match source {
        // A full disk stands in nobody's way.
        StoreError::Fs(source) if is_in_the_way(&source) => StoreError::RefConflict {
            name: key.to_string(),
            reason: source.to_string(),
        },
        other => other,
    })?;
    remove_empty_dirs_at(&parent, name, key)?;
    repo.replace_file(&parent, name, format!("{target}\n").as_bytes(), durability)
}

/// Opens (and makes) the directory that holds `path`'s last part.
fn open_parent<'p>(root: &Dir, path: &'p str) -> Result<(Dir, &'p str), StoreError> {
    Ok(match path.rsplit_once('/') {
        None => (root.try_clone()?, path),
        Some((parent, name)) => (root.create_dir_all(parent, 0o775)?, name),
    })
}

/// Whether something else has the name of a folder of refs.
fn is_in_the_way(error: &FsError) -> bool {
    /// A symlink, which is how an alias is kept.
    const ELOOP: i32 = 40;
    let kinds = [ErrorKind::AlreadyExists, ErrorKind::NotADirectory];
    kinds.contains(&error.kind()) || error.io().raw_os_error() == Some(ELOOP)
}

/// A folder of refs whose refs are all gone may become a ref; one with refs in it may not.
fn remove_empty_dirs_at(parent: &Dir, name: &str, key: &RefKey) -> Result<(), StoreError> {
    let Some(stat) = parent.metadata_optional(name)? else {
        return Ok(());
    };
    if stat.file_type != FileType::Directory {
        return Ok(());
    }
    let mut names = Vec::new();
    collect_names(&parent.open_dir(name)?, "", &mut names)?;
    if let Some(other) = names.first() {
        let reason = format!("`{name}/{other}` exists below it");
        return Err(StoreError::RefConflict {
            name: key.to_string(),
            reason,
        });
    }
    parent.remove_all(name)?;
    Ok(())
}
