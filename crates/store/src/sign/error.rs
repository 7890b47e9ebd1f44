//! Why something could not be signed, or is not believed.

use std::path::PathBuf;

use ostler_format::{ObjectError, SignatureKind};
use ostler_fs::FsError;

use super::BareKind;
use super::openpgp::{self, Verdict};
use crate::error::StoreError;

/// A signature that could not be made, or none that is believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// No such kind of signature.
    #[error("Requested signature type is not implemented: `{name}`")]
    UnknownKind {
        /// As it was given.
        name: String,
    },
    /// Something that should be a key is none.
    #[error("Incorrect {kind} key: {problem}")]
    Key {
        /// The kind.
        kind: BareKind,
        /// What is wrong.
        problem: &'static str,
    },
    /// A key in SPKI or PKCS #8 form of an algorithm that this program cannot use.
    #[error("spki: a key of algorithm {algorithm}, only Ed25519 can be used")]
    Algorithm {
        /// Its name.
        algorithm: &'static str,
    },
    /// A file of keys cannot be used.
    #[error("keys in `{}`: {source}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<SignError>,
    },
    /// A file of keys cannot be read.
    #[error("key file ({}): {reason}", path.display())]
    KeyFileUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// `gpgkeypath` is no list.
    #[error("`gpgkeypath` of remote `{remote}`: key value list contains more than one separator")]
    KeyPathSeparators {
        /// The remote.
        remote: String,
    },
    /// There is no key to verify with.
    #[error("{kind}: no keys loaded")]
    NoKeys {
        /// The kind.
        kind: BareKind,
    },
    /// A remote asks for a kind and has no keys of it.
    #[error("No keys found for required signapi type {kind}")]
    NoRemoteKeys {
        /// The kind.
        kind: BareKind,
    },
    /// Tests have not asked for signatures that prove nothing.
    #[error("dummy signature type is only for ostree testing")]
    DummyDisabled,
    /// A static delta that must be signed is not.
    #[error("no signatures in static-delta")]
    Unsigned,
    /// There is no signature of this kind.
    #[error("{}", no_signatures(*kind))]
    NoSignatures {
        /// The kind.
        kind: SignatureKind,
    },
    /// There is no signature of any kind that is asked for.
    #[error("No signatures found")]
    NoneOfAnyKind,
    /// No signature fits to a key that is trusted.
    #[error("{}", refused_by_keys(*kind, tried))]
    Refused {
        /// The kind.
        kind: BareKind,
        /// The keys that were tried, in hex.
        tried: Vec<String>,
    },
    /// No OpenPGP signature is good.
    #[error("{}", openpgp::describe_refused(verdicts))]
    OpenPgpRefused {
        /// What is wrong with each.
        verdicts: Vec<Verdict>,
    },
    /// The list of signatures cannot be read.
    #[error(transparent)]
    Malformed(#[from] ObjectError),
    /// A keyring cannot be read.
    #[error("keyring{}: {problem}", place(path))]
    Keyring {
        /// The file, if it is one.
        path: Option<PathBuf>,
        /// What is wrong.
        problem: String,
    },
    /// No key in a keyring fits to what was asked for.
    #[error("Unable to find key \"{id}\"")]
    NoSuchKey {
        /// As it was given.
        id: String,
    },
    /// `gpg` has no such secret key.
    #[error("No gpg key found with ID {id} (homedir: {homedir})")]
    NoSecretKey {
        /// As it was given.
        id: String,
        /// Where it was looked for.
        homedir: String,
    },
    /// The key has signed this already.
    #[error("Commit is already signed with GPG key {id}")]
    SignedAlready {
        /// As it was given.
        id: String,
    },
    /// `gpg` failed.
    #[error("gpg: {message}")]
    Gpg {
        /// What it says.
        message: String,
    },
    /// The repository failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SignError {
    /// What a person could do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownKind { .. } => "the kinds are ed25519 and spki".into(),
            Self::Algorithm { .. } => "make one with `openssl genpkey -algorithm ed25519`".into(),
            Self::NoRemoteKeys { kind } => format!(
                "set `verification-{kind}-key` or `verification-{kind}-file` in the remote's configuration"
            ),
            Self::NoKeys { kind } => {
                format!("name a key, or put one into /etc/ostree/trusted.{kind}.d")
            }
            Self::NoneOfAnyKind | Self::NoSignatures { .. } => {
                "the server can sign: `ostler sign`, `ostler gpg-sign`, `ostler summary -u --sign-from-file=PATH`".into()
            }
            Self::Refused { .. } => {
                "the key may have been replaced: ask for the new one".into()
            }
            Self::OpenPgpRefused { verdicts } => return openpgp::hint(verdicts),
            Self::Gpg { .. } => {
                "OpenPGP signatures are made by the program `gpg` (Debian: gnupg)".into()
            }
            Self::KeyFile { source, .. } => return source.hint(),
            Self::Store(error) => return error.hint(),
            _ => return None,
        })
    }
}

impl From<FsError> for SignError {
    fn from(error: FsError) -> Self {
        Self::Store(error.into())
    }
}

fn place(path: &Option<PathBuf>) -> String {
    path.as_ref()
        .map(|path| format!(" `{}`", path.display()))
        .unwrap_or_default()
}

fn no_signatures(kind: SignatureKind) -> String {
    match kind {
        SignatureKind::OpenPgp => "No GPG signatures found".to_owned(),
        SignatureKind::Ed25519 => "ed25519: no signatures found".to_owned(),
        SignatureKind::Spki => "spki: no signatures found".to_owned(),
        SignatureKind::Dummy => "dummy: no signatures found".to_owned(),
    }
}

fn refused_by_keys(kind: BareKind, tried: &[String]) -> String {
    /// Names of keys that are still read.
    const NAMED: usize = 3;
    if tried.len() > NAMED {
        let count = tried.len();
        return format!("{kind}: Signature couldn't be verified; tried {count} keys");
    }
    if kind == BareKind::Dummy {
        return format!(
            "signature: dummy: incorrect signatures found: {}",
            tried.len()
        );
    }
    let named: Vec<_> = tried.iter().map(|key| format!("key '{key}'")).collect();
    let named = named.join("; ");
    format!("{kind}: Signature couldn't be verified with: {named}")
}
