#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::delta::{DeltaIndex, SignedSuperblock, Superblock};

fuzz_target!(|data: &[u8]| {
    if let Ok(superblock) = Superblock::parse(data) {
        let _ = (superblock.inline_part(0), superblock.detached_metadata());
        assert_eq!(superblock.to_bytes().unwrap(), data);
    }
    if let Ok(signed) = SignedSuperblock::parse(data) {
        assert_eq!(signed.to_bytes().unwrap(), data);
    }
    if let Ok(index) = DeltaIndex::parse(data) {
        let bytes = index.to_bytes().unwrap();
        assert_eq!(DeltaIndex::parse(&bytes).unwrap(), index);
    }
});
