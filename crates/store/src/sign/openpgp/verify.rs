//! What is true of each signature, at a time.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use ostler_format::SignatureKind;
use sequoia_openpgp::cert::ValidCert;
use sequoia_openpgp::cert::amalgamation::ValidAmalgamation as _;
use sequoia_openpgp::cert::amalgamation::key::ValidErasedKeyAmalgamation;
use sequoia_openpgp::crypto::hash;
use sequoia_openpgp::packet::key::PublicParts;
use sequoia_openpgp::packet::{Signature, UserID};
use sequoia_openpgp::parse::{PacketParser, PacketParserResult, Parse as _};
use sequoia_openpgp::policy::{HashAlgoSecurity, Policy as _, StandardPolicy};
use sequoia_openpgp::types::{HashAlgorithm, PublicKeyAlgorithm, RevocationStatus, SignatureType};
use sequoia_openpgp::{Cert, Fingerprint, Packet};

use super::{Keyring, Validity, Verdict, policy};
use crate::sign::{SignError, Verifier};

/// The most signature packets that are judged in one list.
const MAX_PACKETS: usize = 256;

/// Believes signatures by the keys in a keyring, at the time of each call.
#[derive(Clone, Debug)]
pub struct OpenPgpVerifier {
    keyring: Keyring,
}

impl OpenPgpVerifier {
    /// Returns a verifier that trusts each key in `keyring`.
    #[must_use]
    pub fn new(keyring: Keyring) -> Self {
        Self { keyring }
    }

    /// Judges all signatures, whether good or not.
    #[must_use]
    pub fn judge(&self, data: &[u8], signatures: &[&[u8]]) -> Vec<Verdict> {
        verify(data, signatures, &self.keyring, SystemTime::now())
    }
}

impl Verifier for OpenPgpVerifier {
    fn kind(&self) -> SignatureKind {
        SignatureKind::OpenPgp
    }

    fn verify(&self, data: &[u8], signatures: &[&[u8]]) -> Result<String, SignError> {
        let verdicts = self.judge(data, signatures);
        if verdicts.is_empty() {
            let kind = SignatureKind::OpenPgp;
            return Err(SignError::NoSignatures { kind });
        }
        if !verdicts.iter().any(Verdict::is_good) {
            return Err(SignError::OpenPgpRefused { verdicts });
        }
        Ok(super::describe_all(
            "GPG: Verification enabled, found",
            &verdicts,
        ))
    }
}

/// Judges each signature packet in `signatures`, in order, as it is at `now`. What is no signature is left out.
#[must_use]
pub fn verify(
    data: &[u8],
    signatures: &[&[u8]],
    keyring: &Keyring,
    now: SystemTime,
) -> Vec<Verdict> {
    let packets = signatures.iter().flat_map(|bytes| packets(bytes));
    let mut judge = Judge {
        data,
        keyring,
        policy: policy::at(now),
        now,
        digests: HashMap::new(),
    };
    packets
        .take(MAX_PACKETS)
        .map(|signature| judge.verdict(&signature))
        .collect()
}

/// The signature packets before the first byte that is none.
pub(super) fn packets(bytes: &[u8]) -> Vec<Signature> {
    let mut found = Vec::new();
    let Ok(mut parser) = PacketParser::from_bytes(bytes) else {
        return found;
    };
    while let PacketParserResult::Some(packet) = parser {
        if found.len() >= MAX_PACKETS {
            break;
        }
        let Ok((packet, rest)) = packet.next() else {
            break;
        };
        if let Packet::Signature(signature) = packet {
            found.push(signature);
        }
        parser = rest;
    }
    found
}

struct Judge<'a> {
    data: &'a [u8],
    keyring: &'a Keyring,
    policy: StandardPolicy<'static>,
    now: SystemTime,
    /// The data's digests so far, which many signatures may share.
    digests: HashMap<(HashAlgorithm, u8), hash::Context>,
}

