//! Switches of a system root that come from the environment, as libostree names them.

use std::path::PathBuf;

use crate::etc_merge::FileAgainstDirectory;

/// How a system root is treated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Deployments don't get the immutable flag.
    pub mutable_deployments: bool,
    /// Extended attributes are not copied.
    pub no_xattrs: bool,
    /// Device trees are neither looked for nor installed.
    pub no_device_trees: bool,
    /// The freeze of `/boot` is tried up to the point where its watchdog thaws it, and then fails.
    pub test_freeze: bool,
    /// Nothing is synced: a power cut may lose a change of the boot order, or leave it half done.
    pub skip_sync: bool,
    /// No older deployment is given up to make room in `/boot`.
    pub no_early_prune: bool,
    /// Boot entries are named `ostree-N-STATEROOT.conf`.
    pub old_entry_names: bool,
    /// What the merge of `/etc` does with a person's file where the new default is a directory; libostree refuses.
    pub file_against_directory: FileAgainstDirectory,
    /// The program that writes `grub.cfg`, in place of the system's own.
    pub grub_mkconfig: Option<PathBuf>,
}

impl Settings {
    /// Reads the values of `OSTREE_SYSROOT_DEBUG` and `OSTREE_SYSROOT_OPTS`: words between commas, colons, semicolons or blanks.
    ///
    /// Words that are not known are ignored, as they are libostree's to add.
    #[must_use]
    pub fn parse(debug: &str, options: &str) -> Self {
        let has = |text: &str, word: &str| {
            text.split([',', ';', ':', ' ', '\t'])
                .any(|found| found.eq_ignore_ascii_case(word))
        };
        Self {
            mutable_deployments: has(debug, "mutable-deployments"),
            no_xattrs: has(debug, "no-xattrs"),
            no_device_trees: has(debug, "no-dtb"),
            test_freeze: has(debug, "test-fifreeze"),
            skip_sync: has(options, "skip-sync"),
            no_early_prune: has(options, "no-early-prune"),
            old_entry_names: has(options, "bootloader-naming-1"),
            file_against_directory: FileAgainstDirectory::Keep,
            grub_mkconfig: None,
        }
    }

    /// Reads the process's environment: those two, and `OSTREE_GRUB2_EXEC`.
    #[must_use]
    pub fn from_environment() -> Self {
        let value = |name| std::env::var(name).unwrap_or_default();
        let grub_mkconfig =
            std::env::var_os("OSTREE_GRUB2_EXEC").filter(|program| !program.is_empty());
        Self {
            grub_mkconfig: grub_mkconfig.map(PathBuf::from),
            ..Self::parse(
                &value("OSTREE_SYSROOT_DEBUG"),
                &value("OSTREE_SYSROOT_OPTS"),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_whole_and_strangers_are_ignored() {
        let settings = Settings::parse(
            "mutable-deployments,no-dtbs",
            "skip-sync;other bootloader-naming-1",
        );
        let expected = Settings {
            mutable_deployments: true,
            skip_sync: true,
            old_entry_names: true,
            ..Settings::default()
        };
        assert_eq!(settings, expected);
    }
}
