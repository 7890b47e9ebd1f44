//! Listing the loose objects of a repository.

use ostler_format::ObjectName;

use crate::error::StoreError;
use crate::repo::Repo;

impl Repo {
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
