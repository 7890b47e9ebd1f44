#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_packages::file::{Files, check, describe};
use ostler_store::sign::openpgp::{Keyring, OpenPgpVerifier};

fuzz_target!(|data: &[u8]| {
    let _ = describe(data, Files::List);
    let _ = check(data, &OpenPgpVerifier::new(Keyring::default()));
});
