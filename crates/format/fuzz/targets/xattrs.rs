#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::Xattrs;

fuzz_target!(|data: &[u8]| {
    if let Ok(found) = Xattrs::parse(data) {
        assert_eq!(found.to_bytes(), data);
    }
});
