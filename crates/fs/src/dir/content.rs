//! Whole small files: read with a cap, written in one step.

use std::fs::File;
use std::io::{Read, Write};

use super::Dir;
use crate::error::{FsError, Result};
use crate::name::{self, Name, Trusted};
use crate::temp_file::{LinkPolicy, TempFile};

/// What a write promises when it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Every process sees it; a power cut may lose it.
    Cached,
    /// It survives a power cut: content and name are synced.
    Synced,
}

impl Dir {
    /// Reads a regular file whole; a symlink, another type and more than `cap_bytes` are errors.
    pub fn read(&self, name: impl Name, cap_bytes: u64) -> Result<Vec<u8>> {
        let (file, metadata) = self.open_regular(&name)?;
        self.read_capped(&name, &file, metadata.size, cap_bytes)
    }

    /// As [`Dir::read`]; `None` if nothing is there.
    pub fn read_optional(&self, name: impl Name, cap_bytes: u64) -> Result<Option<Vec<u8>>> {
        match self.open_regular_optional(&name)? {
            Some((file, metadata)) => self
                .read_capped(&name, &file, metadata.size, cap_bytes)
                .map(Some),
            None => Ok(None),
        }
    }

    /// Reads a regular file whole by a path that [`Dir::open_in_root`] resolves.
    pub fn read_in_root_optional(
        &self,
        path: impl Name,
        cap_bytes: u64,
    ) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.open_in_root_optional(&path)? else {
            return Ok(None);
        };
        let size = crate::file::metadata(&file)?.size;
        self.read_capped(&path, &file, size, cap_bytes).map(Some)
    }

    /// Puts a file with this content at `name` in one step, replacing what was there; readers see the old or the new.
    ///
    /// `mode` is exact, the umask does not change it. With [`Durability::Synced`] the content is synced before the name appears and the directory after.
    pub fn write_atomic(
        &self,
        name: impl Name,
        content: impl AsRef<[u8]>,
        mode: u32,
        durability: Durability,
    ) -> Result<()> {
        if let Some((parent, last)) = name::split_parent(&name) {
            return self
                .open_dir(Trusted(parent))?
                .write_atomic(last, content, mode, durability);
        }
        let mut file = TempFile::new(self, mode)?;
        let written = file.write_all(content.as_ref());
        written
            .map_err(|error| FsError::new("write", self.path_of(name.as_name_bytes()), error))?;
        crate::file::set_mode(&file, mode)?;
        if durability == Durability::Synced {
            file.sync()?;
        }
        file.link_into(self, name, LinkPolicy::Replace)?;
        if durability == Durability::Synced {
            self.sync()?;
        }
        Ok(())
    }

    /// Puts a symlink to `target` at `name` in one step, replacing what was there. Durable after [`Dir::sync`].
    pub fn replace_symlink(&self, target: impl AsRef<[u8]>, name: impl Name) -> Result<()> {
        let temporary = crate::temp_file::unique_name(self, |temporary| {
            match self.symlink(target.as_ref(), temporary) {
                Err(error) if error.is_already_exists() => Ok(false),
                result => result.map(|()| true),
            }
        })?;
        self.rename(&temporary, self, &name).inspect_err(|_| {
            let _ = self.unlink(&temporary);
        })
    }

    fn read_capped(
        &self,
        name: &impl Name,
        file: &File,
        size: u64,
        cap_bytes: u64,
    ) -> Result<Vec<u8>> {
        let refuse =
            |error: std::io::Error| FsError::new("read", self.path_of(name.as_name_bytes()), error);
        let too_large = |size: u64| {
            let text = format!("it has {size} bytes, more than the limit of {cap_bytes}");
            refuse(std::io::Error::new(std::io::ErrorKind::FileTooLarge, text))
        };
        if size > cap_bytes {
            return Err(too_large(size));
        }
        // One more than it said: a file that grows meanwhile, or one in /proc that says 0, must not pass the cap.
        let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0).saturating_add(1));
        file.take(cap_bytes.saturating_add(1))
            .read_to_end(&mut content)
            .map_err(refuse)?;
        if content.len() as u64 > cap_bytes {
            return Err(too_large(content.len() as u64));
        }
        Ok(content)
    }
}
