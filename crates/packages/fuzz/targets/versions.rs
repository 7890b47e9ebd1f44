#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_packages::World;

fuzz_target!(|versions: (&str, &str)| {
    let (one, other) = versions;
    for world in [World::Dpkg, World::Rpm] {
        let order = world.compare_versions(one, other);
        assert_eq!(world.compare_versions(other, one), order.reverse());
        assert!(world.compare_versions(one, one).is_eq());
    }
});
