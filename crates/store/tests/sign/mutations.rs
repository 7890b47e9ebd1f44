//! Bytes that somebody broke: keyrings and signatures with flipped, lost and repeated parts never panic, and never turn a
//! signature of one thing into one of another.

use ostler_store::sign::openpgp::{Keyring, verify};

use crate::{DATA, DAY, cert, keyring, signature, then};

/// A generator of numbers that is the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

fn broken(bytes: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(bytes.len());
        match numbers.below(4) {
            0 => bytes[at] ^= 1 << numbers.below(8),
            1 => bytes[at] = numbers.below(256) as u8,
            2 => bytes.truncate(at.max(1)),
            _ => {
                let part = bytes[at..bytes.len().min(at + 40)].to_vec();
                let to = numbers.below(bytes.len());
                bytes.splice(to..to, part);
            }
        }
    }
    bytes
}

#[test]
fn broken_keyrings_are_read_or_refused() {
    let (ann, bob) = (cert("Ann <ann@example.org>"), cert("Bob <bob@example.org>"));
    let whole = keyring([&ann, &bob]).to_bytes().unwrap();
    let mut numbers = Numbers(0x5eed);
    let mut read = 0;
    for _ in 0..1500 {
        if let Ok(keyring) = Keyring::parse(&broken(&whole, &mut numbers)) {
            read += usize::from(!keyring.is_empty());
            let again = Keyring::parse(&keyring.to_bytes().unwrap());
            assert_eq!(again.unwrap().fingerprints(), keyring.fingerprints());
        }
    }
    assert!(
        read > 100,
        "most of what is read has one whole certificate: {read}"
    );
}

#[test]
fn broken_signatures_are_never_good_ones_of_other_bytes() {
    let ann = cert("Ann <ann@example.org>");
    let whole = signature(&ann, DATA);
    let keys = keyring([&ann]);
    let mut numbers = Numbers(0xfeed);
    for _ in 0..1500 {
        let bytes = broken(&whole, &mut numbers);
        for verdict in verify(b"other bytes", &[&bytes], &keys, then() + 2 * DAY) {
            assert!(!verdict.is_good(), "{bytes:02x?}");
        }
    }
}

#[test]
fn a_truncated_keyring_at_any_length_is_read_or_refused() {
    let whole = keyring([&cert("Ann <ann@example.org>")])
        .to_bytes()
        .unwrap();
    for length in 0..whole.len() {
        let _ = Keyring::parse(&whole[..length]);
    }
    assert!(Keyring::parse(&whole).is_ok());
}
