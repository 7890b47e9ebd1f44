//! rpm's database: a table of headers in SQLite.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use ostler_fs::{Dir, LinkPolicy, TempFile};
use rusqlite::{Connection, OpenFlags};

use super::{DatabaseError, at};
use crate::error::PackagesError;
use crate::package::Package;
use crate::rpm::{self, header::Header, tag};
use crate::tree::{Tree, TreeError, TreeFile};

/// Where it may be.
pub(super) const PLACES: [&str; 3] = ["usr/share/rpm", "usr/lib/sysimage/rpm", "var/lib/rpm"];
/// The file in it.
pub(super) const FILE: &str = "rpmdb.sqlite";
/// Files of the formats that are not read.
const OTHERS: [(&str, &str); 2] = [("Packages.db", "ndb"), ("Packages", "Berkeley DB")];
/// The largest database that is copied out of a repository.
const MAX_BYTES: u64 = 1 << 30;
/// A key that was imported is kept as a package of this name.
const KEY: &str = "gpg-pubkey";

/// Lists the packages of the first database that is there.
pub(super) fn installed(tree: &Tree<'_>) -> Result<Option<Vec<Package>>, DatabaseError> {
    let mut packages = Vec::new();
    let is_there = each_header(tree, |header| {
        packages.push(rpm::package(header)?);
        Ok(())
    })?;
    Ok(is_there.then_some(packages))
}

/// Calls `each` with the header of each package; false if there is no database.
pub(crate) fn each_header(
    tree: &Tree<'_>,
    mut each: impl FnMut(&Header<'_>) -> Result<(), PackagesError>,
) -> Result<bool, DatabaseError> {
    for place in PLACES {
        let path = format!("{place}/{FILE}");
        if let Some(file) = tree.open(&path).map_err(at(&path))? {
            let copy = Copy::of(tree, file).map_err(at(&path))?;
            query(&copy.path(), &path, &mut each)?;
            return Ok(true);
        }
    }
    for place in PLACES {
        for (name, format) in OTHERS {
            let path = format!("{place}/{name}");
            if tree.open(&path).map_err(at(&path))?.is_some() {
                return Err(DatabaseError::Unsupported { path, format });
            }
        }
    }
    Ok(false)
}

/// A copy of the database, for SQLite needs a file with a name; it is gone when this is.
struct Copy {
    dir: Dir,
    name: String,
}

impl Copy {
    fn of(tree: &Tree<'_>, mut from: TreeFile<'_>) -> Result<Self, TreeError> {
        if from.size > MAX_BYTES {
            let found = from.size;
            return Err(TreeError::TooLarge {
                found,
                max: MAX_BYTES,
            });
        }
        let dir = match tree.repo().filter(|repo| repo.is_writable()) {
            Some(repo) => repo.dir().create_dir_all("tmp", 0o775)?,
            None => Dir::open_ambient(std::env::temp_dir())?,
        };
        let mut file = TempFile::new(&dir, 0o600)?;
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match from.content.read(&mut buffer) {
                Ok(0) => break,
                Ok(got) => file.write_all(&buffer[..got])?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        // What a crash leaves here is removed with other old files of `tmp/`.
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "{}rpmdb-{}-{}",
            ostler_fs::TEMPORARY_PREFIX,
            std::process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        );
        file.link_into(&dir, name.as_str(), LinkPolicy::Replace)?;
        Ok(Self { dir, name })
    }

    fn path(&self) -> PathBuf {
        self.dir.shown_path().join(&self.name)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = self.dir.unlink_optional(self.name.as_str());
    }
}

fn query(
    copy: &Path,
    shown: &str,
    each: &mut impl FnMut(&Header<'_>) -> Result<(), PackagesError>,
) -> Result<(), DatabaseError> {
    let sqlite = |source| DatabaseError::Sqlite {
        path: shown.to_owned(),
        source,
    };
    let malformed = |source| DatabaseError::Malformed {
        path: shown.to_owned(),
        source,
    };
    let connection = open(copy).map_err(sqlite)?;
    let mut statement = connection
        .prepare("SELECT blob FROM Packages")
        .map_err(sqlite)?;
    let mut rows = statement.query([]).map_err(sqlite)?;
    while let Some(row) = rows.next().map_err(sqlite)? {
        let blob = row.get_ref(0).map_err(sqlite)?;
        let blob = blob.as_blob();
        let blob =
            blob.map_err(|_| malformed(PackagesError::at_byte(0, "a header that is no blob")))?;
        let header = Header::parse(blob).map_err(malformed)?;
        if header.text(tag::NAME).map_err(malformed)? != Some(KEY) {
            each(&header).map_err(malformed)?;
        }
    }
    Ok(())
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    // Immutable: nobody else knows this file, and a log beside it is not looked for.
    let url = ostler_http::Url::from_file_path(path);
    let url = url.map_err(|()| rusqlite::Error::InvalidPath(path.to_owned()))?;
    let connection = Connection::open_with_flags(format!("{url}?immutable=1"), flags)?;
    // The file comes from a stranger.
    connection.execute_batch(
        "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0;",
    )?;
    Ok(connection)
}
