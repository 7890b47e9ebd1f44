#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::FileHeader;

fuzz_target!(|data: &[u8]| {
    if let Ok(header) = FileHeader::parse(data) {
        assert_eq!(header.to_bytes().unwrap(), data);
    }
    if let Ok(header) = FileHeader::parse_user_meta(data) {
        assert_eq!(header.to_user_meta().unwrap(), data);
    }
});
