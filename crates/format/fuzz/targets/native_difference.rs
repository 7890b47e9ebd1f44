#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::delta::Difference;

fuzz_target!(|data: &[u8]| {
    // Its parts as if they had not been compressed; before them the length and an old version of 256 bytes.
    let Some((head, rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let length = usize::from(u16::from_le_bytes(*head));
    let old: Vec<u8> = (0..=255).collect();
    let Ok(parts) = Difference::parse(rest) else {
        return;
    };
    let written = Difference {
        control: parts.control.to_vec(),
        changes: parts.changes.to_vec(),
        fresh: parts.fresh.to_vec(),
    };
    assert_eq!(Difference::parse(&written.to_bytes()).unwrap(), parts);
    if let Ok(new) = parts.apply(&old, length) {
        assert_eq!(new.len(), length);
    }
});
