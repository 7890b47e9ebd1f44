//! The commit metadata key `rpmostree.advisories`: which advisories concern packages of a tree.

use ostler_format::variant::Value;
use serde::Serialize;

use crate::error::PackagesError;

/// The metadata key.
pub const ADVISORIES_KEY: &str = "rpmostree.advisories";

const KINDS: [&str; 5] = ["unknown", "security", "bugfix", "enhancement", "newpackage"];
const SEVERITIES: [&str; 5] = ["none", "low", "moderate", "important", "critical"];

/// A notice of its makers about packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advisory {
    /// Its name, `FEDORA-2024-0123456789`.
    pub id: String,
    /// `security`, `bugfix`, `enhancement`, `newpackage` or `unknown`.
    pub kind: &'static str,
    /// `none`, `low`, `moderate`, `important` or `critical`.
    pub severity: &'static str,
    /// The packages, `NAME-VERSION-RELEASE.ARCH`.
    pub packages: Vec<String>,
    /// What it mends: name and address of each.
    pub cves: Vec<(String, String)>,
}

/// Parses the value of [`ADVISORIES_KEY`], an `a(suuasa{sv})`: name, kind, severity, packages, and what else there is to say.
///
/// # Errors
/// [`PackagesError::Malformed`] if it is of another type.
pub fn parse(value: &Value) -> Result<Vec<Advisory>, PackagesError> {
    let malformed = |found| PackagesError::Malformed {
        place: "advisory",
        found,
        problem: "it is of no type (suuasa{sv})",
    };
    let items = value.unboxed().items().ok_or_else(|| malformed(0))?;
    let advisories = items.iter().enumerate();
    advisories
        .map(|(number, item)| advisory(item).ok_or_else(|| malformed(number)))
        .collect()
}

fn advisory(item: &Value) -> Option<Advisory> {
    let Value::Tuple(fields) = item else {
        return None;
    };
    let [id, kind, severity, packages, more] = &fields[..] else {
        return None;
    };
    let named = |names: [&'static str; 5], number: u32| {
        let number = usize::try_from(number).ok();
        number
            .and_then(|number| names.get(number))
            .copied()
            .unwrap_or(names[0])
    };
    let packages = packages.as_strings()?.into_iter().map(str::to_owned);
    let cves = more.lookup("cve_references").map(Value::unboxed);
    let cves = cves.and_then(Value::items).unwrap_or_default().iter();
    Some(Advisory {
        id: id.as_str()?.to_owned(),
        kind: named(KINDS, kind.as_u32()?),
        severity: named(SEVERITIES, severity.as_u32()?),
        packages: packages.collect(),
        cves: cves.filter_map(reference).collect(),
    })
}

fn reference(item: &Value) -> Option<(String, String)> {
    let Value::Tuple(fields) = item else {
        return None;
    };
    let text = |at: usize| fields.get(at).and_then(Value::as_str).map(str::to_owned);
    Some((text(0)?, text(1).unwrap_or_default()))
}
