#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::Checksum;
use ostler_format::pack::PackIndex;

fuzz_target!(|data: &[u8]| {
    // With a right checksum, which hardly any other bytes have.
    let bytes = [data, Checksum::of(data).as_bytes()].concat();
    if let Ok(index) = PackIndex::parse(&bytes) {
        for group in &index.groups {
            assert!(group.offset + group.packed <= index.packs[group.pack].size);
            assert!(group.unpacked() > 0);
        }
        assert_eq!(PackIndex::parse(&index.to_bytes()).unwrap(), index);
    }
});
