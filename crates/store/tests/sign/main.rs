//! Signatures: one contract for every verifier, OpenPGP's verdicts, published vectors, hostile bytes.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod contract;
mod files;
mod mutations;
mod openpgp;
mod vectors;

use std::time::{Duration, SystemTime};

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::crypto::KeyPair;
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::serialize::{MarshalInto as _, Serialize as _};
use sequoia_openpgp::types::{HashAlgorithm, SignatureType};

use ostler_store::sign::openpgp::Keyring;

/// What is signed.
const DATA: &[u8] = b"the bytes of a commit";

/// A day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A moment that all certificates and signatures here are relative to: midnight of 2024-01-01 UTC.
fn then() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_067_200)
}

/// A certificate of `then`, with a primary key that certifies and a subkey that signs.
fn builder(user: &str) -> CertBuilder<'_> {
    CertBuilder::new()
        .add_userid(user)
        .set_creation_time(then())
        .add_signing_subkey()
}

fn cert(user: &str) -> Cert {
    builder(user).generate().unwrap().0
}

/// The key that a certificate signs with.
fn signing_key(cert: &Cert) -> KeyPair {
    let keys = cert.keys().secret().subkeys();
    let key = keys.last().unwrap().key().clone();
    key.role_into_unspecified().into_keypair().unwrap()
}

/// A signature of `data`, a day after the certificate was made.
fn signature(cert: &Cert, data: &[u8]) -> Vec<u8> {
    signature_with(cert, data, HashAlgorithm::SHA512, |builder| builder)
}

fn signature_with(
    cert: &Cert,
    data: &[u8],
    hash: HashAlgorithm,
    change: impl FnOnce(SignatureBuilder) -> SignatureBuilder,
) -> Vec<u8> {
    let mut key = signing_key(cert);
    let builder = SignatureBuilder::new(SignatureType::Binary)
        .set_hash_algo(hash)
        .set_signature_creation_time(then() + DAY)
        .unwrap();
    let signature = change(builder).sign_message(&mut key, data).unwrap();
    sequoia_openpgp::Packet::from(signature).to_vec().unwrap()
}

fn keyring<'c>(certs: impl IntoIterator<Item = &'c Cert>) -> Keyring {
    let mut bytes = Vec::new();
    for cert in certs {
        cert.serialize(&mut bytes).unwrap();
    }
    Keyring::parse(&bytes).unwrap()
}
