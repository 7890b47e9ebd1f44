//! Which part of a tree is wanted. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What is wanted of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// All that is below it.
    All,
    /// Only these of its entries, and of them what is said.
    Only(Arc<BTreeMap<String, Want>>),
}

impl Want {
    /// Reads absolute paths; none of them means the whole tree.
    ///
    /// # Errors
    /// Returns a path that is not absolute or has `..` in it.
    pub(crate) fn from_subpaths(paths: &[String]) -> Result<Self, &str> {
        let mut root = Builder::default();
        for path in paths {
            let Some(relative) = path.strip_prefix('/') else {
                return Err(path);
            };
            let parts: Vec<_> = relative
                .split('/')
                .filter(|part| !matches!(*part, "" | "."))
                .collect();
            if parts.contains(&"..") {
                return Err(path);
            }
            root.add(&parts);
        }
        Ok(if paths.is_empty() {
            Self::All
        } else {
            root.build()
        })
    }

    /// What is wanted of the entry `name`; `None` if nothing is.
    pub(crate) fn below(&self, name: &str) -> Option<Self> {
        match self {
            Self::All => Some(Self::All),
            Self::Only(entries) => entries.get(name).cloned(),
        }
    }

    /// Whether the whole directory is wanted.
    pub(crate) fn is_all(&self) -> bool {
        *self == Self::All
    }
}

#[derive(Default)]
struct Builder {
    all: bool,
    entries: BTreeMap<String, Builder>,
}

impl Builder {
    fn add(&mut self, parts: &[&str]) {
        match parts {
            [] => self.all = true,
            [first, rest @ ..] => self.entries.entry((*first).into()).or_default().add(rest),
        }
    }

    fn build(self) -> Want {
        if self.all {
            return Want::All;
        }
        let entries = self.entries.into_iter();
        Want::Only(Arc::new(
            entries.map(|(name, below)| (name, below.build())).collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(paths: &[&str]) -> Want {
        let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
        Want::from_subpaths(&paths).unwrap()
    }

    #[test]
    fn a_path_wants_its_parents_entries_and_all_below_it() {
        let root = want(&["/usr/lib/a", "/usr/lib/b/", "/etc"]);
        assert!(root.below("home").is_none() && !root.is_all());
        assert!(root.below("etc").unwrap().is_all());
        let lib = root.below("usr").unwrap().below("lib").unwrap();
        assert!(lib.below("a").unwrap().below("deep").unwrap().is_all());
        assert!(lib.below("b").unwrap().is_all() && lib.below("c").is_none());
    }

    #[test]
    fn a_shorter_path_swallows_a_longer_one() {
        assert!(want(&["/usr/lib", "/usr"]).below("usr").unwrap().is_all());
        assert!(want(&["/usr", "/"]).is_all() && want(&[]).is_all());
    }

    #[test]
    fn relative_and_climbing_paths_are_refused() {
        for bad in ["usr", "", "/usr/../etc"] {
            assert_eq!(Want::from_subpaths(&[bad.to_owned()]), Err(bad));
        }
    }
}
