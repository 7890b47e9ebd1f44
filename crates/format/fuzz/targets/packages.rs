#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::packages::{dpkg, rpm};

fuzz_target!(|data: &[u8]| {
    if let Ok(packages) = dpkg::parse_status(data) {
        assert!(packages.iter().all(|p| !p.name.is_empty() && !p.version.is_empty()));
    }
    let _ = rpm::parse_header(data);
});
