//! OpenPGP's verdicts: what is believed when, and what is said of the rest.

use std::time::SystemTime;

use jiff::tz::TimeZone;
use ostler_store::sign::openpgp::{Keyring, Validity, Verdict, verify};
use sequoia_openpgp::cert::{CertRevocationBuilder, SubkeyRevocationBuilder};
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::MarshalInto as _;
use sequoia_openpgp::types::{HashAlgorithm, KeyFlags, ReasonForRevocation, SignatureType};
use sequoia_openpgp::{Cert, Packet};

use crate::{DATA, DAY, builder, cert, keyring, signature, signature_with, signing_key, then};

/// A revocation of the certificate, a day after it was made.
pub(crate) fn revocation(cert: &Cert) -> Signature {
    let primary = cert
        .primary_key()
        .key()
        .clone()
        .parts_into_secret()
        .unwrap();
    let mut signer = primary.into_keypair().unwrap();
    CertRevocationBuilder::new()
        .set_signature_creation_time(then() + DAY)
        .unwrap()
        .set_reason_for_revocation(ReasonForRevocation::KeyCompromised, b"lost")
        .unwrap()
        .build(&mut signer, cert, HashAlgorithm::SHA512)
        .unwrap()
}

/// The certificate with its revocation.
pub(crate) fn revoked(cert: &Cert) -> Cert {
    cert.clone().insert_packets(revocation(cert)).unwrap().0
}

fn judge(cert: &Cert, signature: &[u8], at: SystemTime) -> Verdict {
    let mut verdicts = verify(DATA, &[signature], &keyring([cert]), at);
    assert_eq!(verdicts.len(), 1);
    verdicts.remove(0)
}

#[test]
fn a_good_signature_says_by_whom_and_when() {
    let ann = cert("Ann <ann@example.org>");
    let verdict = judge(&ann, &signature(&ann, DATA), then() + 2 * DAY);
    assert_eq!(verdict.validity, Validity::Good);
    assert_eq!(verdict.primary_fingerprint, ann.fingerprint().to_hex());
    let subkey = &verdict.fingerprint[verdict.fingerprint.len() - 16..];
    let primary = &verdict.primary_fingerprint[verdict.primary_fingerprint.len() - 16..];
    let described = verdict.describe("  ", &TimeZone::UTC);
    assert_eq!(
        described,
        format!(
            "  Signature made Tue Jan  2 00:00:00 2024 using EdDSA key ID {subkey}\n  \
             Good signature from \"Ann <ann@example.org>\"\n  Primary key ID {primary}\n"
        )
    );
}

#[test]
fn a_missing_key_is_named_by_what_the_signature_says() {
    let (ann, bob) = (cert("Ann <ann@example.org>"), cert("Bob <bob@example.org>"));
    let verdict = judge(&bob, &signature(&ann, DATA), then() + 2 * DAY);
    assert_eq!(verdict.validity, Validity::MissingKey);
    let subkey = ann.keys().subkeys().next().unwrap().key().fingerprint();
    assert_eq!(verdict.fingerprint, subkey.to_hex());
    let described = verdict.describe("", &TimeZone::UTC);
    assert!(described.ends_with("Can't check signature: public key not found\n"));
}

#[test]
fn a_revoked_certificate_is_not_believed_though_it_signed_before() {
    let ann = cert("Ann <ann@example.org>");
    let verdict = judge(&revoked(&ann), &signature(&ann, DATA), then() + 2 * DAY);
    assert_eq!(verdict.validity, Validity::KeyRevoked);
    assert!(
        verdict
            .describe("", &TimeZone::UTC)
            .contains("Key revoked\n")
    );
}

