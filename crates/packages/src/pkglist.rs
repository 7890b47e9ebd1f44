//! Lists of packages in the metadata of a commit: which a tree has, known before the tree is here.

use ostler_format::{Metadata, Value};

use crate::database::Installed;
use crate::error::PackagesError;
use crate::package::{Package, World};

/// The metadata key of rpms, as rpm-ostree writes it: an `a(sssss)` of name, epoch, version, release, architecture.
pub const RPM_KEY: &str = "rpmostree.rpmdb.pkglist";
/// The metadata key of Debian's packages: an `a(sss)` of name, version, architecture.
pub const DPKG_KEY: &str = "ostler.dpkg.pkglist";

/// Reads the list in a commit's metadata; `None` if there is none.
///
/// # Errors
/// [`PackagesError::Malformed`] if it is of another type.
pub fn read(metadata: &Metadata) -> Result<Option<Installed>, PackagesError> {
    let lists = [(World::Rpm, RPM_KEY), (World::Dpkg, DPKG_KEY)];
    let found = lists
        .into_iter()
        .find_map(|(world, key)| Some((world, metadata.get(key)?)));
    let Some((world, value)) = found else {
        return Ok(None);
    };
    let malformed = |found, problem| PackagesError::Malformed {
        place: "package",
        found,
        problem,
    };
    let Value::Array(_, items) = value.unboxed() else {
        return Err(malformed(0, "the list is no array"));
    };
    let packages = items.iter().enumerate().map(|(number, item)| {
        let package = package(world, item);
        package.ok_or_else(|| malformed(number, "it is of another type"))
    });
    let packages = packages.collect::<Result<_, _>>()?;
    Ok(Some(Installed::new(world, packages)))
}

fn package(world: World, item: &Value) -> Option<Package> {
    let Value::Tuple(fields) = item else {
        return None;
    };
    let fields: Vec<&str> = fields.iter().map(Value::as_str).collect::<Option<_>>()?;
    let (name, version, architecture) = match (world, &fields[..]) {
        (World::Rpm, [name, epoch, version, release, architecture]) => {
            let epoch = match *epoch {
                "" | "0" => String::new(),
                epoch => format!("{epoch}:"),
            };
            (name, format!("{epoch}{version}-{release}"), architecture)
        }
        (World::Dpkg, [name, version, architecture]) => (name, (*version).to_owned(), architecture),
        _ => return None,
    };
    Some(Package {
        name: (*name).to_owned(),
        architecture: (*architecture).to_owned(),
        version,
    })
}

/// Writes a list: its key and its value.
#[must_use]
pub fn write(installed: &Installed) -> (&'static str, Value) {
    let fields = |package: &Package| -> Vec<String> {
        let Package {
            name,
            architecture,
            version,
        } = package.clone();
        match installed.database {
            World::Dpkg => vec![name, version, architecture],
            World::Rpm => {
                let (epoch, rest) = version.split_once(':').unwrap_or(("0", &version));
                let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
                let parts = [epoch, version, release].map(str::to_owned);
                [vec![name], parts.to_vec(), vec![architecture]].concat()
            }
        }
    };
    let (key, count) = match installed.database {
        World::Dpkg => (DPKG_KEY, 3),
        World::Rpm => (RPM_KEY, 5),
    };
    let tuple = |fields: Vec<String>| Value::Tuple(fields.into_iter().map(Value::Str).collect());
    let item = tuple(vec![String::new(); count]).ty();
    let packages = installed.packages.iter();
    let items = packages.map(|package| tuple(fields(package))).collect();
    (key, Value::Array(item, items))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(database: World, packages: &[(&str, &str)]) -> Installed {
        let package = |(name, version): &(&str, &str)| Package {
            name: (*name).to_owned(),
            architecture: "x".to_owned(),
            version: (*version).to_owned(),
        };
        Installed::new(database, packages.iter().map(package).collect())
    }

    fn metadata(key: &str, value: Value) -> Metadata {
        let mut metadata = Metadata::default();
        metadata.push(key, value);
        metadata
    }

    #[test]
    fn what_is_written_is_read_in_both_worlds() {
        let versions = [("a", "1-1"), ("b", "2:9.1~rc1-1"), ("c", "1-2-3")];
        for world in [World::Dpkg, World::Rpm] {
            for list in [installed(world, &versions), installed(world, &[])] {
                let (key, value) = write(&list);
                assert_eq!(read(&metadata(key, value)).unwrap(), Some(list));
            }
        }
        assert_eq!(read(&Metadata::default()).unwrap(), None);
        // A native package of Debian's has no revision.
        let native = installed(World::Dpkg, &[("a", "12.4")]);
        let (key, value) = write(&native);
        assert_eq!(read(&metadata(key, value)).unwrap(), Some(native));
    }

    #[test]
    fn rpms_have_the_fields_that_rpm_ostree_gives_them() {
        let (key, value) = write(&installed(World::Rpm, &[("vim", "2:9.1-1.fc40")]));
        let fields = ["vim", "2", "9.1", "1.fc40", "x"].map(|field| Value::Str(field.to_owned()));
        assert_eq!(key, "rpmostree.rpmdb.pkglist");
        assert_eq!(value.items().unwrap(), [Value::Tuple(fields.to_vec())]);
        let (_, value) = write(&installed(World::Rpm, &[("bash", "5-1")]));
        let Value::Tuple(fields) = &value.items().unwrap()[0] else {
            panic!()
        };
        assert_eq!(fields[1].as_str(), Some("0"), "no epoch is 0");
    }

    #[test]
    fn what_is_no_list_of_packages_is_refused() {
        let text = |text: &str| Value::Str(text.to_owned());
        let list = |item: Value| Value::Array(item.ty(), vec![item]);
        for value in [
            text("bash"),
            list(Value::Tuple(vec![text("bash"), text("5.2")])),
            list(Value::Bool(true)),
        ] {
            assert!(
                read(&metadata(RPM_KEY, value.clone())).is_err(),
                "{value:?}"
            );
            assert!(read(&metadata(DPKG_KEY, value)).is_err());
        }
    }
}
