#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::Metalink;

fuzz_target!(|data: &[u8]| {
    if let Ok(link) = Metalink::parse(data, "summary") {
        assert!(link.size > 0 && !link.urls.is_empty());
        assert!(link.sha256.is_some() || link.sha512.is_some());
        let _ = link.check(data);
    }
});
