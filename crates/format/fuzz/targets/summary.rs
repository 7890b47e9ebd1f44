#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::Summary;

fuzz_target!(|data: &[u8]| {
    if let Ok(summary) = Summary::parse(data) {
        let _ = (
            summary.collection_map(),
            summary.static_deltas(),
            summary.last_modified(),
        );
        assert_eq!(summary.to_bytes().unwrap(), data);
    }
});
