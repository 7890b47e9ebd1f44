//! Repository modes: how a content object is kept on disk.

use ostler_format::StorageForm;

/// How a repository keeps the content of files.
///
/// Metadata objects are kept the same way in every mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RepoMode {
    /// Real inodes with owner, mode and xattrs; needs root.
    Bare,
    /// Regular files; owner, mode and xattrs in the xattr `user.ostreemeta`.
    BareUser,
    /// Real inodes without owner and xattrs; content must be canonical (uid 0, gid 0, no xattrs).
    BareUserOnly,
    /// As `Bare`, with xattrs in objects of their own. Only read, never written.
    BareSplitXattrs,
    /// Header and deflated content in `.filez`; the mode that HTTP serves.
    Archive,
}

impl RepoMode {
    /// Parses the spelling of `core.mode` and of `--mode`; `archive` and `archive-z2` are one mode.
    #[must_use]
    pub fn from_config(text: &str) -> Option<Self> {
        Some(match text {
            "bare" => Self::Bare,
            "bare-user" => Self::BareUser,
            "bare-user-only" => Self::BareUserOnly,
            "bare-split-xattrs" => Self::BareSplitXattrs,
            "archive" | "archive-z2" => Self::Archive,
            _ => return None,
        })
    }

    /// Returns the spelling that `core.mode` and the summary use.
    #[must_use]
    pub fn as_config(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::BareUser => "bare-user",
            Self::BareUserOnly => "bare-user-only",
            Self::BareSplitXattrs => "bare-split-xattrs",
            Self::Archive => "archive-z2",
        }
    }

    /// Returns which loose-path rule this mode follows (`.file` or `.filez`).
    #[must_use]
    pub fn storage_form(self) -> StorageForm {
        match self {
            Self::Archive => StorageForm::Archive,
            _ => StorageForm::Bare,
        }
    }

    /// Whether a symlink object is a symlink on disk.
    #[must_use]
    pub fn keeps_symlinks(self) -> bool {
        matches!(
            self,
            Self::Bare | Self::BareUserOnly | Self::BareSplitXattrs
        )
    }

    /// Whether this program writes new content objects in this mode.
    ///
    /// `bare-split-xattrs` is for reading. As in libostree `OSTREE_EXP_WRITE_BARE_SPLIT_XATTRS` lets files be written in it for
    /// experiments, without their xattrs, which `fsck` then misses.
    #[must_use]
    pub fn is_writable(self) -> bool {
        self != Self::BareSplitXattrs
            || std::env::var_os("OSTREE_EXP_WRITE_BARE_SPLIT_XATTRS").is_some()
    }
}

impl std::fmt::Display for RepoMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_config())
    }
}
