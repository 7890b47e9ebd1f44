#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::Checksum;
use ostler_format::delta::{MAX_FRAME, MAX_PREFIX, NATIVE_HEAD, NativeDelta, NativeList};

fuzz_target!(|data: &[u8]| {
    // With a right length and checksum, which hardly any other bytes have.
    let mut bytes = [data, &[0; 32]].concat();
    let length = (bytes.len() as u64).to_le_bytes();
    if let Some(field) = bytes.get_mut(NATIVE_HEAD - 8..NATIVE_HEAD).filter(|_| data.len() >= NATIVE_HEAD) {
        field.copy_from_slice(&length);
    }
    let sum = Checksum::of(&bytes[..data.len()]);
    bytes[data.len()..].copy_from_slice(sum.as_bytes());
    if let Ok(delta) = NativeDelta::parse(&bytes) {
        for frame in delta.groups.iter().flat_map(|group| &group.frames) {
            assert!(frame.unpacked <= MAX_FRAME && frame.prefix_bytes() <= MAX_PREFIX);
            for range in &frame.prefix {
                let source = delta.sources[range.source as usize];
                assert!(range.offset + u64::from(range.length) <= source.size);
            }
        }
        assert_eq!(NativeDelta::parse(&delta.to_bytes()).unwrap(), delta);
    }
    if let Ok(list) = NativeList::parse(&bytes) {
        assert_eq!(NativeList::parse(&list.to_bytes()).unwrap(), list);
    }
});
