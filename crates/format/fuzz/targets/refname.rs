#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::{CollectionId, RefName, Refspec, RemoteName, Revision};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(refspec) = Refspec::parse(text) {
        assert_eq!(Refspec::parse(&refspec.to_string()).unwrap(), refspec);
    }
    let _ = (
        RefName::new(text),
        RemoteName::new(text),
        CollectionId::new(text),
    );
    let _ = Revision::parse(text).checksum_prefix();
});
