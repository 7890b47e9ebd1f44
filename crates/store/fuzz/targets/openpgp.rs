#![no_main]

use std::time::SystemTime;

use libfuzzer_sys::fuzz_target;
use ostler_store::sign::openpgp::{Keyring, verify};

// The first two bytes say how long the keyring is, the rest is a signature of nothing that anybody signed.
fuzz_target!(|data: &[u8]| {
    let Some((length, rest)) = data.split_first_chunk() else {
        return;
    };
    let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
    let (keyring, signature) = rest.split_at(length);
    let Ok(keyring) = Keyring::parse(keyring) else {
        return;
    };
    verify(b"data", &[signature], &keyring, SystemTime::now());
});
