//! One file of a checkout: a hardlink to the object, or a copy with its metadata.

use std::fs::File;
use std::io::Read;

use ostler_format::{FileHeader, FileId, Hasher, ObjectName};
use ostler_fs::{
    Dir, HardLink, LinkOutcome, LinkPolicy, Metadata, TempFile, Trusted, copy, file, unique_name,
    xattr,
};

use super::directory::Work;
use super::{CheckoutError, Links, Overwrite, Ownership};
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::object::FileObject;
use crate::repo::Repo;

/// The size of the buffer that content is copied through.
const COPY_BUFFER: usize = 128 * 1024;

/// What putting a file at its name came to.
enum Placed {
    Linked,
    /// It could not be a hardlink; why.
    NeedsCopy(&'static str),
}

impl Work<'_> {
    /// Puts the object `id` at `name`.
    pub(super) fn place_file(
        &self,
        dir: &Dir,
        path: &str,
        name: &str,
        id: FileId,
    ) -> Result<(), CheckoutError> {
        if self.options.overwrite == Overwrite::Add && dir.exists(name)? {
            return Ok(());
        }
        if self.options.links != Links::Copy {
            for repo in self.repo.chain() {
                if !self.may_link(repo) {
                    continue;
                }
                match self.try_link(repo, dir, path, name, id)? {
                    None => {}
                    Some(Placed::Linked) => return Ok(()),
                    Some(Placed::NeedsCopy(reason))
                        if self.options.links == Links::Require && !reason.is_empty() =>
                    {
                        return Err(CheckoutError::LinkRefused {
                            path: format!("{path}{name}"),
                            reason,
                        });
                    }
                    Some(Placed::NeedsCopy(_)) => break,
                }
            }
        }
        self.copy_file(dir, path, name, id)
    }

    fn may_link(&self, repo: &Repo) -> bool {
        match repo.mode() {
            RepoMode::Bare => self.options.ownership == Ownership::Commit,
            RepoMode::BareUser => self.options.ownership == Ownership::User,
            RepoMode::BareUserOnly => true,
            RepoMode::Archive | RepoMode::BareSplitXattrs => false,
        }
    }

    /// Hardlinks the object of `repo`; `None` if `repo` does not have it.
    fn try_link(
        &self,
        repo: &Repo,
        dir: &Dir,
        path: &str,
        name: &str,
        id: FileId,
    ) -> Result<Option<Placed>, CheckoutError> {
        let object = ObjectName::from(id).loose_path(repo.mode().storage_form());
        let object = Trusted(object.as_str());
        let Some(stat) = repo.objects().metadata_optional(object)? else {
            return Ok(None);
        };
        if stat.is_file() && stat.size == 0 {
            // Every package has empty files: one inode for all of them would run out of links.
            return Ok(Some(Placed::NeedsCopy("")));
        }
        if repo.mode() == RepoMode::BareUserOnly && stat.is_symlink() {
            // As libostree does it: a link of a symlink saves no space.
            return Ok(Some(Placed::NeedsCopy("")));
        }
        if repo.mode() == RepoMode::BareUserOnly && stat.mode & 0o400 == 0 {
            return Ok(Some(Placed::NeedsCopy("")));
        }
        if repo.mode() == RepoMode::BareUser && is_symlink_object(repo, object, &stat)? {
            return Ok(Some(Placed::NeedsCopy("")));
        }
        match repo.objects().hard_link_optional(object, dir, name)? {
            HardLink::Linked => {}
            HardLink::AlreadyExists => {
                self.resolve_existing(repo, (object, &stat), dir, path, name, id)?
            }
            HardLink::TooManyLinks => {
                return Ok(Some(Placed::NeedsCopy(
                    "its inode has as many links as the file system allows",
                )));
            }
            HardLink::CrossDevice => {
                return Ok(Some(Placed::NeedsCopy(
                    "the destination is on another file system",
                )));
            }
            HardLink::NotPermitted => {
                return Ok(Some(Placed::NeedsCopy("the file system does not allow it")));
            }
        }
        self.count_link();
        Ok(Some(Placed::Linked))
    }

