//! Whether a native delta gives what it says.

use std::io::{self, Read, Seek};

use ostler_format::delta::DeltaName;
use ostler_format::{Checksum, Hasher};

use super::{NativeFile, catalog};
use crate::delta::DeltaError;
use crate::error::StoreError;
use crate::pack::{Fault, check_group};
use crate::repo::Repo;

/// Reads a delta whole, checks its own checksum and those of all objects that it makes of the old commit's; returns how many.
///
/// # Errors
/// [`DeltaError::Absent`], [`DeltaError::NoSource`]; [`DeltaError::Native`] and [`DeltaError::NativeGroup`] for a damaged one.
pub fn verify(repo: &Repo, name: &DeltaName) -> Result<u64, DeltaError> {
    let native = NativeFile::of_repo(repo, name)?;
    let from = native.delta.from;
    if !repo.has_object(&from.into())? || repo.is_partial(from)? {
        return Err(DeltaError::NoSource { from });
    }
    let listed = catalog::read(repo, name.to)?.deltas;
    let listed = listed.iter().find(|entry| entry.from == from);
    let hashed = hash(&native).map_err(|error| StoreError::io("reading a delta", error))?;
    if listed.is_none_or(|entry| entry.file.checksum != hashed) {
        return Err(DeltaError::Native {
            path: name.to_string(),
            problem: "its checksum is wrong".to_owned(),
        });
    }
    let mut objects = 0;
    for group in native.groups(repo)? {
        objects += check_group(&native.file, &group)
            .map_err(|fault| DeltaError::native_group(*name, group.offset, fault))?;
    }
    Ok(objects)
}

fn hash(native: &NativeFile) -> io::Result<Checksum> {
    let mut file = &native.file;
    file.rewind()?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            got => hasher.update(&buffer[..got]),
        }
    }
}

impl DeltaError {
    pub(super) fn native_group(name: DeltaName, offset: u64, fault: Fault) -> Self {
        let problem = match fault {
            Fault::Unpacking(error) => error.to_string(),
            Fault::Object(object) => format!("the bytes of {object} are not its own"),
        };
        Self::NativeGroup {
            name,
            offset,
            problem,
        }
    }
}
