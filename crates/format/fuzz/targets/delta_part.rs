#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::delta::Part;

fuzz_target!(|data: &[u8]| {
    if let Ok(part) = Part::parse(data) {
        for index in 0..part.xattrs.len() as u64 {
            part.xattrs.get(index).unwrap();
        }
        assert!(part.xattrs.get(part.xattrs.len() as u64).is_err());
        assert_eq!(part.to_bytes(), data);
    }
});
