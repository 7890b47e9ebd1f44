#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::Origin;

fuzz_target!(|data: &[u8]| {
    if let Ok(origin) = Origin::parse(data) {
        let _ = (
            origin.source(),
            origin.refspec(),
            origin.override_commit(),
            origin.unlocked(),
        );
        let _ = (
            origin.custom(),
            origin.is_pinned(),
            origin.unconfigured_state(),
        );
        let written = origin.without_transient().to_bytes();
        assert!(Origin::parse(&written).is_ok());
    }
});
