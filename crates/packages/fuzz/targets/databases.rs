#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_packages::deb::{changelog, status};
use ostler_packages::rpm;
use ostler_packages::rpm::header::Header;

fuzz_target!(|data: &[u8]| {
    if let Ok(debs) = status::parse_status(data) {
        assert!(debs.iter().all(|deb| !deb.package.name.is_empty() && !deb.package.version.is_empty()));
    }
    if let Ok(header) = Header::parse(data) {
        let _ = rpm::package(&header);
        let _ = rpm::changelog(&header);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = changelog::newer_than(text, "1.0-1");
    }
});
