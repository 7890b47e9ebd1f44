//! Whether the tests may mount, set trusted attributes and inode flags.

/// False, with a word on stderr, for anyone but root.
pub(crate) fn is_root() -> bool {
    let root = ostler_fs::Dir::open_ambient("/proc/self")
        .and_then(|dir| dir.self_metadata())
        .is_ok_and(|metadata| metadata.uid == 0);
    if !root {
        eprintln!("not tested: it needs root");
    }
    root
}
