//! What each verifier must do, whatever the kind.

use ostler_format::SignatureKind;
use ostler_store::sign::openpgp::{Keyring, OpenPgpVerifier};
use ostler_store::sign::{BareKind, PublicKeys, SecretKey, SignError, Signer as _, Verifier};
use sequoia_openpgp::Cert;

use crate::{DATA, cert, keyring, signature};

/// A kind of signature under test: two keys, and a verifier that trusts some of them and has others revoked.
struct Subject {
    name: &'static str,
    sign: Box<Sign>,
    verifier: Box<MakeVerifier>,
}

/// Signs some bytes.
type Sign = dyn Fn(Who, &[u8]) -> Vec<u8>;
/// Makes a verifier of whom it trusts and who is revoked.
type MakeVerifier = dyn Fn(&[Who], &[Who]) -> Box<dyn Verifier>;

#[derive(Clone, Copy, PartialEq)]
enum Who {
    Ann,
    Bob,
}

/// Base64 of the secret and the public key with this seed.
fn bare_keys(kind: BareKind, seed: u8) -> (SecretKey, String) {
    use base64::Engine as _;
    let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    if kind == BareKind::Ed25519 {
        let public = base64(key.verifying_key().as_bytes());
        let secret = base64(&key.to_keypair_bytes());
        return (kind.parse_secret(&secret).unwrap(), public);
    }
    use ed25519_dalek::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};
    let public = key.verifying_key().to_public_key_der().unwrap();
    let secret = key.to_pkcs8_der().unwrap();
    let secret = base64(secret.as_bytes());
    (
        kind.parse_secret(&secret).unwrap(),
        base64(public.as_bytes()),
    )
}

fn bare(kind: BareKind) -> Subject {
    let seed = |who: Who| if who == Who::Ann { 1 } else { 2 };
    Subject {
        name: kind.name(),
        sign: Box::new(move |who, data| bare_keys(kind, seed(who)).0.sign(data).unwrap()),
        verifier: Box::new(move |trusted, revoked| {
            let mut keys = PublicKeys::new(kind);
            for who in trusted {
                keys.trust(&bare_keys(kind, seed(*who)).1).unwrap();
            }
            for who in revoked {
                keys.revoke(&bare_keys(kind, seed(*who)).1).unwrap();
            }
            Box::new(keys)
        }),
    }
}

fn openpgp() -> Subject {
    let certs = [cert("Ann <ann@example.org>"), cert("Bob <bob@example.org>")];
    let own = certs.clone();
    let of = |certs: &[Cert; 2], who: Who| certs[usize::from(who == Who::Bob)].clone();
    Subject {
        name: "openpgp",
        sign: Box::new(move |who, data| signature(&of(&own, who), data)),
        verifier: Box::new(move |trusted, revoked| {
            let mut all = Keyring::default();
            for who in trusted {
                all.extend(keyring([&of(&certs, *who)]));
            }
            for who in revoked {
                all.extend(keyring([&crate::openpgp::revoked(&of(&certs, *who))]));
            }
            Box::new(OpenPgpVerifier::new(all))
        }),
    }
}

fn each(check: impl Fn(&Subject)) {
    for subject in [bare(BareKind::Ed25519), bare(BareKind::Spki), openpgp()] {
        check(&subject);
    }
}

fn verify(subject: &Subject, trusted: &[Who], signatures: &[&[u8]]) -> Result<String, SignError> {
    (subject.verifier)(trusted, &[]).verify(DATA, signatures)
}

#[test]
fn a_good_signature_is_believed() {
    each(|subject| {
        let good = (subject.sign)(Who::Ann, DATA);
        verify(subject, &[Who::Ann], &[&good]).unwrap();
        verify(subject, &[Who::Bob, Who::Ann], &[&good]).unwrap();
    });
}

#[test]
fn of_other_bytes_it_is_not() {
    each(|subject| {
        let other = (subject.sign)(Who::Ann, b"other bytes");
        let refused = verify(subject, &[Who::Ann], &[&other]);
        assert!(refused.is_err(), "{}", subject.name);
    });
}

#[test]
fn with_any_bit_flipped_it_is_not() {
    each(|subject| {
        let good = (subject.sign)(Who::Ann, DATA);
        // The last bytes are the numbers that the data is bound by, whatever the kind.
        for at in good.len() - 60..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let refused = verify(subject, &[Who::Ann], &[&bad]);
            assert!(refused.is_err(), "{}: byte {at}", subject.name);
        }
    });
}

#[test]
fn by_a_key_that_is_not_trusted_it_is_not() {
    each(|subject| {
        let good = (subject.sign)(Who::Ann, DATA);
        let refused = verify(subject, &[Who::Bob], &[&good]);
        assert!(refused.is_err(), "{}", subject.name);
        let refused = verify(subject, &[], &[&good]);
        assert!(refused.is_err(), "{} without keys", subject.name);
    });
}

#[test]
fn by_a_key_that_is_revoked_it_is_not_whoever_trusts_it() {
    each(|subject| {
        let good = (subject.sign)(Who::Ann, DATA);
        let verifier = (subject.verifier)(&[Who::Ann], &[Who::Ann]);
        assert!(verifier.verify(DATA, &[&good]).is_err(), "{}", subject.name);
        let other = (subject.sign)(Who::Bob, DATA);
        let verifier = (subject.verifier)(&[Who::Ann, Who::Bob], &[Who::Ann]);
        verifier.verify(DATA, &[&good, &other]).unwrap();
    });
}

#[test]
fn one_good_signature_is_enough_whatever_stands_beside_it() {
    each(|subject| {
        let good = (subject.sign)(Who::Ann, DATA);
        let strange = (subject.sign)(Who::Bob, DATA);
        let wrong = (subject.sign)(Who::Ann, b"other bytes");
        let lists: [&[&[u8]]; 4] = [
            &[&good, &good],
            &[&strange, &good],
            &[b"", b"junk", &[0xff; 64], &wrong, &good],
            &[&good, b"\x99\x01"],
        ];
        for signatures in lists {
            verify(subject, &[Who::Ann], signatures).unwrap();
        }
    });
}

#[test]
fn junk_alone_and_nothing_are_refused() {
    each(|subject| {
        let lists: [&[&[u8]]; 4] = [&[], &[b""], &[b"junk"], &[&[0; 64], &[0xc2, 0xff]]];
        for signatures in lists {
            assert!(
                verify(subject, &[Who::Ann], signatures).is_err(),
                "{}: {signatures:?}",
                subject.name
            );
        }
    });
}

#[test]
fn each_verifier_names_the_kind_that_it_reads() {
    let kinds = [
        (bare(BareKind::Ed25519), SignatureKind::Ed25519),
        (bare(BareKind::Spki), SignatureKind::Spki),
        (openpgp(), SignatureKind::OpenPgp),
    ];
    for (subject, kind) in kinds {
        assert_eq!((subject.verifier)(&[], &[]).kind(), kind);
    }
}
