//! Published vectors of Ed25519: RFC 8032, section 7.1, and what a strict verifier must refuse.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ostler_store::sign::{BareKind, PublicKeys, Signer as _, Verifier as _};

/// Secret key, public key, message, signature.
const VECTORS: [(&str, &str, &str, &str); 4] = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
         5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
         18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
         2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589\
         09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
];

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn keys(public: &[u8]) -> PublicKeys {
    let mut keys = PublicKeys::new(BareKind::Ed25519);
    keys.trust(&STANDARD.encode(public)).unwrap();
    keys
}

#[test]
fn the_vectors_of_the_rfc_are_made_and_believed() {
    for (secret, public, message, signature) in VECTORS {
        let (public, message, signature) = (unhex(public), unhex(message), unhex(signature));
        let secret = [unhex(secret), public.clone()].concat();
        let signer = BareKind::Ed25519
            .parse_secret(&STANDARD.encode(secret))
            .unwrap();
        assert_eq!(signer.sign(&message).unwrap(), signature);
        keys(&public).verify(&message, &[&signature]).unwrap();
    }
}

#[test]
fn a_second_form_of_a_signature_is_refused() {
    /// The order of the group, least significant byte first.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let (_, public, message, signature) = VECTORS[1];
    let mut forged = unhex(signature);
    let mut carry = 0;
    for (byte, add) in forged[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    let refused = keys(&unhex(public)).verify(&unhex(message), &[&forged]);
    assert!(refused.is_err(), "the scalar is not reduced");
}

#[test]
fn a_key_that_fits_to_any_signature_is_no_key() {
    // The neutral element, and a point of order eight.
    let points = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ];
    for point in points {
        let mut keys = PublicKeys::new(BareKind::Ed25519);
        let refused = keys.trust(&STANDARD.encode(unhex(point)));
        assert!(refused.is_err(), "{point}");
    }
}
