//! Listing the loose objects of a repository.

use ostler_format::ObjectName;
use ostler_fs::Trusted;

use crate::error::StoreError;
use crate::repo::Repo;

impl Repo {
    /// Returns how many bytes an object's file has, here or in a parent.
    ///
    /// # Errors
    /// [`StoreError::ObjectMissing`].
    pub fn object_size_on_disk(&self, name: &ObjectName) -> Result<u64, StoreError> {
        for repo in self.chain() {
            let path = name.loose_path(repo.mode().storage_form());
            if let Some(stat) = repo.objects().metadata_optional(Trusted(path))? {
                return Ok(stat.size);
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
        mut visit: impl FnMut(ObjectName) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let form = self.mode().storage_form();
        let mut names = ostler_fs::Entries::new();
        for first in 0..=u8::MAX {
            let prefix = format!("{first:02x}");
            let Some(dir) = self.objects().open_dir_optional(&prefix)? else {
                continue;
            };
            dir.entries_into(&mut names)?;
            for entry in names.iter() {
                let Some(rest) = entry.str_name() else {
                    continue;
                };
                if let Ok(name) = ObjectName::from_loose_names(&prefix, rest, form) {
                    visit(name)?;
                }
            }
        }
        Ok(())
    }
}
