#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::DirMeta;

fuzz_target!(|data: &[u8]| {
    if let Ok(found) = DirMeta::parse(data) {
        assert_eq!(found.to_bytes().unwrap(), data);
    }
});
