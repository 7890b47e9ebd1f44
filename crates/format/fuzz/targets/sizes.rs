#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::{SizeEntry, read_varint, write_varint};

fuzz_target!(|data: &[u8]| {
    if let Ok(entry) = SizeEntry::parse(data) {
        assert_eq!(SizeEntry::parse(&entry.to_bytes()).unwrap(), entry);
    }
    if let Some((number, rest)) = read_varint(data) {
        let mut written = Vec::new();
        write_varint(number, &mut written);
        assert!(written.len() <= data.len() - rest.len());
    }
});
