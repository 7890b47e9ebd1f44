#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::{MAX_SIGNATURES, Metadata, SignatureKind};

fuzz_target!(|data: &[u8]| {
    let Ok(metadata) = Metadata::parse(data) else {
        return;
    };
    for kind in SignatureKind::ALL {
        let Ok(found) = kind.read(&metadata) else {
            continue;
        };
        assert!(found.len() <= MAX_SIGNATURES);
        let found: Vec<_> = found.into_iter().map(<[u8]>::to_vec).collect();
        let mut again = Metadata::new();
        kind.write(&mut again, found.clone());
        assert_eq!(kind.read(&again).unwrap(), found);
    }
});
