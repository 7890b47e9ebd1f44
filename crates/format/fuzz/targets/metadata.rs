#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::Metadata;

fuzz_target!(|data: &[u8]| {
    if let Ok(found) = Metadata::parse(data) {
        assert_eq!(found.to_bytes().unwrap(), data);
    }
});
