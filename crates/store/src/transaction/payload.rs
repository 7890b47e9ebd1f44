//! Payload links: files with the same content share their blocks, whatever their metadata is.
//!
//! A link `objects/ab/cdef….payload-link` is a symlink to the first object with a content, named by the checksum of the content alone. It is made
//! and followed where `core.payload-link-threshold` asks for it and the file system can share blocks. It is a hint: the kernel
//! compares the bytes before it shares them.

use std::sync::OnceLock;

use ostler_format::{Checksum, ObjectKind, ObjectName, StorageForm};
use ostler_fs::{Dir, FsError, TempFile, Trusted, copy};

use super::intake::Intake;
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::repo::Repo;

/// Where links are, and for which content they are made.
#[derive(Debug)]
pub(crate) struct PayloadLinks {
    threshold_bytes: u64,
    objects: Dir,
    /// Whether the file system shares blocks; asked once.
    can_share: OnceLock<bool>,
}

impl PayloadLinks {
    /// `None` where nothing is to be shared.
    pub(super) fn of(repo: &Repo) -> Result<Option<Self>, StoreError> {
        let threshold = repo.config().payload_link_threshold;
        let Some(threshold_bytes) = threshold.filter(|_| repo.mode() != RepoMode::Archive) else {
            return Ok(None);
        };
        Ok(Some(Self {
            threshold_bytes,
            objects: repo.objects().try_clone()?,
            can_share: OnceLock::new(),
        }))
    }

    /// Whether content of this length is shared.
    fn want(&self, bytes: u64) -> bool {
        bytes > 0 && bytes >= self.threshold_bytes
    }
}

/// The object that a payload link leads to; `None` if it is no such link.
pub(crate) fn target(link: &[u8]) -> Option<ObjectName> {
    let path = std::str::from_utf8(link).ok()?.strip_prefix("../")?;
    let name = ObjectName::from_loose_path(path, StorageForm::Bare).ok()?;
    (name.kind == ObjectKind::File).then_some(name)
}

impl Intake {
    /// Whether content of this length shares its blocks, so that its checksum is needed.
    pub(super) fn shares_payload(&self, bytes: u64) -> bool {
        self.payload_links
            .as_deref()
            .is_some_and(|it| it.want(bytes))
    }

    /// Shares the blocks of a file whose content is complete with the first object of the same content, or makes that object of it.
    pub(super) fn share_payload(
        &self,
        temp: &TempFile,
        bytes: u64,
        payload: Checksum,
        object: ObjectName,
    ) -> Result<(), StoreError> {
        let Some(links) = self.payload_links.as_deref().filter(|it| it.want(bytes)) else {
            return Ok(());
        };
        if !self.can_share(links, temp)? {
            return Ok(());
        }
        let link = ObjectName::new(payload, ObjectKind::PayloadLink);
        let path = link.loose_path(StorageForm::Bare);
        for dir in [&links.objects, &self.staging.dir] {
            let Some(first) = dir
                .read_link_optional(Trusted(&path))?
                .as_deref()
                .and_then(target)
            else {
                continue;
            };
            // In the same folder as the link, and it may be gone.
            let first = first.loose_path(StorageForm::Bare);
            if let Some((first, stat)) = dir.open_regular_optional(Trusted(&first))?
                && stat.size == bytes
                && copy::share_equal(&first, temp.file(), bytes)?
            {
                return Ok(());
            }
        }
        self.stage_link(link, object)
    }

    fn stage_link(&self, link: ObjectName, object: ObjectName) -> Result<(), StoreError> {
        let path = self.staging.path_for(&link)?;
        let target = format!("../{}", object.loose_path(StorageForm::Bare));
        match self.staging.dir.symlink(&target, Trusted(&path)) {
            Err(error) if !error.is_already_exists() => Err(error.into()),
            _ => {
                self.staging.note(link);
                Ok(())
            }
        }
    }

    fn can_share(&self, links: &PayloadLinks, temp: &TempFile) -> Result<bool, FsError> {
        if let Some(known) = links.can_share.get() {
            return Ok(*known);
        }
        let probe = TempFile::new(&self.staging.dir, 0o600)?;
        let can_share = copy::reflink(temp.file(), probe.file())?;
        Ok(*links.can_share.get_or_init(|| can_share))
    }
}
