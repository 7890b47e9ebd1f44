//! Verbs that other programs provide: `ostree-X` for an unknown verb `X`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Where distributions put verbs that are not in `PATH`.
const EXTENSION_DIRECTORIES: &[&str] = &["/usr/libexec/libostree/ext", "/usr/lib/libostree/ext"];

/// Replaces this process by the program that provides `verb`; returns only if there is none or it can't be run.
///
/// # Errors
/// Those of executing a program that was found.
pub(crate) fn exec(program: &str, verb: &str, arguments: &[OsString]) -> io::Result<()> {
    let file_name = format!("{program}-{verb}");
    // A name with a slash would be looked up beside `PATH`.
    if verb.contains('/') {
        return Ok(());
    }
    let Some(path) = find(&file_name, std::env::var_os("PATH").as_deref()) else {
        return Ok(());
    };
    Err(Command::new(&path).arg0(&file_name).args(arguments).exec())
}

fn find(file_name: &str, search_path: Option<&OsStr>) -> Option<PathBuf> {
    search_path
        .into_iter()
        .flat_map(std::env::split_paths)
        .chain(EXTENSION_DIRECTORIES.iter().map(PathBuf::from))
        .map(|directory| directory.join(file_name))
        .find(|path| is_executable(path))
}

fn is_executable(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_first_executable_in_the_search_path_is_taken() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(first.path().join("ostree-env"), "not executable").unwrap();
        let wanted = second.path().join("ostree-env");
        std::fs::write(&wanted, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&wanted, std::fs::Permissions::from_mode(0o755)).unwrap();
        let search = std::env::join_paths([first.path(), second.path()]).unwrap();
        assert_eq!(find("ostree-env", Some(&search)), Some(wanted));
        assert_eq!(find("ostree-nosuch", Some(&search)), None);
    }
}