#[test]
fn a_revocation_apart_from_its_certificate_counts_whichever_is_read_first() {
    let (ann, bob) = (cert("Ann <ann@example.org>"), cert("Bob <bob@example.org>"));
    let alone = Packet::from(revocation(&ann)).to_vec().unwrap();
    let one_file = [bob.to_vec().unwrap(), alone.clone()].concat();
    for revocations in [&alone, &one_file] {
        let revocations = Keyring::parse(revocations).unwrap();
        let (mut before, mut after) = (revocations.clone(), keyring([&ann]));
        before.extend(keyring([&ann]));
        after.extend(revocations);
        for keys in [before, after] {
            let signature = signature(&ann, DATA);
            let verdicts = verify(DATA, &[signature.as_slice()], &keys, then() + 2 * DAY);
            assert_eq!(verdicts[0].validity, Validity::KeyRevoked);
        }
    }
}

#[test]
fn a_revoked_subkey_is_not_believed_and_the_other_keys_are() {
    let ann = builder("Ann <ann@example.org>")
        .add_signing_subkey()
        .generate()
        .unwrap()
        .0;
    let last = ann.keys().subkeys().last().unwrap().key().clone();
    let primary = ann.primary_key().key().clone().parts_into_secret().unwrap();
    let revocation = SubkeyRevocationBuilder::new()
        .set_signature_creation_time(then() + DAY)
        .unwrap()
        .set_reason_for_revocation(ReasonForRevocation::KeyRetired, b"old")
        .unwrap()
        .build(
            &mut primary.into_keypair().unwrap(),
            &ann,
            &last,
            HashAlgorithm::SHA512,
        )
        .unwrap();
    let by_last = signature(&ann, DATA);
    let known = ann
        .clone()
        .insert_packets(vec![last.into(), Packet::from(revocation)]);
    let known = known.unwrap().0;
    assert_eq!(
        judge(&known, &by_last, then() + 2 * DAY).validity,
        Validity::KeyRevoked
    );
    let first = known
        .keys()
        .secret()
        .subkeys()
        .next()
        .unwrap()
        .key()
        .clone();
    let mut first = first.into_keypair().unwrap();
    let by_first = SignatureBuilder::new(SignatureType::Binary)
        .set_signature_creation_time(then() + DAY)
        .unwrap()
        .sign_message(&mut first, DATA)
        .unwrap();
    let by_first = Packet::from(by_first).to_vec().unwrap();
    assert_eq!(
        judge(&known, &by_first, then() + 2 * DAY).validity,
        Validity::Good
    );
}

#[test]
fn an_expired_key_is_not_believed_though_it_signed_before() {
    let ann = builder("Ann <ann@example.org>")
        .set_validity_period(3 * DAY)
        .generate()
        .unwrap()
        .0;
    let signed = signature(&ann, DATA);
    assert_eq!(
        judge(&ann, &signed, then() + 2 * DAY).validity,
        Validity::Good
    );
    let verdict = judge(&ann, &signed, then() + 4 * DAY);
    assert_eq!(verdict.validity, Validity::KeyExpired);
    let described = verdict.describe("", &TimeZone::UTC);
    assert!(described.contains("BAD signature from \"Ann <ann@example.org>\"\n"));
    assert!(
        described.contains("Primary key expired Thu Jan  4 00:00:00 2024\n"),
        "{described}"
    );
}

#[test]
fn an_expired_signature_is_not_believed_and_one_that_will_expire_is() {
    let ann = cert("Ann <ann@example.org>");
    let signed = signature_with(&ann, DATA, HashAlgorithm::SHA512, |builder| {
        builder.set_signature_validity_period(2 * DAY).unwrap()
    });
    let verdict = judge(&ann, &signed, then() + 2 * DAY);
    assert_eq!(verdict.validity, Validity::Good);
    let described = verdict.describe("", &TimeZone::UTC);
    assert!(
        described.contains("Signature expires Thu Jan  4 00:00:00 2024\n"),
        "{described}"
    );
    let verdict = judge(&ann, &signed, then() + 4 * DAY);
    assert_eq!(verdict.validity, Validity::SignatureExpired);
    let described = verdict.describe("", &TimeZone::UTC);
    assert!(described.contains("Expired signature from \"Ann <ann@example.org>\"\n"));
}

