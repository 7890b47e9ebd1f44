//! What becomes of owners, modes and xattrs between a source and the commit.
//!
//! The order is libostree's: owner and group, read-only executables, the stat overrides, the skip list, and last the
//! canonical permissions, which squash what the others set beyond them.

use std::sync::Arc;

use ostler_format::{S_IFMT, S_IFREG, Xattrs};

use super::error::TreeError;
use super::skip_list::SkipList;
use super::stat_overrides::StatOverrides;
use crate::selinux::Labels;

const EXECUTABLE: u32 = 0o111;
const WRITABLE: u32 = 0o222;
/// What canonical permissions keep beside the file type.
const CANONICAL: u32 = 0o755;

/// Owner, group and mode with its file type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// `st_mode`.
    pub mode: u32,
}

/// What becomes of the extended attributes that files have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum XattrRule {
    /// They are committed as they are.
    #[default]
    Keep,
    /// They are left out, and not even read.
    Drop,
}

/// What becomes of the extended attributes of one tree.
#[derive(Clone, Debug)]
pub(super) struct XattrChanges {
    rule: XattrRule,
    labels: Option<Arc<Labels>>,
}

impl XattrChanges {
    /// Whether all of them are committed as they are.
    pub(super) fn keeps_all(&self) -> bool {
        self.rule == XattrRule::Keep && self.labels.is_none()
    }

    /// Returns what the entry at `path` (`/` for the root, no slash at the end) gets for those that it has; `path` is asked only
    /// for a label, `found` only if they are kept.
    pub(super) fn apply<P: AsRef<str>>(
        &self,
        path: impl FnOnce() -> P,
        mode: u32,
        found: impl FnOnce() -> Result<Xattrs, TreeError>,
    ) -> Result<Xattrs, TreeError> {
        let mut xattrs = match self.rule {
            XattrRule::Keep => found()?,
            XattrRule::Drop => Xattrs::new(),
        };
        if let Some(labels) = &self.labels {
            labels.apply(path().as_ref(), mode, &mut xattrs)?;
        }
        Ok(xattrs)
    }

    /// What an index of unchanged files must know of it.
    pub(super) fn index_key(&self) -> String {
        let labels = self.labels.as_ref().map(|labels| labels.index_key());
        match labels {
            None => format!("{:?}", self.rule),
            Some(labels) => format!("{:?} {labels}", self.rule),
        }
    }
}

/// Changes to what is committed.
#[derive(Clone, Debug, Default)]
pub struct Modifier {
    /// Everything gets this owner.
    pub owner_uid: Option<u32>,
    /// Everything gets this group.
    pub owner_gid: Option<u32>,
    /// Executable files lose their write bits.
    pub ro_executables: bool,
    /// Owner and group 0, no mode bits beyond 0755 (a symlink's stay), no xattrs.
    pub canonical_permissions: bool,
    /// Xattrs are left out.
    pub no_xattrs: bool,
    /// Modes by path.
    pub stat_overrides: StatOverrides,
    /// Paths that are left out.
    pub skip_list: SkipList,
    /// SELinux labels, which replace those that files have.
    pub labels: Option<Arc<Labels>>,
}

