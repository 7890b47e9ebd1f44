//! The commit metadata key `rpmostree.rpmdb.pkglist`: which rpms a tree has, known before the tree is here.

use ostler_format::variant::Value;

use crate::error::PackagesError;
use crate::package::Package;

/// The metadata key.
pub const PKGLIST_KEY: &str = "rpmostree.rpmdb.pkglist";

/// Parses the value of [`PKGLIST_KEY`], an `a(sssss)`: name, epoch, version, release, architecture.
///
/// # Errors
/// [`PackagesError::Malformed`] if it is of another type.
pub fn parse(value: &Value) -> Result<Vec<Package>, PackagesError> {
    let malformed = |found, problem| PackagesError::Malformed {
        place: "package",
        found,
        problem,
    };
    let Value::Array(_, items) = value else {
        return Err(malformed(0, "the list is of no type a(sssss)"));
    };
    let mut packages = Vec::new();
    for (number, item) in items.iter().enumerate() {
        let package = package(item);
        packages.push(package.ok_or_else(|| malformed(number, "it is of no type (sssss)"))?);
    }
    Ok(packages)
}

fn package(item: &Value) -> Option<Package> {
    let Value::Tuple(fields) = item else {
        return None;
    };
    let fields: Vec<&str> = fields.iter().map(Value::as_str).collect::<Option<_>>()?;
    let [name, epoch, version, release, architecture] = fields[..] else {
        return None;
    };
    let epoch = match epoch {
        "" | "0" => String::new(),
        epoch => format!("{epoch}:"),
    };
    Some(Package {
        name: name.to_owned(),
        architecture: architecture.to_owned(),
        version: format!("{epoch}{version}-{release}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(fields: &[&str]) -> Value {
        Value::Tuple(
            fields
                .iter()
                .map(|field| Value::Str((*field).to_owned()))
                .collect(),
        )
    }

    fn list(items: Vec<Value>) -> Value {
        Value::Array(items[0].ty(), items)
    }

    #[test]
    fn versions_are_written_as_those_of_the_database_are() {
        let value = list(vec![
            tuple(&["bash", "0", "5.2", "1.fc40", "x86_64"]),
            tuple(&["vim", "2", "9.1", "1", "x86_64"]),
        ]);
        let packages = parse(&value).unwrap();
        assert_eq!(packages[0].version, "5.2-1.fc40");
        assert_eq!(packages[1].version, "2:9.1-1");
        assert_eq!(packages[1].architecture, "x86_64");
    }

    #[test]
    fn what_is_no_list_of_packages_is_refused() {
        for value in [
            Value::Str("bash".to_owned()),
            list(vec![tuple(&["bash", "5.2"])]),
            list(vec![Value::Bool(true)]),
        ] {
            assert!(parse(&value).is_err(), "{value:?}");
        }
    }
}
