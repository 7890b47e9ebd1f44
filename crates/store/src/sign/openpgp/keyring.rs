//! Certificates in memory.

use std::collections::BTreeMap;

use sequoia_openpgp::cert::CertParser;
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::parse::{PacketParser, PacketParserResult, Parse as _};
use sequoia_openpgp::serialize::{MarshalInto as _, Serialize as _};
use sequoia_openpgp::types::SignatureType;
use sequoia_openpgp::{Cert, Fingerprint, KeyHandle, Packet};

use super::keybox;
use crate::sign::SignError;

/// The largest keyring that is parsed, in bytes.
pub const MAX_KEYRING: usize = 32 << 20;
/// The most certificates in one keyring.
const MAX_CERTS: usize = 4096;
/// How armored certificates begin, public ones and those with secrets.
const ARMOR: &[u8] = b"-----BEGIN PGP ";

/// A set of certificates, one a fingerprint; what is known twice of one is merged, so that a revocation is never lost.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    certs: Vec<Cert>,
    /// Revocations of keys: they may have come without their certificates, or behind another one.
    revocations: Vec<Signature>,
}

impl Keyring {
    /// Parses certificates, binary, in armor or in a keybox of GnuPG, as many as there are. Secret parts are dropped; what is
    /// no certificate is left out if there is one beside it.
    ///
    /// # Errors
    /// [`SignError::Keyring`]: no certificate at all (an empty keybox is a keyring without any), a damaged keybox, too many,
    /// too large.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignError> {
        let problem = |problem: String| SignError::Keyring {
            path: None,
            problem,
        };
        if bytes.len() > MAX_KEYRING {
            return Err(problem("it is larger than 32 MiB".into()));
        }
        let parts = if keybox::is_keybox(bytes) {
            keybox::certificates(bytes).map_err(problem)?
        } else {
            parts(bytes)
        };
        let mut keyring = Self::default();
        let mut first_fault = None;
        for part in parts {
            keyring.revocations.extend(revocations(part));
            let parser = match CertParser::from_bytes(part) {
                Ok(parser) => parser,
                Err(error) => {
                    first_fault.get_or_insert(error);
                    continue;
                }
            };
            for cert in parser {
                // A certificate that cannot be written again would spoil every keyring that it comes into.
                match cert.and_then(|cert| cert.to_vec().map(|_| cert)) {
                    Ok(cert) => keyring.add(cert),
                    Err(error) => {
                        first_fault.get_or_insert(error);
                    }
                }
                if keyring.certs.len() > MAX_CERTS {
                    return Err(problem("it holds more than 4096 certificates".into()));
                }
            }
        }
        keyring.apply_revocations();
        match first_fault {
            Some(error) if keyring.is_empty() => Err(problem(error.to_string())),
            _ => Ok(keyring),
        }
    }

    /// Adds all certificates of another keyring.
    pub fn extend(&mut self, other: Self) {
        self.revocations.extend(other.revocations);
        other.certs.into_iter().for_each(|cert| self.add(cert));
        self.apply_revocations();
    }

    /// The certificates, in the order in which they came.
    pub fn certs(&self) -> &[Cert] {
        &self.certs
    }

    /// Whether there is neither a certificate nor a revocation of one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.certs.is_empty() && self.revocations.is_empty()
    }

    /// Puts revocations to the certificates that they are of; whether they are genuine is judged when those are used.
    fn apply_revocations(&mut self) {
        for revocation in &self.revocations {
            let issuers = revocation.get_issuers();
            for cert in &mut self.certs {
                if issuers
                    .iter()
                    .any(|issuer| issuer.aliases(cert.key_handle()))
                    && let Ok((revoked, _)) = cert.clone().insert_packets([revocation.clone()])
                {
                    *cert = revoked;
                }
            }
        }
    }

    /// Whether there are revocations here and `other` has none of the certificates that they are of.
    pub(super) fn revokes_strangers(&self, other: &Self) -> bool {
        let is_of = |revocation: &Signature| {
            let issuers = revocation.get_issuers();
            let mut certs = other.certs.iter();
            certs.any(|cert| issuers.iter().any(|it| it.aliases(cert.key_handle())))
        };
        !self.revocations.is_empty() && !self.revocations.iter().any(is_of)
    }

    /// Keeps the certificates that `ids` name: a fingerprint, a key id of 16 or 8 digits, or a mail address.
    ///
    /// # Errors
    /// [`SignError::NoSuchKey`] for the first that names none.
    pub fn select(&self, ids: &[String]) -> Result<Self, SignError> {
        let mut chosen = Self::default();
        for id in ids {
            let mut found = self
                .certs
                .iter()
                .filter(|cert| is_named(cert, id))
                .peekable();
            if found.peek().is_none() {
                return Err(SignError::NoSuchKey { id: id.clone() });
            }
            found.cloned().for_each(|cert| chosen.add(cert));
        }
        Ok(chosen)
    }

    /// The fingerprints that this keyring has and `other` lacks.
    pub fn new_beside(&self, other: &Self) -> Vec<Fingerprint> {
        let known = |fingerprint: &Fingerprint| {
            let mut certs = other.certs.iter();
            certs.any(|cert| cert.fingerprint() == *fingerprint)
        };
        let all = self.certs.iter().map(Cert::fingerprint);
        all.filter(|fingerprint| !known(fingerprint)).collect()
    }

    /// The fingerprints of all keys, primary ones and subkeys, in upper-case hex.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<String> {
        let keys = self.certs.iter().flat_map(Cert::keys);
        keys.map(|key| key.key().fingerprint().to_hex()).collect()
    }

    /// The certificates one after the other, binary, as `gpg --export` writes them.
    ///
    /// # Errors
    /// [`SignError::Keyring`] for one that cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SignError> {
        let mut bytes = Vec::new();
        for cert in &self.certs {
            cert.serialize(&mut bytes)
                .map_err(|error| SignError::Keyring {
                    path: None,
                    problem: error.to_string(),
                })?;
        }
        Ok(bytes)
    }

    fn add(&mut self, cert: Cert) {
        let cert = cert.strip_secret_key_material();
        let fingerprint = cert.fingerprint();
        let known = self
            .certs
            .iter_mut()
            .find(|known| known.fingerprint() == fingerprint);
        match known {
            Some(known) => {
                if let Ok(merged) = known.clone().merge_public(cert) {
                    *known = merged;
                }
            }
            None => self.certs.push(cert),
        }
    }

    /// Certificates by the handles under which their keys may sign.
    pub(super) fn by_issuer<'a>(&'a self, issuers: &[KeyHandle]) -> Vec<(&'a Cert, Fingerprint)> {
        let mut found = BTreeMap::new();
        for (place, cert) in self.certs.iter().enumerate() {
            for key in cert.keys() {
                let handle = KeyHandle::from(key.key().fingerprint());
                if issuers.iter().any(|issuer| issuer.aliases(&handle)) {
                    found.insert((place, key.key().fingerprint()), cert);
                }
            }
        }
        let keys = found.into_iter();
        keys.map(|((_, fingerprint), cert)| (cert, fingerprint))
            .collect()
    }
}

