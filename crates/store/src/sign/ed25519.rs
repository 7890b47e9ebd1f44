//! Ed25519 (RFC 8032), verified strictly: no keys of small order, no second form of a signature.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::{BareKind, SignError};

/// A key of small order.
const WEAK: &str = "the public key is one of those that fit to any signature";

/// Checks that bytes may stand for a public key: there are 32 of them, and it is none that fits to any signature. One that
/// is no point of the curve is let through, as it verifies nothing.
pub(super) fn check_public_key(bytes: &[u8]) -> Result<(), SignError> {
    let kind = BareKind::Ed25519;
    let bytes: &[u8; 32] = bytes
        .try_into()
        .map_err(|_| kind.bad_key("a public key has 32 bytes"))?;
    match VerifyingKey::from_bytes(bytes) {
        Ok(key) if key.is_weak() => Err(kind.bad_key(WEAK)),
        _ => Ok(()),
    }
}

/// Takes 32 bytes for a public key.
pub(super) fn public_key(bytes: &[u8]) -> Result<VerifyingKey, SignError> {
    let kind = BareKind::Ed25519;
    let bytes = bytes
        .try_into()
        .map_err(|_| kind.bad_key("a public key has 32 bytes"))?;
    let key = VerifyingKey::from_bytes(bytes)
        .map_err(|_| kind.bad_key("a public key must be a point of the curve"))?;
    if key.is_weak() {
        return Err(kind.bad_key(WEAK));
    }
    Ok(key)
}

/// Takes 64 bytes for a secret key: the seed and the public key that follows from it.
pub(super) fn secret_key(bytes: &[u8]) -> Result<SigningKey, SignError> {
    let kind = BareKind::Ed25519;
    let bytes = bytes
        .try_into()
        .map_err(|_| kind.bad_key("a secret key has 64 bytes, seed and public key"))?;
    SigningKey::from_keypair_bytes(bytes)
        .map_err(|_| kind.bad_key("the public key in the secret key is another one's"))
}

pub(super) fn sign(key: &SigningKey, data: &[u8]) -> Vec<u8> {
    key.sign(data).to_bytes().to_vec()
}

pub(super) fn verify(key: &[u8], data: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (public_key(key), Signature::from_slice(signature)) else {
        return false;
    };
    key.verify_strict(data, &signature).is_ok()
}
