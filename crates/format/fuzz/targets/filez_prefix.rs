#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::FileHeader;

fuzz_target!(|data: &[u8]| {
    if let Ok((header, size, end)) = FileHeader::parse_archive_prefix(data) {
        assert_eq!(header.archive_prefix(size).unwrap(), data[..end]);
        assert_eq!(
            FileHeader::read_archive_prefix(&mut &data[..]).unwrap(),
            (header, size)
        );
    }
    let mut rest = data;
    if let Ok(header) = FileHeader::read_content_prefix(&mut rest) {
        assert_eq!(
            header.content_prefix().unwrap(),
            data[..data.len() - rest.len()]
        );
    }
});
