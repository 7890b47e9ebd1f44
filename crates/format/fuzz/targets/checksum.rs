#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::Checksum;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(sum) = Checksum::from_hex(text) {
        assert_eq!(sum.to_hex(), text);
    }
    if let Ok(sum) = Checksum::from_delta_name(text) {
        assert_eq!(sum.to_delta_name(), text);
    }
});
