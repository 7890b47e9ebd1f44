//! Listing the loose objects of a repository.

use std::ops::RangeInclusive;

use ostler_format::{CommitId, ObjectName, StorageForm};
use ostler_fs::Trusted;

use crate::error::StoreError;
use crate::repo::Repo;

impl Repo {
    /// Returns how many bytes an object's file has, here or in a parent; of content that only a pack has, its share there.
    ///
    /// # Errors
    /// [`StoreError::ObjectMissing`].
    pub fn object_size_on_disk(&self, name: &ObjectName) -> Result<u64, StoreError> {
        for repo in self.chain() {
            let path = name.loose_path(repo.mode().storage_form());
            if let Some(stat) = repo.objects().metadata_optional(Trusted(path))? {
                return Ok(stat.size);
            }
            if let Some(places) = repo.left_out()?
                && let Some(place) = places.find(name)
            {
                return Ok(places.packed_bytes(place));
            }
        }
        Err(StoreError::ObjectMissing { name: *name })
    }

    /// Calls `visit` for each object of this repository itself, in the order of the names; other files are passed over.
    ///
    /// Memory is bounded by the largest of the 256 directories.
    ///
    /// # Errors
    /// What `visit` returns; [`StoreError::Fs`].
    pub fn for_each_object(
        &self,
        visit: impl FnMut(ObjectName) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.for_each_object_in(0..=u8::MAX, visit)
    }

    /// As [`Repo::for_each_object`] for those whose checksums have their first byte in `range`.
    ///
    /// # Errors
    /// As [`Repo::for_each_object`].
    pub fn for_each_object_in(
        &self,
        range: RangeInclusive<u8>,
        mut visit: impl FnMut(ObjectName) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.for_each_loose_name(range, |prefix, rest, form| {
            ObjectName::from_loose_names(prefix, rest, form).map_or(Ok(()), &mut visit)
        })
    }

    /// The commits of this repository itself, in the order of their names.
    ///
    /// # Errors
    /// [`StoreError::Fs`].
    pub fn list_commits(&self) -> Result<Vec<CommitId>, StoreError> {
        let mut commits = Vec::new();
        self.for_each_loose_name(0..=u8::MAX, |prefix, rest, form| {
            // Few names are worth a closer look.
            if rest.ends_with(".commit")
                && let Ok(name) = ObjectName::from_loose_names(prefix, rest, form)
            {
                commits.push(CommitId::new(name.checksum));
            }
            Ok(())
        })?;
        Ok(commits)
    }

    fn for_each_loose_name(
        &self,
        range: RangeInclusive<u8>,
        mut visit: impl FnMut(&str, &str, StorageForm) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let form = self.mode().storage_form();
        let mut names = ostler_fs::Entries::new();
        for first in range {
            let prefix = format!("{first:02x}");
            let Some(dir) = self.objects().open_dir_optional(&prefix)? else {
                continue;
            };
            dir.entries_into(&mut names)?;
            for rest in names.iter().filter_map(|entry| entry.str_name()) {
                visit(&prefix, rest, form)?;
            }
        }
        Ok(())
    }
}