impl Judge<'_> {
    fn verdict(&mut self, signature: &Signature) -> Verdict {
        let issuers = signature.get_issuers();
        let named = issuers.first().map(|issuer| issuer.to_string());
        let mut verdict = Verdict {
            validity: Validity::MissingKey,
            fingerprint: named.unwrap_or_default(),
            primary_fingerprint: String::new(),
            made: signature.signature_creation_time().map_or(0, seconds),
            expires: signature.signature_expiration_time().map(seconds),
            key_expires: None,
            primary_expires: None,
            judged: seconds(self.now),
            algorithm: algorithm_name(signature.pk_algo()),
            hash: signature.hash_algo().to_string(),
            user_name: String::new(),
            user_email: String::new(),
        };
        let keyring = self.keyring;
        let mut keys = keyring.by_issuer(&issuers).into_iter();
        let Some(first) = keys.next() else {
            return verdict;
        };
        // Two keys may share a key id: the one that fits made the signature.
        let fits = |judge: &mut Self, (cert, fingerprint): &(&Cert, Fingerprint)| {
            judge.check(signature, cert, fingerprint).is_ok()
        };
        let (cert, fingerprint) = if fits(self, &first) {
            first
        } else {
            keys.find(|key| fits(self, key)).unwrap_or(first)
        };
        verdict.fingerprint = fingerprint.to_hex();
        verdict.primary_fingerprint = cert.fingerprint().to_hex();
        (verdict.user_name, verdict.user_email) = self.user(cert);
        verdict.validity = self.validity(signature, cert, &fingerprint, &mut verdict);
        verdict
    }

    /// Checks the arithmetic alone.
    fn check(
        &mut self,
        signature: &Signature,
        cert: &Cert,
        fingerprint: &Fingerprint,
    ) -> Result<(), String> {
        if signature.typ() != SignatureType::Binary {
            return Err("it is no signature of binary data".to_owned());
        }
        let words = |error: sequoia_openpgp::anyhow::Error| error.to_string();
        let mut keys = cert.keys();
        let key = keys.find(|key| key.key().fingerprint() == *fingerprint);
        let Some(key) = key else {
            return Err("its key is not in the certificate".to_owned());
        };
        let context = self.digest(signature).map_err(words)?;
        signature.verify_hash(key.key(), context).map_err(words)
    }

    fn digest(
        &mut self,
        signature: &Signature,
    ) -> Result<hash::Context, sequoia_openpgp::anyhow::Error> {
        let (algorithm, version) = (signature.hash_algo(), signature.version());
        if let Some(salt) = signature.salt() {
            let mut context = algorithm.context()?.for_signature(version);
            context.update(salt);
            context.update(self.data);
            return Ok(context);
        }
        if let Some(context) = self.digests.get(&(algorithm, version)) {
            return Ok(context.clone());
        }
        let mut context = algorithm.context()?.for_signature(version);
        context.update(self.data);
        self.digests.insert((algorithm, version), context.clone());
        Ok(context)
    }

    /// Judges a signature of a known key and notes when its keys expire.
    fn validity(
        &mut self,
        signature: &Signature,
        cert: &Cert,
        fingerprint: &Fingerprint,
        verdict: &mut Verdict,
    ) -> Validity {
        let check = self.check(signature, cert, fingerprint);
        // Of a revoked certificate nothing else need be true.
        if is_revoked(&cert.revocation_status(&self.policy, self.now)) {
            return Validity::KeyRevoked;
        }
        let policy = &self.policy;
        let valid = match cert.with_policy(policy, self.now) {
            Ok(valid) => valid,
            Err(error) => return Validity::Bad(format!("its certificate is unusable: {error}")),
        };
        verdict.primary_expires = expiry(&valid.primary_key().into());
        let key = valid
            .keys()
            .find(|key| key.key().fingerprint() == *fingerprint);
        let Some(key) = key else {
            return Validity::Bad("its key is not bound to the certificate".to_owned());
        };
        verdict.key_expires = expiry(&key);
        if is_revoked(&key.revocation_status()) {
            return Validity::KeyRevoked;
        }
        if let Err(reason) = check {
            return Validity::Bad(reason);
        }
        if let Err(reason) = self.strength(signature, &key) {
            return Validity::Bad(reason);
        }
        let judged = seconds(self.now);
        if verdict.expires.is_some_and(|at| at <= judged) {
            return Validity::SignatureExpired;
        }
        if let Err(error) = signature.signature_alive(self.now, CLOCK_SKEW) {
            return Validity::Bad(error.to_string());
        }
        if is_over(&valid, &key) {
            return Validity::KeyExpired;
        }
        Validity::Good
    }

    /// Checks that hash, key and its purpose are good enough.
    fn strength(
        &self,
        signature: &Signature,
        key: &ValidErasedKeyAmalgamation<'_, PublicParts>,
    ) -> Result<(), String> {
        let words = |error: sequoia_openpgp::anyhow::Error| error.to_string();
        self.policy
            .signature(signature, HashAlgoSecurity::CollisionResistance)
            .map_err(|error| format!("weak hash {}: {error}", signature.hash_algo()))?;
        self.policy.key(key).map_err(words)?;
        let may_sign = match key.key_flags() {
            Some(flags) => flags.for_signing(),
            // Old keys do not say what they are for.
            None => key.key().pk_algo().for_signing(),
        };
        if may_sign {
            Ok(())
        } else {
            Err("its key is not one for signing".to_owned())
        }
    }

    fn user(&self, cert: &Cert) -> (String, String) {
        let primary = cert
            .with_policy(&self.policy, self.now)
            .ok()
            .and_then(|valid| {
                valid
                    .primary_userid()
                    .ok()
                    .map(|user| user.userid().clone())
            });
        let any = || cert.userids().next().map(|user| user.userid().clone());
        primary
            .or_else(any)
            .map(|id| parts(&id))
            .unwrap_or_default()
    }
}

