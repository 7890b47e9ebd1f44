//! Whole OS trees.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the Debian tree of `version`, 1 or 2; `tests/data/make-tree` makes it at the first call. Never write to it.
pub fn debian_tree(version: u8) -> PathBuf {
    made(
        "make-tree",
        &format!("v{version}"),
        Some(version.to_string()),
    )
}

/// Returns a tree's `usr/lib/modules` with a kernel of Linux 6.12 or newer; `tests/data/make-kernel` makes it at the first call. Never write to it.
pub fn recent_kernel() -> PathBuf {
    made("make-kernel", "recent-kernel", None)
}

/// What a script of `tests/data` makes under this name, where it is kept between runs.
fn made(script: &str, name: &str, argument: Option<String>) -> PathBuf {
    let cache = env::var_os("OSTLER_TREES")
        .map_or_else(|| PathBuf::from("/var/tmp/ostler-trees"), PathBuf::from);
    let dest = cache.join(name);
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let mut command = Command::new(data.join(script));
    let status = command.arg(&dest).args(argument).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "{script} failed"
    );
    dest
}
