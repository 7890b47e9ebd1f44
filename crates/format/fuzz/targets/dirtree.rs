#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::{DirTree, DirTreeRef};

fuzz_target!(|data: &[u8]| {
    if let Ok(tree) = DirTreeRef::parse(data) {
        assert!(
            tree.files()
                .all(|file| tree.file(file.name) == Some(file.id))
        );
        assert!(tree.dirs().all(|dir| tree.dir(dir.name) == Some(dir)));
        assert_eq!(DirTree::parse(data).unwrap().to_bytes().unwrap(), data);
    }
});
