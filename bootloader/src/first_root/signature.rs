//! Which composefs image a signed commit has.
//!
//! The keys are the initramfs's; commit, signatures and image are the physical root's, and nothing of them is believed before a key fits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use ostler_format::composefs::DIGEST_KEY;
use ostler_format::{
    CHECKSUM_LEN, Checksum, Commit, CommitId, MAX_METADATA_SIZE, Metadata, ObjectError,
    SignatureKind,
};
use ostler_fs::{Dir, Trusted};

use super::FirstRootError;

const MAX_KEYS_BYTES: u64 = 1 << 20;

/// Returns the digest that a commit says of its image, after a signature of the commit was found good.
pub(super) fn signed_digest(
    initramfs: &Dir,
    keys_path: &str,
    objects: &Dir,
    commit: CommitId,
) -> Result<[u8; CHECKSUM_LEN], FirstRootError> {
    let keys = read_keys(initramfs, keys_path)?;
    let hex = commit.to_string();
    let (folder, rest) = hex.split_at(2);
    let path = format!("{folder}/{rest}.commit");
    let bytes = objects.read(Trusted(path.as_str()), MAX_METADATA_SIZE)?;
    if Checksum::of(&bytes) != commit.checksum() {
        return Err(FirstRootError::WrongCommit(path));
    }
    let detached_path = format!("{folder}/{rest}.commitmeta");
    let detached = objects.read(Trusted(detached_path.as_str()), MAX_METADATA_SIZE)?;
    let damaged = |path: &str| {
        let path = path.to_owned();
        |cause: ObjectError| FirstRootError::DamagedCommit { path, cause }
    };
    let detached = Metadata::parse(&detached).map_err(damaged(&detached_path))?;
    let signatures = SignatureKind::Ed25519.read(&detached);
    if !is_signed(&keys, &bytes, &signatures.map_err(damaged(&detached_path))?) {
        return Err(FirstRootError::NotSigned {
            commit: hex,
            keys: keys_path.to_owned(),
        });
    }
    let parsed = Commit::parse(&bytes).map_err(damaged(&path))?;
    let digest = parsed.metadata.get(DIGEST_KEY);
    digest
        .and_then(|value| value.unboxed().as_bytes())
        .and_then(|bytes| <[u8; CHECKSUM_LEN]>::try_from(bytes).ok())
        .ok_or(FirstRootError::NoDigest(hex))
}

/// Reads keys, one a line in base64.
fn read_keys(initramfs: &Dir, path: &str) -> Result<Vec<VerifyingKey>, FirstRootError> {
    let no_key = |reason| FirstRootError::NoKey {
        path: path.to_owned(),
        reason,
    };
    let text = initramfs
        .read_in_root_optional(Trusted(path.trim_start_matches('/')), MAX_KEYS_BYTES)?
        .ok_or_else(|| no_key("there is no such file in the initramfs"))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut keys = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let key = STANDARD
            .decode(line)
            .ok()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
            .filter(|key| !key.is_weak())
            .ok_or_else(|| no_key("a line is no Ed25519 key in base64"))?;
        keys.push(key);
    }
    match keys.is_empty() {
        true => Err(no_key("it is empty")),
        false => Ok(keys),
    }
}

fn is_signed(keys: &[VerifyingKey], commit: &[u8], signatures: &[&[u8]]) -> bool {
    signatures
        .iter()
        .filter_map(|signature| Signature::from_slice(signature).ok())
        .any(|signature| {
            keys.iter()
                .any(|key| key.verify_strict(commit, &signature).is_ok())
        })
}
