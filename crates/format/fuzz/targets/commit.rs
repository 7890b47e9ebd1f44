#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::Commit;

fuzz_target!(|data: &[u8]| {
    if let Ok(found) = Commit::parse(data) {
        assert_eq!(found.to_bytes().unwrap(), data);
    }
});