/// How far the clock of whoever signed may be ahead.
const CLOCK_SKEW: std::time::Duration = std::time::Duration::from_secs(30 * 60);

/// Name and mail address of a user, as far as the id says them.
pub(super) fn parts(id: &UserID) -> (String, String) {
    let text = |part: sequoia_openpgp::Result<Option<&str>>| {
        let part = part.ok().flatten().unwrap_or_default();
        part.to_owned()
    };
    let (name, email) = (text(id.name()), text(id.email()));
    if name.is_empty() && email.is_empty() {
        return (String::from_utf8_lossy(id.value()).into_owned(), email);
    }
    (name, email)
}

fn is_over(valid: &ValidCert<'_>, key: &ValidErasedKeyAmalgamation<'_, PublicParts>) -> bool {
    valid.alive().is_err() || key.alive().is_err()
}

fn expiry(key: &ValidErasedKeyAmalgamation<'_, PublicParts>) -> Option<i64> {
    key.key_expiration_time().map(seconds)
}

/// A revocation that only a named other key could prove counts, too: better refused than trusted.
pub(super) fn is_revoked(status: &RevocationStatus<'_>) -> bool {
    !matches!(status, RevocationStatus::NotAsFarAsWeKnow)
}

pub(super) fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn algorithm_name(algorithm: PublicKeyAlgorithm) -> &'static str {
    match algorithm {
        PublicKeyAlgorithm::RSAEncryptSign => "RSA",
        PublicKeyAlgorithm::ECDSA => "ECDSA",
        PublicKeyAlgorithm::EdDSA => "EdDSA",
        PublicKeyAlgorithm::Ed25519 => "Ed25519",
        PublicKeyAlgorithm::Ed448 => "Ed448",
        other => match u8::from(other) {
            2 | 3 => "RSA",
            17 => "DSA",
            _ => "unknown",
        },
    }
}
