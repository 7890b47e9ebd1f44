//! What writing one object needs, without a borrow of the repository: sinks of network transfers live on threads that
//! outlive any scope.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ostler_format::{FileHeader, ObjectKind, ObjectName};
use ostler_fs::{
    Access, Dir, HardLink, LinkPolicy, TempFile, Timestamp, Trusted, file, unique_name, xattr,
};

use super::Counters;
use super::flush::Flusher;
use super::payload::PayloadLinks;
use super::space::SpaceBudget;
use super::staging::Staging;
use crate::config::Tristate;
use crate::error::StoreError;
use crate::integrity;
use crate::mode::RepoMode;
use crate::object::{USER_META_XATTR, physical_mode};

/// The times that objects get, so that nothing tells when they were made.
pub(super) const EPOCH: Timestamp = Timestamp {
    seconds: 0,
    nanoseconds: 0,
};

/// The staging side of a transaction; clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    pub(super) staging: Arc<Staging>,
    pub(super) space: Arc<SpaceBudget>,
    pub(super) counters: Arc<Counters>,
    pub(super) flusher: Arc<Flusher>,
    pub(super) mode: RepoMode,
    pub(super) fsverity: Tristate,
    pub(super) zlib_level: u32,
    pub(super) per_object_fsync: bool,
    pub(super) payload_links: Option<Arc<PayloadLinks>>,
}

impl Intake {
    /// The mode in which objects are written.
    pub(crate) fn mode(&self) -> RepoMode {
        self.mode
    }

    /// The staging directory, whose lock this transaction has.
    pub(crate) fn staging_dir(&self) -> &Dir {
        &self.staging.dir
    }

    /// How much may still be written.
    pub(crate) fn free_bytes(&self) -> u64 {
        self.space.left()
    }

    /// Makes a file without a name in the staging directory.
    pub(crate) fn new_temp(&self, mode: u32) -> Result<TempFile, StoreError> {
        Ok(TempFile::new(&self.staging.dir, mode)?)
    }

    /// As [`Intake::new_temp`] for content with this header; the second value tells whether it has its mode already.
    pub(crate) fn new_content_temp(
        &self,
        header: &FileHeader,
    ) -> Result<(TempFile, bool), StoreError> {
        let wanted = physical_mode(self.mode, header)?;
        let takes_xattrs = match self.mode {
            RepoMode::Bare => !header.xattrs.is_empty(),
            RepoMode::BareUser => true,
            RepoMode::BareUserOnly | RepoMode::BareSplitXattrs | RepoMode::Archive => false,
        };
        let has_mode = self.staging.fresh()?.is_some_and(|fresh| {
            let keeps_owner = self.mode != RepoMode::Bare || fresh.is_owned_by(header);
            keeps_owner && fresh.allows(wanted) && !takes_xattrs
        });
        let temp = self.new_temp(if has_mode { wanted } else { 0o600 })?;
        Ok((temp, has_mode))
    }

    /// Gives a finished temporary file its object name.
    pub(crate) fn link_temp(
        &self,
        temp: TempFile,
        name: ObjectName,
        policy: LinkPolicy,
    ) -> Result<(), StoreError> {
        if self.per_object_fsync {
            temp.file()
                .sync_all()
                .map_err(|e| StoreError::io(name.to_string(), e))?;
        }
        let path = self.staging.path_for(&name)?;
        temp.link_into(&self.staging.dir, Trusted(&path), policy)?;
        if name.kind == ObjectKind::File {
            self.enable_verity(&path)?;
        }
        self.staging.note(name);
        Ok(())
    }

    /// Gives the file at `path` beneath `from` a second name as a staged object.
    pub(crate) fn link_existing(
        &self,
        from: &Dir,
        path: &str,
        name: ObjectName,
    ) -> Result<HardLink, StoreError> {
        let staged = self.staging.path_for(&name)?;
        let dir = &self.staging.dir;
        let linked = from.hard_link_optional(Trusted(path), dir, Trusted(&staged))?;
        if linked == HardLink::Linked && self.per_object_fsync {
            // A symlink has no content of its own to sync.
            if let Ok((file, _)) = dir.open_regular(Trusted(&staged)) {
                ostler_fs::file::sync(&file)?;
            }
        }
        if matches!(linked, HardLink::Linked | HardLink::AlreadyExists) {
            self.staging.note(name);
        }
        Ok(linked)
    }

    /// Takes room for content that is not written through a [`ContentFile`](super::ContentFile).
    pub(crate) fn take_space(&self, bytes: u64) -> Result<(), StoreError> {
        self.space.take(bytes)
    }

    /// Gives back what was taken and not used.
    pub(crate) fn give_space_back(&self, bytes: u64) {
        self.space.give_back(bytes);
    }

    pub(super) fn enable_verity(&self, path: &str) -> Result<(), StoreError> {
        let wanted = self.fsverity;
        if wanted == Tristate::No || self.mode == RepoMode::Archive {
            return Ok(());
        }
        let object = self.staging.dir.open_file(Trusted(path), Access::Read)?;
        integrity::seal(&object, wanted)
    }

