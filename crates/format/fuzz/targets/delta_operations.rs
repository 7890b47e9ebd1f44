#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::delta::{MAX_OPERATION_SIZE, Operation, Operations};
use ostler_format::{Checksum, ObjectKind, ObjectName};

fuzz_target!(|data: &[u8]| {
    let Some((&kinds, bytes)) = data.split_first() else {
        return;
    };
    let objects: Vec<ObjectName> = (0..8)
        .map(|bit| match kinds >> bit & 1 {
            0 => ObjectKind::File,
            _ => ObjectKind::DirMeta,
        })
        .map(|kind| ObjectName::new(Checksum::of(b""), kind))
        .collect();
    for step in Operations::new(bytes, &objects) {
        let Ok((operation, object)) = step else {
            return;
        };
        let mut written = Vec::new();
        operation.write(&mut written);
        assert!(written.len() <= MAX_OPERATION_SIZE);
        let again = Operation::parse(&written, object.map(|name| name.kind)).unwrap();
        assert_eq!(again, (operation, &[][..]));
    }
});
