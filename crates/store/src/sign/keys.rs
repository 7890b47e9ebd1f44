//! The bare keys that are trusted for one purpose.

use std::path::Path;

use ostler_format::SignatureKind;

use super::host::{list_files, read_file};
use super::key_text::parse_public_keys;
use crate::remote::Remote;

use super::{BareKind, SignError, TrustRoots, Verifier};

/// Public keys of one kind, and those that are revoked whoever trusts them.
#[derive(Clone, Debug)]
pub struct PublicKeys {
    kind: BareKind,
    trusted: Vec<Vec<u8>>,
    revoked: Vec<Vec<u8>>,
}

impl PublicKeys {
    /// Returns a set without keys.
    #[must_use]
    pub fn new(kind: BareKind) -> Self {
        Self {
            kind,
            trusted: Vec::new(),
            revoked: Vec::new(),
        }
    }

    /// The keys of this kind that the host or any remote of a repository trusts; what cannot be read trusts nothing.
    ///
    /// # Errors
    /// As [`PublicKeys::revoke_of`].
    pub fn of_all(
        remotes: &[Remote],
        kind: BareKind,
        roots: &TrustRoots,
    ) -> Result<Self, SignError> {
        let mut keys = Self::new(kind);
        keys.trust_of(roots)?;
        for configured in remotes
            .iter()
            .filter_map(|it| it.verification.get(kind.name()))
        {
            if let Some(path) = &configured.file {
                let _ = keys.trust_file(path);
            }
            if let Some(key) = &configured.key {
                let _ = keys.trust(key);
            }
        }
        Ok(keys)
    }

    /// How many keys are trusted, revoked ones counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.trusted.len()
    }

    /// Whether no key is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.trusted.is_empty()
    }

    /// Trusts the key that `text` encodes.
    ///
    /// # Errors
    /// [`SignError::Key`].
    pub fn trust(&mut self, text: &str) -> Result<(), SignError> {
        let key = self.kind.parse_public(text)?;
        push_new(&mut self.trusted, key);
        Ok(())
    }

    /// Revokes the key that `text` encodes.
    ///
    /// # Errors
    /// [`SignError::Key`].
    pub fn revoke(&mut self, text: &str) -> Result<(), SignError> {
        let key = self.kind.parse_public(text)?;
        push_new(&mut self.revoked, key);
        Ok(())
    }

    /// Trusts the keys in a file.
    ///
    /// # Errors
    /// [`SignError::KeyFileUnreadable`]; [`SignError::KeyFile`] if one is no key, or there is none.
    pub fn trust_file(&mut self, path: &Path) -> Result<(), SignError> {
        let keys = read_keys(self.kind, path)?;
        if keys.is_empty() {
            return Err(in_file(path, self.kind.bad_key("no valid keys")));
        }
        keys.into_iter()
            .for_each(|key| push_new(&mut self.trusted, key));
        Ok(())
    }

    /// Trusts what the directories of `roots` trust. A file that cannot be used is left out: what it would trust is not.
    ///
    /// # Errors
    /// As [`PublicKeys::revoke_of`].
    pub fn trust_of(&mut self, roots: &TrustRoots) -> Result<(), SignError> {
        for dir in &roots.key_dirs {
            for path in files(dir, "trusted", self.kind)? {
                let keys = read_keys(self.kind, &path).unwrap_or_default();
                keys.into_iter()
                    .for_each(|key| push_new(&mut self.trusted, key));
            }
        }
        self.revoke_of(roots)
    }

    /// Revokes what the directories of `roots` revoke.
    ///
    /// # Errors
    /// [`SignError::KeyFile`] for a file that cannot be used: what it would revoke must not be trusted by mistake.
    pub fn revoke_of(&mut self, roots: &TrustRoots) -> Result<(), SignError> {
        for dir in &roots.key_dirs {
            for path in files(dir, "revoked", self.kind)? {
                let keys = read_keys(self.kind, &path)?;
                keys.into_iter()
                    .for_each(|key| push_new(&mut self.revoked, key));
            }
        }
        Ok(())
    }

    /// Whether `signature` is one of `data` by a key that is trusted and not revoked.
    #[must_use]
    pub fn made(&self, data: &[u8], signature: &[u8]) -> bool {
        self.usable()
            .any(|key| self.kind.is_good(key, data, signature))
    }

    fn usable(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.trusted
            .iter()
            .filter(|key| !self.revoked.contains(key))
    }
}

impl Verifier for PublicKeys {
    fn kind(&self) -> SignatureKind {
        self.kind.signature_kind()
    }

    fn verify(&self, data: &[u8], signatures: &[&[u8]]) -> Result<String, SignError> {
        if self.trusted.is_empty() {
            return Err(SignError::NoKeys { kind: self.kind });
        }
        let mut tried = Vec::new();
        for signature in signatures {
            for key in self.usable() {
                if self.kind.is_good(key, data, signature) {
                    return Ok(self.good(key));
                }
                tried.push(shown(self.kind, key));
            }
        }
        if tried.is_empty() {
            return Err(SignError::NoSignatures { kind: self.kind() });
        }
        Err(SignError::Refused {
            kind: self.kind,
            tried,
        })
    }
}

impl PublicKeys {
    fn good(&self, key: &[u8]) -> String {
        match self.kind {
            BareKind::Dummy => "dummy: Signature verified".to_owned(),
            kind => format!(
                "{kind}: Signature verified successfully with key '{}'",
                shown(kind, key)
            ),
        }
    }
}

fn shown(kind: BareKind, key: &[u8]) -> String {
    match kind {
        BareKind::Dummy => String::from_utf8_lossy(key).into_owned(),
        BareKind::Ed25519 | BareKind::Spki => super::hex(key),
    }
}

fn push_new(keys: &mut Vec<Vec<u8>>, key: Vec<u8>) {
    if !keys.contains(&key) {
        keys.push(key);
    }
}

fn read_keys(kind: BareKind, path: &Path) -> Result<Vec<Vec<u8>>, SignError> {
    let bytes = read_file(path)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| in_file(path, kind.bad_key("the file is not text")))?;
    parse_public_keys(kind, &text).map_err(|error| in_file(path, error))
}

fn in_file(path: &Path, source: SignError) -> SignError {
    SignError::KeyFile {
        path: path.to_owned(),
        source: Box::new(source),
    }
}

/// The files `WORD.KIND` and `WORD.KIND.d/*` in `dir`, as far as they are there.
fn files(dir: &Path, word: &str, kind: BareKind) -> Result<Vec<std::path::PathBuf>, SignError> {
    let name = format!("{word}.{kind}");
    let single = dir.join(&name);
    let mut files = list_files(dir)?.unwrap_or_default();
    files.retain(|path| *path == single);
    files.extend(list_files(&dir.join(format!("{name}.d")))?.unwrap_or_default());
    Ok(files)
}
