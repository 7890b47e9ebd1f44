#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::bootlink::{parse_boot_dir, parse_loader_dir};
use ostler_format::{Bootlink, DeploymentName, StaterootName};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let _ = (
        parse_loader_dir(text),
        parse_boot_dir(text),
        StaterootName::new(text),
    );
    if let Ok(link) = Bootlink::parse(text) {
        assert_eq!(
            Bootlink::parse(&link.to_string()).unwrap().to_string(),
            link.to_string()
        );
    }
    if let Ok(name) = DeploymentName::parse(text) {
        assert_eq!(name.to_string(), text);
    }
});
