//! The files of an rpm's archive against what its header says of them.

use std::collections::HashMap;
use std::io::Read;

use ostler_format::archive::EntryKind;
use sha2::{Digest as _, Sha256};

use super::file::{Headers, Payload, RpmError};
use super::files::{RpmFileEntry, files};
use super::tag;

/// What numbers SHA-256 among OpenPGP's hashes.
const SHA256: u64 = 8;
/// Type bits of a mode.
const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

/// Reads the whole archive: each file must be in the header with this size and checksum, each regular file of the header must be there, and the archive
/// must have its checksum. Returns the number of entries.
///
/// # Errors
/// [`RpmError`].
pub fn check_payload<R: Read>(
    headers: &Headers,
    mut payload: Payload<'_, R>,
) -> Result<u64, RpmError> {
    let header = headers.main()?;
    let listed = files(&header)?;
    let has_digests = header.number(tag::FILE_DIGEST_KIND)? == Some(SHA256);
    let mut expected: HashMap<&[u8], &RpmFileEntry> = listed
        .iter()
        .map(|file| (file.path.as_slice(), file))
        .collect();
    let mut count = 0;
    while let Some(entry) = payload.entries.next_entry()? {
        count += 1;
        let path = absolute(&entry.path);
        let shown = || String::from_utf8_lossy(&path).into_owned();
        let Some(file) = expected.remove(path.as_slice()) else {
            return Err(RpmError::Unlisted { path: shown() });
        };
        // Of several names of one file, the last has the content.
        let has_content = match entry.kind {
            EntryKind::File => true,
            EntryKind::SharedFile { .. } => entry.size > 0,
            _ => false,
        };
        if !has_content {
            continue;
        }
        let found = content_sha256(&mut payload.entries)?;
        let differs =
            entry.size != file.size || (has_digests && !found.eq_ignore_ascii_case(&file.digest));
        if differs {
            return Err(RpmError::Differs { path: shown() });
        }
    }
    let is_missing = |file: &&RpmFileEntry| file.mode & TYPE == REGULAR && !file.flags.is_ghost();
    if let Some(file) = expected.into_values().find(is_missing) {
        let path = String::from_utf8_lossy(&file.path).into_owned();
        return Err(RpmError::NotThere { path });
    }
    payload.finish()?;
    Ok(count)
}

/// A path of the archive as the header has it.
fn absolute(path: &[u8]) -> Vec<u8> {
    let path = path.strip_prefix(b".").unwrap_or(path);
    match path.starts_with(b"/") {
        true => path.to_vec(),
        false => [b"/", path].concat(),
    }
}

fn content_sha256(content: &mut impl Read) -> Result<String, RpmError> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match content.read(&mut buffer)? {
            0 => break,
            got => hash.update(&buffer[..got]),
        }
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
