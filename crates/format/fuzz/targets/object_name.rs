#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::{ObjectName, StorageForm};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for form in [StorageForm::Bare, StorageForm::Archive] {
        if let Ok(name) = ObjectName::from_loose_path(text, form) {
            assert_eq!(name.loose_path(form), text);
        }
    }
    if let Ok(name) = text.parse::<ObjectName>() {
        assert_eq!(name.to_string(), text);
    }
});
