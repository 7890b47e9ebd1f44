#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::{BootEntry, EntryName};

fuzz_target!(|data: &[u8]| {
    if let Ok(entry) = BootEntry::parse(data) {
        let again = BootEntry::parse(&entry.to_bytes()).unwrap();
        assert_eq!(again.initrds.len(), entry.initrds.len());
        let keys = |entry: &BootEntry| {
            entry
                .other
                .iter()
                .map(|(key, _)| key.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(&again), keys(&entry));
        let _ = BootEntry::menu_order(("a", &entry), ("b", &entry));
    }
    if let Some(name) = std::str::from_utf8(data).ok().and_then(EntryName::parse) {
        assert_eq!(EntryName::parse(&name.to_string()), Some(name));
    }
});