    /// Puts what the mode keeps of `header` on a file whose content is complete.
    pub(crate) fn seal(&self, temp: &TempFile, header: &FileHeader) -> Result<(), StoreError> {
        self.seal_born(temp, header, false)
    }

    /// As [`Intake::seal`], for a file of [`Intake::new_content_temp`].
    pub(super) fn seal_born(
        &self,
        temp: &TempFile,
        header: &FileHeader,
        has_mode: bool,
    ) -> Result<(), StoreError> {
        match self.mode {
            RepoMode::Bare => {
                let fresh = self.staging.fresh()?;
                if !fresh.is_some_and(|fresh| fresh.is_owned_by(header)) {
                    file::set_owner(temp.file(), header.uid, header.gid)?;
                }
                // After chown, which clears file capabilities and set-user-id bits.
                for (key, value) in header.xattrs.iter() {
                    xattr::set(temp.file(), key, value)?;
                }
            }
            RepoMode::BareUser => {
                xattr::set(temp.file(), USER_META_XATTR, &header.to_user_meta()?)?;
            }
            RepoMode::BareUserOnly | RepoMode::BareSplitXattrs | RepoMode::Archive => {}
        }
        if !has_mode {
            file::set_mode(temp.file(), physical_mode(self.mode, header)?)?;
        }
        if self.mode != RepoMode::Archive {
            file::set_times(temp.file(), EPOCH)?;
        }
        Ok(())
    }

    /// Stages a symlink under a name that must be its checksum.
    ///
    /// # Errors
    /// Those of [`Intake::verify_symlink`]; nothing is staged then.
    pub(crate) fn stage_symlink_verified(
        &self,
        header: &FileHeader,
        name: ObjectName,
    ) -> Result<(), StoreError> {
        Self::verify_symlink(header, name)?;
        self.stage_symlink(header, name)
    }

    /// Compares a symlink's checksum with its name.
    ///
    /// # Errors
    /// [`StoreError::ChecksumMismatch`], and [`StoreError::Malformed`] for what is no symlink.
    pub(crate) fn verify_symlink(header: &FileHeader, name: ObjectName) -> Result<(), StoreError> {
        let malformed = |source| StoreError::Malformed { name, source };
        let actual = header.file_id_of_symlink().map_err(malformed)?.checksum();
        if actual != name.checksum {
            return Err(StoreError::ChecksumMismatch { name, actual });
        }
        Ok(())
    }

    /// Stages a symlink in the form of the mode, under a name that the caller has computed or trusts.
    pub(crate) fn stage_symlink(
        &self,
        header: &FileHeader,
        name: ObjectName,
    ) -> Result<(), StoreError> {
        if self.mode.keeps_symlinks() {
            self.stage_real_symlink(header, name)?;
        } else {
            let temp = self.new_temp(0o644)?;
            let mut bytes = Vec::new();
            if self.mode == RepoMode::Archive {
                bytes = header.archive_prefix(0)?;
            } else {
                bytes.extend_from_slice(header.symlink_target.as_bytes());
                bytes.push(0);
                xattr::set(temp.file(), USER_META_XATTR, &header.to_user_meta()?)?;
            }
            temp.file()
                .write_all_at(&bytes, 0)
                .map_err(|e| StoreError::io(name.to_string(), e))?;
            if self.mode == RepoMode::BareUser {
                file::set_times(temp.file(), EPOCH)?;
            }
            self.link_temp(temp, name, LinkPolicy::KeepExisting)?;
        }
        self.count_content(0);
        Ok(())
    }

    fn stage_real_symlink(&self, header: &FileHeader, name: ObjectName) -> Result<(), StoreError> {
        let dir = &self.staging.dir;
        let path = self.staging.path_for(&name)?;
        let temp = unique_name(dir, |name| {
            match dir.symlink(&header.symlink_target, name) {
                Ok(()) => Ok(true),
                Err(error) if error.is_already_exists() => Ok(false),
                Err(error) => Err(error),
            }
        })?;
        let finish = || -> Result<(), StoreError> {
            if self.mode == RepoMode::Bare {
                dir.set_owner(&temp, header.uid, header.gid)?;
                for (key, value) in header.xattrs.iter() {
                    dir.set_xattr(&temp, key, value)?;
                }
            }
            dir.rename(&temp, dir, Trusted(&path))?;
            Ok(())
        };
        finish().inspect_err(|_| {
            let _ = dir.unlink_optional(&temp);
        })?;
        self.staging.note(name);
        Ok(())
    }

    /// Counts a content object that was written, with its bytes before compression.
    pub(crate) fn count_content(&self, bytes: u64) {
        let counters = &self.counters;
        counters.content_written.fetch_add(1, Ordering::Relaxed);
        counters.content_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.flusher.wrote(bytes, &self.staging.dir);
    }
}
