//! Finding and reading a tree's package database.

use std::io::{Read, Write};
use std::path::Path;

use ostler_format::packages::{Package, dpkg, rpm};
use ostler_format::{DirTreeId, FileId};
use ostler_fs::{Dir, LinkPolicy, TempFile};
use rusqlite::{Connection, OpenFlags};

use super::Installed;
use crate::error::StoreError;
use crate::object::FileObject;
use crate::repo::Repo;

/// Where dpkg's `status` may be.
const DPKG: &[&str] = &[
    "var/lib/dpkg/status",
    "usr/lib/sysimage/dpkg/status",
    "usr/lib/dpkg/status",
    "usr/share/dpkg/status",
];
/// Where rpm's database may be.
const RPM: &[&str] = &[
    "usr/share/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
    "var/lib/rpm/rpmdb.sqlite",
];
/// The largest database of rpm that is copied out of the repository.
const MAX_RPMDB: u64 = 1 << 30;

/// Reads the first database that the tree has.
///
/// # Errors
/// Which one cannot be read, and why, in one line.
pub(super) fn read(repo: &Repo, root: DirTreeId) -> Result<Option<Installed>, String> {
    let failed = |path: &str, reason: &dyn std::fmt::Display| format!("`/{path}`: {reason}");
    for path in DPKG.iter().chain(RPM) {
        let found = find(repo, root, path).map_err(|error| failed(path, &error))?;
        let Some(id) = found else {
            continue;
        };
        let object = repo
            .open_file_object(id)
            .map_err(|error| failed(path, &error))?;
        if object.is_symlink() {
            continue;
        }
        let (database, packages) = if DPKG.contains(path) {
            ("dpkg", read_dpkg(object))
        } else {
            ("rpm", read_rpm(repo, object))
        };
        return Ok(Some(Installed {
            database,
            packages: packages.map_err(|reason| failed(path, &reason))?,
        }));
    }
    Ok(None)
}

fn find(repo: &Repo, root: DirTreeId, path: &str) -> Result<Option<FileId>, StoreError> {
    let mut tree = repo.read_dirtree(root)?;
    let (dirs, name) = path.rsplit_once('/').unwrap_or(("", path));
    for part in dirs.split('/') {
        let Some(dir) = tree.dirs.iter().find(|dir| dir.name == part) else {
            return Ok(None);
        };
        tree = repo.read_dirtree(dir.tree)?;
    }
    let mut files = tree.files.into_iter();
    Ok(files.find(|(file, _)| file == name).map(|(_, id)| id))
}

fn read_dpkg(object: FileObject) -> Result<Vec<Package>, String> {
    let mut bytes = Vec::new();
    // One more than is parsed, so that a larger one is told.
    let mut capped = object.take(dpkg::MAX_BYTES as u64 + 1);
    capped.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    dpkg::parse_status(&bytes).map_err(|error| error.to_string())
}

/// Reads rpm's database, for which SQLite needs a file with a name; it is gone when this returns.
fn read_rpm(repo: &Repo, mut object: FileObject) -> Result<Vec<Package>, String> {
    if object.size > MAX_RPMDB {
        return Err(format!(
            "it has {} bytes, more than {MAX_RPMDB}",
            object.size
        ));
    }
    let dir = scratch(repo).map_err(|error| error.to_string())?;
    let mut file = TempFile::new(&dir, 0o600).map_err(|error| error.to_string())?;
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match object.read(&mut buffer) {
            Ok(0) => break,
            Ok(got) => file.write_all(&buffer[..got]).map_err(|e| e.to_string())?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    let name = format!(
        "{}rpmdb-{}",
        ostler_fs::TEMPORARY_PREFIX,
        std::process::id()
    );
    file.link_into(&dir, name.as_str(), LinkPolicy::Replace)
        .map_err(|error| error.to_string())?;
    let packages = query(&dir.shown_path().join(&name));
    // What a crash leaves here is removed with other old files of `tmp/`.
    let _ = dir.unlink_optional(name.as_str());
    packages.map_err(|error| error.to_string())?
}

/// A directory for a file that is needed for a moment.
fn scratch(repo: &Repo) -> Result<Dir, StoreError> {
    if repo.is_writable() {
        return Ok(repo.dir().create_dir_all("tmp", 0o775)?);
    }
    Ok(Dir::open_ambient(std::env::temp_dir())?)
}

/// Lists the packages; SQLite's own failure is the outer error.
fn query(path: &Path) -> rusqlite::Result<Result<Vec<Package>, String>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    // Immutable: nobody else knows this file, and a log beside it is not looked for.
    let url = ostler_http::Url::from_file_path(path);
    let url = url.map_err(|()| rusqlite::Error::InvalidPath(path.to_owned()))?;
    let connection = Connection::open_with_flags(format!("{url}?immutable=1"), flags)?;
    // The file comes from a stranger.
    connection.execute_batch(
        "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0;",
    )?;
    let mut statement = connection.prepare("SELECT blob FROM Packages")?;
    let mut rows = statement.query([])?;
    let mut packages = Vec::new();
    while let Some(row) = rows.next()? {
        let blob = row.get_ref(0)?;
        let Ok(header) = blob.as_blob() else {
            return Ok(Err("a header that is no blob".to_owned()));
        };
        match rpm::parse_header(header) {
            Ok(package) => packages.push(package),
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
    Ok(Ok(packages))
}