/// Revocations of keys among the packets, those within certificates too.
fn revocations(bytes: &[u8]) -> Vec<Signature> {
    let mut found = Vec::new();
    let Ok(mut parser) = PacketParser::from_bytes(bytes) else {
        return found;
    };
    while let PacketParserResult::Some(packet) = parser {
        let Ok((packet, rest)) = packet.next() else {
            break;
        };
        match packet {
            Packet::Signature(signature) if signature.typ() == SignatureType::KeyRevocation => {
                found.push(signature);
            }
            _ => {}
        }
        parser = rest;
    }
    found
}

/// Cuts armored blocks that follow each other apart; anything else is one part.
fn parts(bytes: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = bytes
        .windows(ARMOR.len())
        .enumerate()
        .filter(|(_, window)| *window == ARMOR)
        .map(|(start, _)| start)
        .collect();
    // The first bit of a packet is set, that of text is not.
    if starts.is_empty() || bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
        return vec![bytes];
    }
    let ends = starts.iter().copied().skip(1).chain([bytes.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| &bytes[*start..end])
        .collect()
}

fn is_named(cert: &Cert, id: &str) -> bool {
    let digits = id.strip_prefix("0x").unwrap_or(id).to_ascii_uppercase();
    let is_hex = digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex {
        let mut keys = cert.keys();
        return keys.any(|key| key.key().fingerprint().to_hex().ends_with(&digits));
    }
    let wanted = id.to_lowercase();
    let mut ids = cert.userids();
    ids.any(|user| {
        let text = String::from_utf8_lossy(user.userid().value()).to_lowercase();
        text.contains(&wanted)
    })
}
