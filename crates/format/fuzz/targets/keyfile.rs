#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::KeyFile;

fuzz_target!(|data: &[u8]| {
    if let Ok(mut file) = KeyFile::parse(data) {
        let groups: Vec<String> = file.groups().map(str::to_owned).collect();
        for group in &groups {
            for key in file.keys(group) {
                let _ = (
                    file.string(group, key),
                    file.string_list(group, key),
                    file.boolean(group, key),
                );
                let _ = (file.integer(group, key), file.unsigned(group, key));
            }
        }
        let again = KeyFile::parse(&file.to_bytes()).unwrap();
        assert!(again.groups().eq(&groups));
        assert!(
            groups
                .iter()
                .all(|group| again.keys(group) == file.keys(group))
        );
        if file.set_string("new", "key", " a\\b\n").is_ok() {
            let again = KeyFile::parse(&file.to_bytes()).unwrap();
            assert_eq!(
                again.string("new", "key").unwrap().as_deref(),
                Some(" a\\b\n")
            );
        }
    }
});