#[test]
fn a_signature_from_the_future_is_not_believed_yet() {
    let ann = cert("Ann <ann@example.org>");
    let signed = signature(&ann, DATA);
    let early = judge(&ann, &signed, then() + DAY / 2);
    assert!(matches!(early.validity, Validity::Bad(_)), "{early:?}");
    // Clocks are a little off.
    let nearly = then() + DAY - std::time::Duration::from_secs(60);
    assert_eq!(judge(&ann, &signed, nearly).validity, Validity::Good);
}

#[test]
fn a_hash_with_known_collisions_is_not_believed() {
    let ann = cert("Ann <ann@example.org>");
    let signed = signature_with(&ann, DATA, HashAlgorithm::SHA1, |builder| builder);
    let verdict = judge(&ann, &signed, then() + 2 * DAY);
    match &verdict.validity {
        Validity::Bad(reason) => assert!(reason.contains("SHA1"), "{reason}"),
        other => panic!("{other:?}"),
    }
    for hash in [
        HashAlgorithm::SHA256,
        HashAlgorithm::SHA384,
        HashAlgorithm::SHA512,
    ] {
        let signed = signature_with(&ann, DATA, hash, |builder| builder);
        assert_eq!(
            judge(&ann, &signed, then() + 2 * DAY).validity,
            Validity::Good,
            "{hash}"
        );
    }
}

#[test]
fn a_key_for_another_purpose_is_not_believed() {
    let ann = builder("Ann <ann@example.org>")
        .add_subkey(KeyFlags::empty().set_authentication(), None, None)
        .generate()
        .unwrap()
        .0;
    let policy = StandardPolicy::new();
    let valid = ann.with_policy(&policy, then() + DAY).unwrap();
    let key = valid.keys().for_authentication().secret().next().unwrap();
    let mut key = key.key().clone().into_keypair().unwrap();
    let signed = SignatureBuilder::new(SignatureType::Binary)
        .set_signature_creation_time(then() + DAY)
        .unwrap()
        .sign_message(&mut key, DATA)
        .unwrap();
    let signed = Packet::from(signed).to_vec().unwrap();
    let verdict = judge(&ann, &signed, then() + 2 * DAY);
    match verdict.validity {
        Validity::Bad(reason) => assert!(reason.contains("not one for signing"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_signature_of_text_is_not_one_of_a_commit() {
    let ann = cert("Ann <ann@example.org>");
    let signed = SignatureBuilder::new(SignatureType::Text)
        .set_signature_creation_time(then() + DAY)
        .unwrap()
        .sign_message(&mut signing_key(&ann), DATA)
        .unwrap();
    let signed = Packet::from(signed).to_vec().unwrap();
    let verdict = judge(&ann, &signed, then() + 2 * DAY);
    assert!(matches!(verdict.validity, Validity::Bad(_)), "{verdict:?}");
}

#[test]
fn several_packets_in_one_item_are_judged_one_by_one() {
    let (ann, bob) = (cert("Ann <ann@example.org>"), cert("Bob <bob@example.org>"));
    let both = [
        signature(&ann, DATA),
        signature(&bob, DATA),
        b"junk".to_vec(),
    ]
    .concat();
    let verdicts = verify(DATA, &[&both], &keyring([&bob]), then() + 2 * DAY);
    let validities: Vec<_> = verdicts
        .into_iter()
        .map(|verdict| verdict.validity)
        .collect();
    assert_eq!(validities, [Validity::MissingKey, Validity::Good]);
}

#[test]
fn more_packets_than_anybody_needs_are_not_looked_at() {
    let ann = cert("Ann <ann@example.org>");
    let many = signature(&ann, DATA).repeat(400);
    let verdicts = verify(DATA, &[&many, &many], &keyring([&ann]), then() + 2 * DAY);
    assert_eq!(verdicts.len(), 256);
}
