//! Signatures by bare keys: what the kinds have in common, and which there are.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ostler_format::SignatureKind;

use super::{SignError, Signer, ed25519, spki};

/// The variable without which signatures of the kind `dummy` are neither made nor believed.
const DUMMY_ENABLED: &str = "OSTREE_DUMMY_SIGN_ENABLED";

/// A kind of signature that is made with a bare key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BareKind {
    /// Ed25519, 32 bytes of public key, 64 bytes of secret key and public key.
    Ed25519,
    /// A key in X.509's SubjectPublicKeyInfo form and its secret in PKCS #8.
    Spki,
    /// The text of the key in place of a signature, which proves nothing: for tests alone.
    Dummy,
}

impl BareKind {
    /// All kinds, in the order in which they are tried.
    pub const ALL: [Self; 3] = [Self::Ed25519, Self::Spki, Self::Dummy];

    /// Its name in configuration and file names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Spki => "spki",
            Self::Dummy => "dummy",
        }
    }

    /// Where its signatures are stored.
    #[must_use]
    pub const fn signature_kind(self) -> SignatureKind {
        match self {
            Self::Ed25519 => SignatureKind::Ed25519,
            Self::Spki => SignatureKind::Spki,
            Self::Dummy => SignatureKind::Dummy,
        }
    }

    /// Decodes a public key as it stands in configuration and on a command line, and checks that it can be one.
    ///
    /// # Errors
    /// [`SignError::Key`], [`SignError::Algorithm`].
    pub fn parse_public(self, text: &str) -> Result<Vec<u8>, SignError> {
        let key = self.decode(text)?;
        self.check_public(&key)?;
        Ok(key)
    }

    /// Decodes a secret key as it stands in configuration and on a command line.
    ///
    /// # Errors
    /// [`SignError::Key`], [`SignError::Algorithm`].
    pub fn parse_secret(self, text: &str) -> Result<SecretKey, SignError> {
        SecretKey::new(self, &self.decode(text)?)
    }

    fn decode(self, text: &str) -> Result<Vec<u8>, SignError> {
        if self == Self::Dummy {
            return Ok(text.as_bytes().to_vec());
        }
        let decoded = STANDARD.decode(text.trim());
        decoded.map_err(|_| self.bad_key("base64 of a key was expected"))
    }

    pub(super) fn check_public(self, key: &[u8]) -> Result<(), SignError> {
        match self {
            Self::Ed25519 => ed25519::check_public_key(key),
            Self::Spki => spki::public_key(key).map(drop),
            Self::Dummy => Ok(()),
        }
    }

    /// Whether `signature` is one of `data` by `key`.
    pub(super) fn is_good(self, key: &[u8], data: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519 => ed25519::verify(key, data, signature),
            Self::Spki => spki::verify(key, data, signature),
            Self::Dummy => dummy_is_enabled() && key == signature,
        }
    }

    pub(super) fn bad_key(self, problem: &'static str) -> SignError {
        SignError::Key {
            kind: self,
            problem,
        }
    }
}

impl fmt::Display for BareKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for BareKind {
    type Err = SignError;

    fn from_str(name: &str) -> Result<Self, SignError> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| SignError::UnknownKind {
            name: name.to_owned(),
        })
    }
}

/// A key to sign with.
pub struct SecretKey(Secret);

enum Secret {
    Ed25519(ed25519_dalek::SigningKey),
    Spki(ed25519_dalek::SigningKey),
    Dummy(Vec<u8>),
}

impl SecretKey {
    /// Takes the bytes of a key: 64 bytes of Ed25519, the DER of PKCS #8.
    ///
    /// # Errors
    /// [`SignError::Key`], [`SignError::Algorithm`].
    pub fn new(kind: BareKind, key: &[u8]) -> Result<Self, SignError> {
        Ok(Self(match kind {
            BareKind::Ed25519 => Secret::Ed25519(ed25519::secret_key(key)?),
            BareKind::Spki => Secret::Spki(spki::secret_key(key)?),
            BareKind::Dummy => Secret::Dummy(key.to_vec()),
        }))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl Signer for SecretKey {
    fn kind(&self) -> SignatureKind {
        match self.0 {
            Secret::Ed25519(_) => SignatureKind::Ed25519,
            Secret::Spki(_) => SignatureKind::Spki,
            Secret::Dummy(_) => SignatureKind::Dummy,
        }
    }

    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, SignError> {
        match &self.0 {
            Secret::Ed25519(key) | Secret::Spki(key) => Ok(ed25519::sign(key, data)),
            Secret::Dummy(key) if dummy_is_enabled() => Ok(key.clone()),
            Secret::Dummy(_) => Err(SignError::DummyDisabled),
        }
    }
}

fn dummy_is_enabled() -> bool {
    std::env::var_os(DUMMY_ENABLED).is_some_and(|value| !value.is_empty() && value != "0")
}
