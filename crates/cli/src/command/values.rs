//! Values of options, parsed, and refusals that several verbs share.

use std::path::{Path, PathBuf};

use ostler_format::{CollectionId, RefName};
use ostler_store::CollectionRef;
use ostler_store::pull::{DeltaUse, SummaryCache};

use crate::report::usage;

/// Parses `true`, `yes`, `1` and their opposites, as `--fsync` takes them.
pub(crate) fn parse_boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" | "none" => Ok(false),
        _ => Err(format!("Invalid boolean argument '{text}'")),
    }
}

/// Parses `KEY=VALUE`; the value may hold `=` and may be empty.
pub(crate) fn parse_key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("Missing '=' in KEY=VALUE: `{text}`")),
    }
}

/// Parses `BRANCH=DEPTH`; -1 is without limit.
pub(crate) fn parse_branch_depth(text: &str) -> Result<(String, i32), String> {
    let Some((branch, depth)) = text
        .rsplit_once('=')
        .filter(|(branch, _)| !branch.is_empty())
    else {
        return Err(format!("Invalid value {text}, must specify BRANCH=DEPTH"));
    };
    match depth.parse() {
        Ok(number @ -1..) => Ok((branch.to_owned(), number)),
        Ok(_) => Err(format!("Out of range depth {depth}")),
        Err(_) => Err(format!("Invalid depth {depth}")),
    }
}

/// Pairs up collections and refs.
pub(crate) fn parse_collection_refs(words: &[String]) -> anyhow::Result<Vec<CollectionRef>> {
    if words.len() < 2 {
        return Err(usage(
            "At least one COLLECTION-ID REF pair must be specified",
        ));
    }
    let mut refs = Vec::new();
    for pair in words.chunks(2) {
        let [collection, name] = pair else {
            return Err(usage(
                "Only complete COLLECTION-ID REF pairs may be specified",
            ));
        };
        refs.push(CollectionRef {
            collection: CollectionId::new(collection.as_str())?,
            name: RefName::new(name.as_str())?,
        });
    }
    Ok(refs)
}

/// Where summaries are kept: `--cache-dir`, else the repository's own cache unless `$OSTREE_SKIP_CACHE` is set.
pub(crate) fn summary_cache(cache_dir: Option<&Path>) -> SummaryCache {
    match cache_dir {
        Some(path) => SummaryCache::In(path.to_owned()),
        None if std::env::var_os("OSTREE_SKIP_CACHE").is_some() => SummaryCache::Off,
        None => SummaryCache::InRepo,
    }
}

/// The file of users and passwords by host that `$NETRC` names; none is looked for elsewhere.
pub(crate) fn netrc() -> Option<PathBuf> {
    let path = std::env::var_os("NETRC").filter(|path| !path.is_empty());
    path.map(PathBuf::from)
}

/// What the options on static deltas ask for.
pub(crate) fn delta_use(require: bool, disable: bool) -> anyhow::Result<DeltaUse> {
    match (require, disable) {
        (true, true) => Err(usage(
            "--require-static-deltas and --disable-static-deltas exclude each other",
        )),
        (true, false) => Ok(DeltaUse::Required),
        (false, true) => Ok(DeltaUse::Never),
        (false, false) => Ok(DeltaUse::WherePossible),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_equals_sign_ends_the_key() {
        assert_eq!(
            parse_key_value("k=a=b"),
            Ok(("k".to_owned(), "a=b".to_owned()))
        );
        assert_eq!(parse_key_value("k="), Ok(("k".to_owned(), String::new())));
        assert!(parse_key_value("=v").is_err() && parse_key_value("k").is_err());
    }

    #[test]
    fn a_branch_may_hold_an_equals_sign_but_a_depth_is_a_number() {
        assert_eq!(parse_branch_depth("a/b=-1"), Ok(("a/b".to_owned(), -1)));
        assert!(parse_branch_depth("a=x").is_err() && parse_branch_depth("=1").is_err());
        assert!(parse_branch_depth("a=-2").is_err());
    }
}
