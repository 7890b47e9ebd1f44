//! Files of keys: directories of trusted and revoked ones, keyrings in every form, what a remote's configuration names.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use ostler_format::{CommitId, Metadata, RemoteName, SignatureKind};
use ostler_store::remote::{IfExists, RemoteValue};
use ostler_store::sign::openpgp::{Keyring, trusted};
use ostler_store::sign::{
    BareKind, PublicKeys, RemoteVerifier, SecretKey, SignError, Signer as _, TrustRoots,
    Verifier as _, read_secret_keys,
};
use ostler_store::{Repo, RepoMode};
use sequoia_openpgp::serialize::{MarshalInto as _, Serialize as _};

use crate::{DATA, cert, keyring, openpgp, signature};

fn key(seed: u8) -> (SecretKey, String) {
    let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let secret = BareKind::Ed25519.parse_secret(&base64(&key.to_keypair_bytes()));
    (secret.unwrap(), base64(key.verifying_key().as_bytes()))
}

fn roots(dir: &Path) -> TrustRoots {
    TrustRoots {
        keyrings: dir.join("trusted.gpg.d"),
        key_dirs: vec![dir.to_owned()],
    }
}

fn trusted_in(dir: &Path) -> Result<PublicKeys, SignError> {
    let mut keys = PublicKeys::new(BareKind::Ed25519);
    keys.trust_of(&roots(dir))?;
    Ok(keys)
}

#[test]
fn directories_trust_and_revoke() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let (ann, ann_public) = key(1);
    let (bob, bob_public) = key(2);
    fs::write(path.join("trusted.ed25519"), format!("{ann_public}\n")).unwrap();
    fs::create_dir(path.join("trusted.ed25519.d")).unwrap();
    fs::write(
        path.join("trusted.ed25519.d/bob"),
        format!("\n{bob_public}\n"),
    )
    .unwrap();
    // Of another kind, and no key at all: neither is trusted, neither is in the way.
    fs::write(path.join("trusted.ed25519.d/junk"), "not a key\n").unwrap();
    fs::write(path.join("trusted.spki"), "junk").unwrap();
    let keys = trusted_in(path).unwrap();
    assert_eq!(keys.len(), 2);
    let by = |key: &SecretKey| key.sign(DATA).unwrap();
    keys.verify(DATA, &[&by(&ann)]).unwrap();
    keys.verify(DATA, &[&by(&bob)]).unwrap();
    fs::create_dir(path.join("revoked.ed25519.d")).unwrap();
    fs::write(path.join("revoked.ed25519.d/bob"), &bob_public).unwrap();
    let keys = trusted_in(path).unwrap();
    keys.verify(DATA, &[&by(&ann)]).unwrap();
    assert!(keys.verify(DATA, &[&by(&bob)]).is_err());
}

#[test]
fn a_list_of_revoked_keys_that_cannot_be_read_is_not_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("trusted.ed25519"), key(1).1).unwrap();
    fs::write(dir.path().join("revoked.ed25519"), "no key").unwrap();
    let error = trusted_in(dir.path()).unwrap_err();
    assert!(error.to_string().contains("revoked.ed25519"), "{error}");
}

