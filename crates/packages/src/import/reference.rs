//! Names of the refs under which packages are in a repository. Pure.

use ostler_format::RefName;

use crate::package::{Package, World};

/// Returns the ref of a package: `rpmostree/pkg/NAME/VERSION.ARCH`, or `ostler/pkg/deb/NAME/VERSION.ARCH`; what a ref cannot have is escaped as rpm-ostree
/// does it, `_3A` for a colon.
///
/// `None` if the name is too long for a ref.
#[must_use]
pub fn reference(world: World, package: &Package) -> Option<RefName> {
    let prefix = match world {
        World::Dpkg => "ostler/pkg/deb",
        World::Rpm => "rpmostree/pkg",
    };
    let Package {
        name,
        architecture,
        version,
    } = package;
    let (name, version, architecture) = (escaped(name), escaped(version), escaped(architecture));
    RefName::new(format!("{prefix}/{name}/{version}.{architecture}")).ok()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'_' => out.push_str("__"),
            byte if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') => {
                out.push(char::from(byte));
            }
            byte => out.push_str(&format!("_{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_has_a_ref_of_its_own() {
        let package = |name: &str, version: &str| Package {
            name: name.to_owned(),
            architecture: "x86_64".to_owned(),
            version: version.to_owned(),
        };
        let found = reference(World::Rpm, &package("libstdc++", "1:2.0~rc1-3.fc40")).unwrap();
        assert_eq!(
            found.as_str(),
            "rpmostree/pkg/libstdc_2B_2B/1_3A2.0_7Erc1-3.fc40.x86__64"
        );
        let found = reference(World::Dpkg, &package("a_3A", "1")).unwrap();
        assert_eq!(found.as_str(), "ostler/pkg/deb/a__3A/1.x86__64");
    }
}
