//! Refs by the collection that they belong to, wherever in the repository they are kept.
//!
//! ```text
//! refs/heads/REF             in `core.collection-id`, if the repository has one
//! refs/mirrors/ID/REF        in ID
//! refs/remotes/REMOTE/REF    in the remote's `collection-id`, if it has one
//! ```
//! A collection is named by its id wherever its refs come from: two repositories that have a ref of the same collection have
//! the same branch.

use std::collections::BTreeMap;
use std::fmt;

use ostler_format::{CollectionId, CommitId, RefName};

use crate::error::StoreError;
use crate::refs::RefKey;
use crate::repo::Repo;

/// A ref of a collection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionRef {
    /// The collection.
    pub collection: CollectionId,
    /// The ref.
    pub name: RefName,
}

impl fmt::Display for CollectionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.collection, self.name)
    }
}

/// Which of a repository's refs are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteRefs {
    /// Those of remotes, too.
    Included,
    /// Those of remotes are left out: they are what others say.
    LeftOut,
}

/// Where a ref of a collection is kept, and the commit that it points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionTarget {
    /// The ref that is read and written for it.
    pub key: RefKey,
    /// Its commit.
    pub commit: CommitId,
}

impl Repo {
    /// Lists the refs that belong to collections; where several are the same one, heads come before mirrors, and those before
    /// refs of remotes.
    ///
    /// # Errors
    /// [`StoreError::Remote`] if the remotes' configuration cannot be read, [`StoreError::RefMalformed`].
    pub fn list_collection_refs(
        &self,
        remote_refs: RemoteRefs,
    ) -> Result<BTreeMap<CollectionRef, CollectionTarget>, StoreError> {
        let mut found = BTreeMap::new();
        if remote_refs == RemoteRefs::Included {
            let remotes = self.remote_collections()?;
            for (key, commit) in self.list_refs(None)? {
                if let RefKey::Remote { remote, name } = &key
                    && let Some(collection) = remotes.get(remote.as_str())
                {
                    let (collection, name) = (collection.clone(), name.clone());
                    let target = CollectionTarget { key, commit };
                    found.insert(CollectionRef { collection, name }, target);
                }
            }
        }
        for (key, commit) in self.list_mirror_refs()? {
            if let RefKey::Mirror { collection, name } = &key {
                let (collection, name) = (collection.clone(), name.clone());
                let target = CollectionTarget { key, commit };
                found.insert(CollectionRef { collection, name }, target);
            }
        }
        if let Some(collection) = &self.config().collection_id {
            for (key, commit) in self.list_refs(None)? {
                if let RefKey::Head(name) = &key {
                    let (collection, name) = (collection.clone(), name.clone());
                    let target = CollectionTarget { key, commit };
                    found.insert(CollectionRef { collection, name }, target);
                }
            }
        }
        Ok(found)
    }

    /// Finds the commit of a collection's ref.
    ///
    /// # Errors
    /// [`StoreError::CollectionRefNotFound`]; those of [`Repo::list_collection_refs`].
    pub fn resolve_collection_ref(&self, wanted: &CollectionRef) -> Result<CommitId, StoreError> {
        let all = self.list_collection_refs(RemoteRefs::Included)?;
        let target = all
            .get(wanted)
            .ok_or_else(|| StoreError::CollectionRefNotFound {
                name: wanted.to_string(),
            })?;
        Ok(target.commit)
    }

    /// The collections of those remotes that have one.
    fn remote_collections(&self) -> Result<BTreeMap<String, CollectionId>, StoreError> {
        let remotes = self.remotes(self.remotes_dir(None).as_deref())?;
        let known = remotes.into_iter().filter_map(|remote| {
            // A word that is no id has no refs: nothing can be asked for by it.
            let id = CollectionId::new(remote.collection_id?).ok()?;
            Some((remote.name, id))
        });
        Ok(known.collect())
    }
}
