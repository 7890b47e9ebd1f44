#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_packages::deb::{paragraph, relation};
use ostler_packages::rpm::capabilities;
use ostler_packages::rpm::relation::parse_rich;

fuzz_target!(|data: &[u8]| {
    for fields in paragraph::paragraphs(data).flatten() {
        let _ = fields.get("Depends");
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = parse_rich(text);
        let _ = capabilities::parse(text);
        if let Ok(groups) = relation::parse(text) {
            let shown = |group: &Vec<relation::Target<'_>>| group.iter().map(ToString::to_string).collect::<Vec<_>>().join("|");
            let again = groups.iter().map(shown).collect::<Vec<_>>().join(",");
            assert_eq!(relation::parse(&again).as_ref(), Ok(&groups));
        }
    }
});
