//! Signatures of commits and summaries: who may sign, who did, and whether that is enough.
//!
//! ```text
//! objects/XX/….commitmeta   {ostree.gpgsigs, ostree.sign.ed25519, ostree.sign.spki}   over the bytes of the commit
//! summary.sig               the same keys                                             over the bytes of `summary`
//! NAME.trustedkeys.gpg      OpenPGP keys of one remote: in the repository, or beside its file in /etc/ostree/remotes.d
//! /usr/share/ostree/trusted.gpg.d/*.gpg           OpenPGP keys for remotes without keys of their own
//! /etc/ostree, /usr/share/ostree                  trusted.TYPE, trusted.TYPE.d/*, revoked.TYPE, revoked.TYPE.d/*
//! ```
//! A [`Signer`] makes signatures of one kind and a [`Verifier`] judges them: `keys` for bare keys (Ed25519 and SPKI),
//! `openpgp` for OpenPGP. One good signature is enough, whatever stands beside it; where a remote asks for OpenPGP and
//! for another kind, one of each is. [`RemoteVerifier`] is what a remote's configuration asks for, and pull shows it each
//! commit and each summary before it is written.

mod bare;
pub mod commit;
mod ed25519;
mod error;
mod host;
mod key_text;
mod keys;
pub mod openpgp;
mod remote;
mod spki;
pub mod summary;

use std::fmt;

use ostler_format::SignatureKind;

pub use bare::{BareKind, SecretKey};
pub use error::SignError;
pub use host::TrustRoots;
pub use key_text::read_secret_keys;
pub use keys::PublicKeys;
pub use remote::{CommitRefused, Demands, Reason, RemoteVerifier, SummaryRefused, Verified};

/// Makes signatures of one kind.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The kind.
    fn kind(&self) -> SignatureKind;

    /// Signs `data`.
    ///
    /// # Errors
    /// [`SignError`] if the key cannot be used.
    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// Judges signatures of one kind.
pub trait Verifier: Send + Sync {
    /// The kind.
    fn kind(&self) -> SignatureKind;

    /// Looks for one good signature of `data` among `signatures`, and tells in words what it found.
    ///
    /// # Errors
    /// [`SignError`] if none is good; it says why each is not.
    fn verify(&self, data: &[u8], signatures: &[&[u8]]) -> Result<String, SignError>;
}

/// Lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