#[test]
fn pem_files_hold_several_keys_and_no_others() {
    use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
    use ed25519_dalek::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};
    let pair = |seed| ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
    let public = |seed| {
        pair(seed)
            .verifying_key()
            .to_public_key_pem(LineEnding::LF)
            .unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.pem");
    fs::write(
        &path,
        format!("of the first\n{}of the second\n{}", public(1), public(2)),
    )
    .unwrap();
    let mut keys = PublicKeys::new(BareKind::Spki);
    keys.trust_file(&path).unwrap();
    assert_eq!(keys.len(), 2);
    let secret = pair(2).to_pkcs8_pem(LineEnding::LF).unwrap();
    let secrets = read_secret_keys(BareKind::Spki, &secret).unwrap();
    keys.verify(DATA, &[&secrets[0].sign(DATA).unwrap()])
        .unwrap();
    for (text, says) in [
        (secret.to_string(), "another type"),
        (
            "-----BEGIN PUBLIC KEY-----\nMCow\n".to_owned(),
            "does not end",
        ),
        (String::new(), "no valid keys"),
    ] {
        fs::write(&path, text).unwrap();
        let error = PublicKeys::new(BareKind::Spki)
            .trust_file(&path)
            .unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_key_of_another_algorithm_is_refused_by_its_name() {
    // What `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` and `openssl pkey -pubout` give.
    let p256 = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEb6VxTcHkDjsJ0rEeZBgTmv0gkBzX9wF9cWpdH1gmJXQ0fVp0lXk3\
                b0vH3bqQb3zY9Dn2q6O2F0mJY0m3l0o6Yg==";
    let error = BareKind::Spki.parse_public(p256).unwrap_err();
    assert!(error.to_string().contains("ECDSA"), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn keyrings_are_read_in_every_form() {
    let (ann, bob) = (cert("Ann <ann@example.org>"), cert("Bob <bob@example.org>"));
    let armored =
        |cert: &sequoia_openpgp::Cert| String::from_utf8(cert.armored().to_vec().unwrap()).unwrap();
    let both = format!("two keys:\n{}{}", armored(&ann), armored(&bob));
    let keyring = Keyring::parse(both.as_bytes()).unwrap();
    assert_eq!(keyring.certs().len(), 2);
    let mut secret = Vec::new();
    ann.as_tsk().serialize(&mut secret).unwrap();
    let keyring = Keyring::parse(&secret).unwrap();
    assert_eq!(keyring.fingerprints().len(), 2);
    assert!(!keyring.certs()[0].is_tsk(), "secrets are dropped");
    assert!(Keyring::parse(b"junk").is_err());
}

/// A keybox with these blobs behind its header: type, and bytes of which the first ones say where the packets are.
fn keybox(blobs: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = [&[0, 0, 0, 32, 1, 1, 0, 2][..], b"KBXf", &[0; 20]].concat();
    for (kind, rest) in blobs {
        bytes.extend(u32::try_from(rest.len() + 8).unwrap().to_be_bytes());
        bytes.extend([*kind, 1, 0, 0]);
        bytes.extend(rest);
    }
    bytes
}

fn openpgp_blob(start: u32, length: u32, packets: &[u8]) -> (u8, Vec<u8>) {
    let numbers = [start.to_be_bytes(), length.to_be_bytes()].concat();
    (2, [&numbers, packets, b"an index"].concat())
}

#[test]
fn a_keybox_is_read_blob_by_blob_and_never_beyond_one() {
    let ann = cert("Ann <ann@example.org>");
    let packets = ann.to_vec().unwrap();
    let length = u32::try_from(packets.len()).unwrap();
    let of_ann = openpgp_blob(16, length, &packets);
    // One that was deleted, and one of X.509.
    let others = [(0, packets.clone()), (3, packets.clone())];
    let whole = keybox(&[others.to_vec(), vec![of_ann]].concat());
    assert_eq!(Keyring::parse(&whole).unwrap().certs().len(), 1);
    assert!(Keyring::parse(&keybox(&[])).unwrap().is_empty());
    let beyond = length + 16;
    for (start, length) in [(beyond, length), (16, u32::MAX), (u32::MAX, u32::MAX)] {
        let bytes = keybox(&[openpgp_blob(start, length, &packets)]);
        let error = Keyring::parse(&bytes).unwrap_err().to_string();
        assert!(error.contains("damaged at byte 32"), "{error}");
    }
    for cut in whole.len() - 400..whole.len() {
        assert!(Keyring::parse(&whole[..cut]).is_err(), "{cut} bytes");
    }
}

struct Ground {
    dir: tempfile::TempDir,
    repo: Repo,
}

impl Ground {
    fn new(keys: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut repo = Repo::create(dir.path().join("repo"), RepoMode::Archive, None).unwrap();
        let text = |(key, value): &(&str, &str)| {
            ((*key).to_owned(), RemoteValue::Text((*value).to_owned()))
        };
        let mut keys: Vec<_> = keys.iter().map(text).collect();
        keys.push(("url".to_owned(), RemoteValue::Text("http://x".into())));
        let name = RemoteName::new("origin").unwrap();
        repo.add_remote(&name, &keys, IfExists::Refuse, None)
            .unwrap();
        Self { dir, repo }
    }

    fn import(&self, keyring: Keyring) -> usize {
        let name = RemoteName::new("origin").unwrap();
        trusted::import(&self.repo, &name, keyring).unwrap()
    }

    fn verify(&self, kind: SignatureKind, signature: Vec<u8>) -> Result<(), String> {
        let remote = self.repo.remote("origin", None).unwrap();
        let verifier = RemoteVerifier::for_remote(&self.repo, &remote, &roots(self.dir.path()))
            .map_err(|error| error.to_string())?;
        let mut detached = Metadata::new();
        kind.write(&mut detached, vec![signature]);
        let id = CommitId::new(ostler_format::Checksum::of(DATA));
        let detached = detached.to_bytes().unwrap();
        let verified = verifier.commit(id, DATA, Some(&detached));
        verified.map(drop).map_err(|error| error.to_string())
    }
}

#[test]
fn imported_keys_are_counted_once_and_what_is_new_of_them_is_merged() {
    let ann = cert("Ann <ann@example.org>");
    let ground = Ground::new(&[]);
    let signed = || signature(&ann, DATA);
    assert!(ground.verify(SignatureKind::OpenPgp, signed()).is_err());
    assert_eq!(ground.import(keyring([&ann])), 1);
    ground.verify(SignatureKind::OpenPgp, signed()).unwrap();
    assert_eq!(ground.import(keyring([&openpgp::revoked(&ann)])), 0);
    assert_eq!(
        ground.import(keyring([&ann])),
        0,
        "the older copy takes nothing back"
    );
    let error = ground.verify(SignatureKind::OpenPgp, signed()).unwrap_err();
    assert!(error.contains("Key revoked"), "{error}");
}

#[test]
fn a_revocation_is_imported_with_its_key_or_refused() {
    let ann = cert("Ann <ann@example.org>");
    let alone = sequoia_openpgp::Packet::from(openpgp::revocation(&ann));
    let alone = Keyring::parse(&alone.to_vec().unwrap()).unwrap();
    let ground = Ground::new(&[]);
    let name = RemoteName::new("origin").unwrap();
    let refused = trusted::import(&ground.repo, &name, alone.clone());
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("revokes a key"), "{error}");
    assert!(!ground.repo.path().join("origin.trustedkeys.gpg").exists());
    assert_eq!(ground.import(keyring([&ann])), 1);
    assert_eq!(ground.import(alone), 0);
    let signed = signature(&ann, DATA);
    let error = ground.verify(SignatureKind::OpenPgp, signed).unwrap_err();
    assert!(error.contains("Key revoked"), "{error}");
}

#[test]
fn the_hosts_keyrings_are_for_remotes_without_one() {
    let (ann, bob) = (cert("Ann <ann@example.org>"), cert("Bob <bob@example.org>"));
    let ground = Ground::new(&[]);
    let global = roots(ground.dir.path()).keyrings;
    fs::create_dir(&global).unwrap();
    fs::write(global.join("os.gpg"), keyring([&ann]).to_bytes().unwrap()).unwrap();
    fs::write(global.join("readme.txt"), "no keyring").unwrap();
    ground
        .verify(SignatureKind::OpenPgp, signature(&ann, DATA))
        .unwrap();
    ground.import(keyring([&bob]));
    ground
        .verify(SignatureKind::OpenPgp, signature(&bob, DATA))
        .unwrap();
    assert!(
        ground
            .verify(SignatureKind::OpenPgp, signature(&ann, DATA))
            .is_err()
    );
}

#[test]
fn a_remotes_bare_keys_stand_in_its_configuration() {
    let (ann, public) = key(1);
    let signed = || ann.sign(DATA).unwrap();
    let of = |keys: &[(&str, &str)]| {
        let mut all = vec![("gpg-verify", "false")];
        all.extend_from_slice(keys);
        Ground::new(&all)
    };
    let ground = of(&[
        ("sign-verify", "ed25519"),
        ("verification-ed25519-key", &public),
    ]);
    ground.verify(SignatureKind::Ed25519, signed()).unwrap();
    fs::write(ground.dir.path().join("revoked.ed25519"), &public).unwrap();
    assert!(
        ground.verify(SignatureKind::Ed25519, signed()).is_err(),
        "revoked by the host"
    );
    let any = of(&[("sign-verify", "true")]);
    fs::write(any.dir.path().join("trusted.ed25519"), &public).unwrap();
    any.verify(SignatureKind::Ed25519, signed()).unwrap();
    for (keys, says) in [
        (
            vec![("sign-verify", "ed25519")],
            "No keys found for required signapi type ed25519",
        ),
        (
            vec![("sign-verify", "nosuch")],
            "Requested signature type is not implemented",
        ),
        (
            vec![
                ("sign-verify", "true"),
                ("verification-ed25519-file", "/no/such"),
            ],
            "/no/such): No such file",
        ),
        (
            vec![
                ("sign-verify", "true"),
                ("verification-ed25519-key", "AAAA"),
            ],
            "Incorrect ed25519 key",
        ),
    ] {
        let error = of(&keys)
            .verify(SignatureKind::Ed25519, signed())
            .unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn both_kinds_are_required_where_both_are_asked_for() {
    let (ann, public) = key(1);
    let cert = cert("Ann <ann@example.org>");
    let ground = Ground::new(&[
        ("sign-verify", "ed25519"),
        ("verification-ed25519-key", &public),
    ]);
    ground.import(keyring([&cert]));
    assert!(
        ground
            .verify(SignatureKind::Ed25519, ann.sign(DATA).unwrap())
            .is_err()
    );
    assert!(
        ground
            .verify(SignatureKind::OpenPgp, signature(&cert, DATA))
            .is_err()
    );
}