impl Modifier {
    /// Whether it changes nothing, so that a commit's tree can be taken over without being looked at.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.owner_uid.is_none()
            && self.owner_gid.is_none()
            && !(self.ro_executables || self.canonical_permissions || self.no_xattrs)
            && self.stat_overrides.is_empty()
            && self.skip_list.is_empty()
            && self.labels.is_none()
    }

    /// What becomes of xattrs, of which a repository may keep none.
    pub(super) fn xattr_changes(&self, disabled: bool) -> XattrChanges {
        let rule = match disabled || self.no_xattrs || self.canonical_permissions {
            true => XattrRule::Drop,
            false => XattrRule::Keep,
        };
        XattrChanges {
            rule,
            labels: self.labels.clone(),
        }
    }

    /// Returns what the entry at `path` (`/` for the root, no slash at the end) gets, `None` if it is left out.
    ///
    /// An override that adds bits and a line of the skip list apply to the first entry at their path only.
    pub fn apply(&mut self, path: &str, found: Attributes) -> Option<Attributes> {
        let mut result = found;
        result.uid = self.owner_uid.unwrap_or(result.uid);
        result.gid = self.owner_gid.unwrap_or(result.gid);
        let is_regular = result.mode & S_IFMT == S_IFREG;
        if self.ro_executables && is_regular && result.mode & EXECUTABLE != 0 {
            result.mode &= !WRITABLE;
        }
        result.mode = self.stat_overrides.apply(path, result.mode);
        if self.skip_list.take(path) {
            return None;
        }
        if self.canonical_permissions {
            (result.uid, result.gid) = (0, 0);
            if result.mode & S_IFMT != ostler_format::S_IFLNK {
                result.mode &= S_IFMT | CANONICAL;
            }
        }
        Some(result)
    }

    /// As [`Modifier::apply`] for a directory below the root.
    ///
    /// libostree asks twice for those and uses the second answer, when an override that adds bits has been used up: it has
    /// no effect, and `lost` is called. One that sets a mode has.
    pub fn apply_to_subdirectory(
        &mut self,
        path: &str,
        found: Attributes,
        lost: impl FnOnce(),
    ) -> Option<Attributes> {
        let first = self.apply(path, found)?;
        if self.is_identity() {
            return Some(first);
        }
        let second = self.apply(path, found)?;
        if first.mode != second.mode {
            lost();
        }
        Some(second)
    }

    /// What an index of unchanged files must know of it: entries made under one text never serve another.
    pub(crate) fn index_key(&self) -> String {
        format!(
            "uid={:?} gid={:?} ro={} canonical={}",
            self.owner_uid, self.owner_gid, self.ro_executables, self.canonical_permissions,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_format::{S_IFDIR, S_IFLNK};

    fn attributes(mode: u32) -> Attributes {
        Attributes {
            uid: 10,
            gid: 20,
            mode,
        }
    }

    #[test]
    fn overrides_come_after_read_only_executables_and_before_canonical_permissions() {
        let mut modifier = Modifier {
            ro_executables: true,
            stat_overrides: StatOverrides::parse("+2176 /bin/a\n").unwrap(),
            ..Modifier::default()
        };
        let found = attributes(S_IFREG | 0o775);
        let override_wins = modifier.clone().apply("/bin/a", found).unwrap();
        assert_eq!(override_wins.mode, S_IFREG | 0o4755);
        modifier.canonical_permissions = true;
        let squashed = modifier.apply("/bin/a", found).unwrap();
        assert_eq!(
            squashed,
            Attributes {
                uid: 0,
                gid: 0,
                mode: S_IFREG | 0o755
            }
        );
    }

    #[test]
    fn bits_are_added_to_no_directory_but_the_root() {
        let text = "+1024 /\n+1024 /a\n=448 /b\n";
        let mut modifier = Modifier {
            stat_overrides: StatOverrides::parse(text).unwrap(),
            ..Modifier::default()
        };
        let found = attributes(S_IFDIR | 0o755);
        assert_eq!(modifier.apply("/", found).unwrap().mode, S_IFDIR | 0o2755);
        let mut lost = Vec::new();
        for path in ["/a", "/b"] {
            let after = modifier
                .apply_to_subdirectory(path, found, || lost.push(path))
                .unwrap();
            let expected = if path == "/a" { 0o755 } else { 0o700 };
            assert_eq!(after.mode, S_IFDIR | expected, "{path}");
        }
        assert_eq!(lost, ["/a"]);
        assert!(modifier.stat_overrides.unmatched().is_empty());
    }

    #[test]
    fn directories_and_symlinks_are_not_executables() {
        let mut modifier = Modifier {
            ro_executables: true,
            ..Modifier::default()
        };
        for mode in [S_IFDIR | 0o755, S_IFLNK | 0o777, S_IFREG | 0o644] {
            assert_eq!(
                modifier.apply("/x", attributes(mode)),
                Some(attributes(mode))
            );
        }
    }

    #[test]
    fn canonical_permissions_leave_a_symlinks_mode() {
        let mut modifier = Modifier {
            canonical_permissions: true,
            ..Modifier::default()
        };
        let result = modifier.apply("/x", attributes(S_IFLNK | 0o777)).unwrap();
        assert_eq!((result.uid, result.mode), (0, S_IFLNK | 0o777));
        let result = modifier.apply("/", attributes(S_IFDIR | 0o1777)).unwrap();
        assert_eq!(result.mode, S_IFDIR | 0o755);
    }
}