    /// The name is taken: replaces it, or checks that it is the same, or refuses.
    fn resolve_existing(
        &self,
        repo: &Repo,
        (object, stat): (Trusted<&str>, &Metadata),
        dir: &Dir,
        path: &str,
        name: &str,
        id: FileId,
    ) -> Result<(), CheckoutError> {
        let existing = dir.metadata(name)?;
        if stat.dev_ino() == existing.dev_ino() {
            return Ok(());
        }
        match self.options.overwrite {
            Overwrite::Identical => self.check_identical(dir, path, name, id),
            Overwrite::Add => Ok(()),
            Overwrite::Union => {
                let temp = unique_name(dir, |temp| {
                    Ok(repo.objects().hard_link_optional(object, dir, temp)? == HardLink::Linked)
                })?;
                self.replace(dir, path, name, &temp)
            }
            Overwrite::Refuse => Err(CheckoutError::InTheWay {
                path: format!("{path}{name}"),
                found: "not to be overwritten",
            }),
        }
    }

    fn replace(&self, dir: &Dir, path: &str, name: &str, temp: &str) -> Result<(), CheckoutError> {
        let outcome = dir.rename(temp, dir, name);
        if outcome.is_err() {
            dir.unlink_optional(temp)?;
            if dir.metadata(name)?.is_dir() {
                return Err(CheckoutError::InTheWay {
                    path: format!("{path}{name}"),
                    found: "a directory",
                });
            }
        }
        // Two names of one inode: the rename did nothing and left the temporary one.
        dir.unlink_optional(temp)?;
        Ok(outcome?)
    }

    fn check_identical(
        &self,
        dir: &Dir,
        path: &str,
        name: &str,
        id: FileId,
    ) -> Result<(), CheckoutError> {
        let differs = || CheckoutError::Differs {
            path: format!("{path}{name}"),
        };
        let existing = dir.metadata(name)?;
        let mut object = self.repo.open_file_object(id)?;
        if object.is_symlink() {
            let same = existing.is_symlink()
                && dir.read_link(name)? == object.header.symlink_target.as_bytes();
            return if same { Ok(()) } else { Err(differs()) };
        }
        if !existing.is_file() || existing.size != object.size {
            return Err(differs());
        }
        let (mut found, _) = dir.open_regular(name)?;
        if digest(&mut found)? == digest(&mut object)? {
            Ok(())
        } else {
            Err(differs())
        }
    }

    fn copy_file(
        &self,
        dir: &Dir,
        path: &str,
        name: &str,
        id: FileId,
    ) -> Result<(), CheckoutError> {
        if let Some(cache) = &self.cache {
            match cache.link(id, dir, name)? {
                Some(HardLink::Linked) => {
                    self.count_link();
                    return Ok(());
                }
                Some(_) => {
                    return self.write_copy(dir, path, name, self.repo.open_file_object(id)?, id);
                }
                None => {}
            }
            let object = self.repo.open_file_object(id)?;
            if !object.is_symlink() && object.size > 0 {
                let mode = self.permissions(&object.header);
                let size = object.size;
                cache.fill(id, |to| {
                    write_content(object, to).and_then(|()| Ok(file::set_mode(&*to, mode)?))
                })?;
                if cache.link(id, dir, name)? == Some(HardLink::Linked) {
                    self.count_copy(size);
                    return Ok(());
                }
                return self.write_copy(dir, path, name, self.repo.open_file_object(id)?, id);
            }
            return self.write_copy(dir, path, name, object, id);
        }
        self.write_copy(dir, path, name, self.repo.open_file_object(id)?, id)
    }

    fn write_copy(
        &self,
        dir: &Dir,
        path: &str,
        name: &str,
        object: FileObject,
        id: FileId,
    ) -> Result<(), CheckoutError> {
        if self.options.overwrite == Overwrite::Identical && dir.exists(name)? {
            return self.check_identical(dir, path, name, id);
        }
        let size = object.size;
        if object.is_symlink() {
            self.write_symlink(dir, path, name, &object.header)?;
        } else {
            self.write_regular(dir, path, name, object)?;
        }
        self.count_copy(size);
        Ok(())
    }

