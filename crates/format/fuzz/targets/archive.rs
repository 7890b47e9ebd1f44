#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use ostler_format::archive::ArchiveReader;

// Every entry gives as many bytes as it declares, or an error; no more of them than this are read.
const MOST: u64 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Ok(mut reader) = ArchiveReader::new(data) else {
        return;
    };
    while let Ok(Some(entry)) = reader.next_entry() {
        assert!(!entry.path.contains(&0));
        let mut content = Vec::new();
        let got = (&mut reader).take(MOST).read_to_end(&mut content);
        if got.is_ok() {
            assert_eq!(content.len() as u64, entry.size.min(MOST));
        }
    }
});
