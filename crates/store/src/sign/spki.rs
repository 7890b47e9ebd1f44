//! Keys in the forms of X.509: SubjectPublicKeyInfo for public ones, PKCS #8 for secret ones. The algorithm is Ed25519; a
//! key of another one is refused by its name.

use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use ed25519_dalek::{SigningKey, VerifyingKey};

use super::{BareKind, SignError, ed25519};

/// Object identifiers of algorithms, as DER has them: tag, length, content.
const ALGORITHMS: &[(&[u8], &str)] = &[
    (&[0x06, 0x03, 0x2b, 0x65, 0x70], "Ed25519"),
    (&[0x06, 0x03, 0x2b, 0x65, 0x71], "Ed448"),
    (
        &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01],
        "ECDSA",
    ),
    (
        &[
            0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
        ],
        "RSA",
    ),
];

/// Bytes of a key's DER in which its algorithm stands.
const HEAD: usize = 32;

/// Takes the DER of a SubjectPublicKeyInfo.
pub(super) fn public_key(der: &[u8]) -> Result<VerifyingKey, SignError> {
    let key = VerifyingKey::from_public_key_der(der)
        .map_err(|_| fault(der, "the DER of a SubjectPublicKeyInfo was expected"))?;
    ed25519::public_key(key.as_bytes())
}

/// Takes the DER of PKCS #8.
pub(super) fn secret_key(der: &[u8]) -> Result<SigningKey, SignError> {
    SigningKey::from_pkcs8_der(der)
        .map_err(|_| fault(der, "the DER of an unencrypted PKCS #8 key was expected"))
}

pub(super) fn verify(der: &[u8], data: &[u8], signature: &[u8]) -> bool {
    public_key(der).is_ok_and(|key| ed25519::verify(key.as_bytes(), data, signature))
}

/// Names the algorithm of a key that cannot be used, if that is why.
fn fault(der: &[u8], problem: &'static str) -> SignError {
    let head = &der[..der.len().min(HEAD)];
    let stands_in_head = |id: &[u8]| head.windows(id.len()).any(|window| window == id);
    let found = ALGORITHMS.iter().find(|(id, _)| stands_in_head(id));
    match found {
        Some((_, name)) if *name != "Ed25519" => SignError::Algorithm { algorithm: name },
        _ => BareKind::Spki.bad_key(problem),
    }
}