    fn write_symlink(
        &self,
        dir: &Dir,
        path: &str,
        name: &str,
        header: &FileHeader,
    ) -> Result<(), CheckoutError> {
        let make = |at: &str| dir.symlink(&header.symlink_target, at);
        let xattrs = self.xattrs(&format!("{path}{name}"), header.mode, &header.xattrs)?;
        let set = |at: &str| -> Result<(), CheckoutError> {
            if self.keeps_owner() {
                dir.set_owner(at, header.uid, header.gid)?;
            }
            for (key, value) in xattrs.iter() {
                dir.set_xattr(at, key, value)?;
            }
            Ok(())
        };
        match make(name) {
            Ok(()) => set(name),
            Err(error) if !error.is_already_exists() => Err(error.into()),
            Err(_) if self.options.overwrite != Overwrite::Union => Err(CheckoutError::InTheWay {
                path: format!("{path}{name}"),
                found: "not to be overwritten",
            }),
            Err(_) => {
                let temp = unique_name(dir, |temp| match make(temp) {
                    Ok(()) => Ok(true),
                    Err(error) if error.is_already_exists() => Ok(false),
                    Err(error) => Err(error),
                })?;
                set(&temp)?;
                self.replace(dir, path, name, &temp)
            }
        }
    }

    fn write_regular(
        &self,
        dir: &Dir,
        path: &str,
        name: &str,
        object: FileObject,
    ) -> Result<(), CheckoutError> {
        let temp = TempFile::new(dir, 0o600)?;
        let header = object.header.clone();
        let mut to = temp
            .file()
            .try_clone()
            .map_err(|e| StoreError::io("writing a file", e))?;
        write_content(object, &mut to)?;
        if self.keeps_owner() {
            file::set_owner(&to, header.uid, header.gid)?;
        }
        let xattrs = self.xattrs(&format!("{path}{name}"), header.mode, &header.xattrs)?;
        // After chown, which clears file capabilities.
        for (key, value) in xattrs.iter() {
            xattr::set(&to, key, value)?;
        }
        file::set_mode(&to, self.permissions(&header))?;
        let policy = match self.options.overwrite {
            Overwrite::Union => LinkPolicy::Replace,
            Overwrite::Add => LinkPolicy::KeepExisting,
            Overwrite::Refuse | Overwrite::Identical => LinkPolicy::Fail,
        };
        match temp.link_into(dir, name, policy) {
            Ok(LinkOutcome::Linked | LinkOutcome::Kept) => Ok(()),
            Err(_)
                if dir
                    .metadata_optional(name)?
                    .is_some_and(|stat| stat.is_dir()) =>
            {
                Err(CheckoutError::InTheWay {
                    path: format!("{path}{name}"),
                    found: "a directory",
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn permissions(&self, header: &FileHeader) -> u32 {
        match self.options.ownership {
            Ownership::Commit if self.repo.mode() != RepoMode::BareUserOnly => header.mode & 0o7777,
            // What a user could not read could not be committed again either.
            _ => header.mode & 0o1777 | 0o400,
        }
    }
}

/// Copies an object's content, in the kernel where it is stored plainly.
fn write_content(mut object: FileObject, to: &mut File) -> Result<(), CheckoutError> {
    if let Some(from) = object.plain_file() {
        copy::copy_contents(from, to)?;
        return Ok(());
    }
    let mut buffer =
        vec![0; COPY_BUFFER.min(usize::try_from(object.size).unwrap_or(COPY_BUFFER) + 1)];
    let error = |e| StoreError::io("copying content", e);
    loop {
        let got = object.read(&mut buffer).map_err(error)?;
        if got == 0 {
            return Ok(());
        }
        std::io::Write::write_all(to, &buffer[..got]).map_err(error)?;
    }
}

/// Whether an object of a `bare-user` repository, a regular file there, stands for a symlink.
fn is_symlink_object(
    repo: &Repo,
    object: Trusted<&str>,
    stat: &Metadata,
) -> Result<bool, CheckoutError> {
    // Symlink objects are always 0644 and short; only then is the xattr worth reading.
    if stat.permissions() != 0o644 || stat.size > 4096 {
        return Ok(false);
    }
    let value = repo
        .objects()
        .xattr(object, crate::object::USER_META_XATTR, 1 << 20)?;
    Ok(value.is_some_and(|value| {
        FileHeader::parse_user_meta(&value).is_ok_and(|header| header.is_symlink())
    }))
}

fn digest(source: &mut dyn Read) -> Result<ostler_format::Checksum, CheckoutError> {
    let mut hasher = Hasher::new();
    std::io::copy(source, &mut hasher).map_err(|e| StoreError::io("comparing content", e))?;
    Ok(hasher.finish())
}
