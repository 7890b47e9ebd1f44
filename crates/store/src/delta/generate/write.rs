//! Giving a delta's files their names.

use std::path::PathBuf;

use ostler_format::Metadata;
use ostler_format::delta::{Compression, SignedSuperblock, Superblock};
use ostler_fs::{Dir, Durability, LinkPolicy, TempFile, unique_name};

use super::GenerateOptions;
use super::parts::FinishedPart;
use crate::delta::DeltaError;
use crate::error::StoreError;
use crate::repo::Repo;
use crate::sign::commit;

/// Where a delta's files go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// Into the repository, under its name.
    #[default]
    InRepo,
    /// The superblock into this file, parts beside it.
    At(PathBuf),
}

/// Writes a delta: a reader finds the old one of its name or the new one.
pub(super) fn write(
    repo: &Repo,
    mut superblock: Superblock,
    parts: &[FinishedPart],
    options: &GenerateOptions,
) -> Result<(), DeltaError> {
    if options.inline {
        for (number, part) in parts.iter().enumerate() {
            let bytes = part.bytes()?;
            superblock.insert_inline_part(number, Compression::Xz, bytes[1..].to_vec());
        }
    }
    let mut bytes = superblock.to_bytes()?;
    if !options.signers.is_empty() {
        let mut signatures = Metadata::new();
        let signers = options.signers.iter().map(|signer| &**signer);
        commit::add(&bytes, &mut signatures, signers)?;
        let signed = SignedSuperblock {
            superblock: bytes,
            signatures,
        };
        bytes = signed.to_bytes()?;
    }
    let parts = if options.inline { &[][..] } else { parts };
    match &options.placement {
        Placement::InRepo => into_repo(repo, &superblock.name.path(), parts, &bytes),
        Placement::At(path) => {
            let (folder, name) = folder_and_name(path)?;
            put_parts(&folder, parts, repo.durability())?;
            Ok(repo.replace_file(&folder, &name, &bytes, repo.durability())?)
        }
    }
}

/// Opens the folder of a file that is to be written or read.
pub(in crate::delta) fn folder_and_name(
    path: &std::path::Path,
) -> Result<(Dir, String), DeltaError> {
    let no_file = || DeltaError::NoFile {
        path: path.display().to_string(),
    };
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(no_file)?.to_owned();
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => std::path::Path::new("."),
    };
    Ok((Dir::open_ambient(folder).map_err(StoreError::from)?, name))
}

fn into_repo(
    repo: &Repo,
    path: &str,
    parts: &[FinishedPart],
    superblock: &[u8],
) -> Result<(), DeltaError> {
    let durability = repo.durability();
    let tmp = repo
        .dir()
        .create_dir_all("tmp", 0o775)
        .map_err(StoreError::from)?;
    let aside = unique_name(&tmp, |name| match tmp.create_dir(name, 0o775) {
        Ok(()) => Ok(true),
        Err(error) if error.is_already_exists() => Ok(false),
        Err(error) => Err(error),
    });
    let aside = aside.map_err(StoreError::from)?;
    let fill = || -> Result<(), StoreError> {
        let folder = tmp.open_dir(&*aside)?;
        put_parts(&folder, parts, durability)?;
        repo.replace_file(&folder, "superblock", superblock, durability)?;
        let (parent, name) = path.rsplit_once('/').expect("it lies in a folder");
        let parent = repo.dir().create_dir_all(parent, 0o775)?;
        if parent.exists(name)? {
            tmp.exchange(&*aside, &parent, name)?;
        } else {
            tmp.rename(&*aside, &parent, name)?;
        }
        if durability == Durability::Synced {
            parent.sync()?;
        }
        Ok(())
    };
    let filled = fill();
    // The old delta after an exchange, what there is of the new one after a failure.
    tmp.remove_all(&*aside).map_err(StoreError::from)?;
    Ok(filled?)
}

fn put_parts(
    folder: &Dir,
    parts: &[FinishedPart],
    durability: Durability,
) -> Result<(), StoreError> {
    for (number, part) in parts.iter().enumerate() {
        let mut temp = TempFile::new(folder, 0o644)?;
        let mut from = part
            .file
            .file()
            .try_clone()
            .map_err(|error| StoreError::io("writing a part", error))?;
        std::io::Seek::rewind(&mut from)
            .and_then(|()| std::io::copy(&mut from, &mut temp))
            .map_err(|error| StoreError::io("writing a part", error))?;
        if durability == Durability::Synced {
            temp.sync()?;
        }
        temp.link_into(folder, &*number.to_string(), LinkPolicy::Replace)?;
    }
    Ok(())
}
