#![no_main]

use std::time::SystemTime;

use libfuzzer_sys::fuzz_target;
use ostler_store::sign::openpgp::{Keyring, listing};

fuzz_target!(|data: &[u8]| {
    let Ok(keyring) = Keyring::parse(data) else {
        return;
    };
    let again = Keyring::parse(&keyring.to_bytes().unwrap()).unwrap();
    assert_eq!(again.fingerprints(), keyring.fingerprints());
    listing::list(&keyring, SystemTime::now());
});
