//! Whole OS trees.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the Debian tree of `version`, 1 or 2; `tests/data/make-tree` makes it at the first call. Never write to it.
pub fn debian_tree(version: u8) -> PathBuf {
    let cache = env::var_os("OSTLER_TREES")
        .map_or_else(|| PathBuf::from("/var/tmp/ostler-trees"), PathBuf::from);
    let tree = cache.join(format!("v{version}"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/make-tree");
    let status = Command::new(&script)
        .arg(&tree)
        .arg(version.to_string())
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "{} failed",
        script.display()
    );
    tree
}
