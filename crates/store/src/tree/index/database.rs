//! The database file: opened, read and written so that no failure is ever more than a cache that is not there.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use ostler_format::{Checksum, Hasher};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, params};

use super::Place;
use super::record::Records;
use crate::repo::Repo;

const FOLDER: &str = "extensions/ostler";
const FILE: &str = "commit-index.sqlite";
/// Changes whenever the meaning of a row does; another number means starting anew.
const VERSION: i32 = 1;
/// The database is cut down to half of this when it passes it.
const MAX_BYTES: i64 = 128 << 20;
/// Longer rows are not read: a hundred thousand files in one directory.
const MAX_ROW_BYTES: i64 = 10 << 20;
/// Bytes of the checksum before a row's records.
const SEAL_BYTES: usize = 16;
/// A row's key is the tree's number and 48 bits of the directory's hash.
const TREE_SHIFT: u32 = 48;
const MAX_TREE: i64 = (1 << 15) - 1;

/// The rows of one source tree.
pub(super) struct Database {
    path: PathBuf,
    identity: Checksum,
    /// `None` if nothing can be read: there is no file yet, or it is damaged.
    reader: Option<Reader>,
}

struct Reader {
    connection: Connection,
    tree: i64,
}

impl Database {
    /// Opens it for the source tree that `identity` describes; `None` if reading and writing both are out of the question.
    pub(super) fn open(repo: &Repo, identity: &[u8]) -> Option<Self> {
        let identity = Checksum::of(identity);
        let path = repo.path().join(FOLDER).join(FILE);
        let reader = Reader::open(&path, &identity);
        if reader.is_none() && !repo.is_writable() {
            return None;
        }
        Some(Self {
            path,
            identity,
            reader,
        })
    }

    /// What is known of a directory.
    pub(super) fn read(&mut self, place: Place) -> Option<Records> {
        let reader = self.reader.as_ref()?;
        let row = reader.row(place);
        if row.is_err() {
            // Damaged: what else it says is worth nothing either.
            self.reader = None;
        }
        self.unseal(place, &row.ok()??)
    }

    fn unseal(&self, place: Place, row: &[u8]) -> Option<Records> {
        let (seal, records) = row.split_at_checked(SEAL_BYTES)?;
        (self.seal(place, records)[..] == *seal)
            .then(|| Records::from_bytes(records))
            .flatten()
    }

    fn seal(&self, place: Place, records: &[u8]) -> [u8; SEAL_BYTES] {
        let mut hasher = Hasher::new();
        hasher.update(self.identity.as_bytes());
        for number in [place.file_system, place.dev, place.ino] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(records);
        let mut seal = [0; SEAL_BYTES];
        seal.copy_from_slice(&hasher.finish().as_bytes()[..SEAL_BYTES]);
        seal
    }

    /// Replaces the rows of `added` and, if there are any, drops those of directories that are not in `seen`.
    pub(super) fn write(mut self, added: &[(Place, Records)], seen: &[Place]) {
        if added.is_empty() {
            return;
        }
        // The read lock would be in the way of the write lock.
        self.reader = None;
        if self.try_write(added, seen).is_err_and(is_damage) {
            let _ = std::fs::remove_file(&self.path);
            let _ = self.try_write(added, seen);
        }
    }

    fn try_write(&self, added: &[(Place, Records)], seen: &[Place]) -> rusqlite::Result<()> {
        if let Some(folder) = self.path.parent() {
            let _ = std::fs::create_dir(folder);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | SAFE_FLAGS;
        let mut connection = Connection::open_with_flags(&self.path, flags)?;
        settle(&connection)?;
        let version: i32 = connection.query_row("PRAGMA user_version", (), |row| row.get(0))?;
        if version != VERSION {
            create(&connection, version)?;
        }
        let transaction = connection.transaction()?;
        let tree = tree_to_write(&transaction, &self.identity)?;
        drop_unseen(&transaction, tree, seen)?;
        {
            let mut insert =
                transaction.prepare("INSERT OR REPLACE INTO directory VALUES (?1, ?2)")?;
            let mut row = Vec::new();
            for (place, records) in added {
                row.clear();
                row.extend_from_slice(&self.seal(*place, records.as_bytes()));
                row.extend_from_slice(records.as_bytes());
                insert.execute(params![key(tree, *place), row])?;
            }
        }
        limit_size(&transaction, tree)?;
        transaction.commit()
    }
}

impl Reader {
    fn open(path: &std::path::Path, identity: &Checksum) -> Option<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | SAFE_FLAGS;
        let connection = Connection::open_with_flags(path, flags).ok()?;
        settle(&connection).ok()?;
        // One transaction for all look-ups: the lock is taken once.
        connection.execute_batch("BEGIN").ok()?;
        let version: i32 = connection
            .query_row("PRAGMA user_version", (), |row| row.get(0))
            .ok()?;
        if version != VERSION {
            return None;
        }
        let tree = find_tree(&connection, identity).ok()??;
        Some(Self { connection, tree })
    }

    fn row(&self, place: Place) -> rusqlite::Result<Option<Vec<u8>>> {
        self.connection
            .prepare_cached("SELECT files FROM directory WHERE key = ?1 AND length(files) <= ?2")?
            .query_row([key(self.tree, place), MAX_ROW_BYTES], |row| row.get(0))
            .optional()
    }
}

const SAFE_FLAGS: OpenFlags =
    OpenFlags::SQLITE_OPEN_NO_MUTEX.union(OpenFlags::SQLITE_OPEN_NOFOLLOW);

fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::ZERO)?;
    // What a power cut tears apart the seals find out, so nothing waits for the disk.
    connection.execute_batch(
        "PRAGMA synchronous = OFF; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;",
    )
}

fn create(connection: &Connection, old_version: i32) -> rusqlite::Result<()> {
    if old_version != 0 {
        return Err(damaged());
    }
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         CREATE TABLE tree (number INTEGER PRIMARY KEY, identity BLOB NOT NULL UNIQUE, used INTEGER NOT NULL);
         CREATE TABLE directory (key INTEGER PRIMARY KEY, files BLOB NOT NULL);
         PRAGMA user_version = {VERSION};
         COMMIT;"
    ))
}

fn find_tree(connection: &Connection, identity: &Checksum) -> rusqlite::Result<Option<i64>> {
    connection
        .query_row(
            "SELECT number FROM tree WHERE identity = ?1",
            [identity.as_bytes()],
            |row| row.get(0),
        )
        .optional()
}

/// Marks the tree as just used, and gives it a number if it has none.
fn tree_to_write(transaction: &Transaction<'_>, identity: &Checksum) -> rusqlite::Result<i64> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_secs());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let tree = match find_tree(transaction, identity)? {
        Some(tree) => tree,
        None => {
            let last: Option<i64> =
                transaction.query_row("SELECT max(number) FROM tree", (), |row| row.get(0))?;
            last.unwrap_or(0) + 1
        }
    };
    if !(1..=MAX_TREE).contains(&tree) {
        return Err(damaged());
    }
    transaction.execute(
        "INSERT OR REPLACE INTO tree VALUES (?1, ?2, ?3)",
        params![tree, identity.as_bytes(), now],
    )?;
    Ok(tree)
}

/// Removes the rows of directories that the source no longer has.
fn drop_unseen(transaction: &Transaction<'_>, tree: i64, seen: &[Place]) -> rusqlite::Result<()> {
    let mut keep: Vec<i64> = seen.iter().map(|place| key(tree, *place)).collect();
    keep.sort_unstable();
    let mut gone = Vec::new();
    {
        let mut keys =
            transaction.prepare("SELECT key FROM directory WHERE key BETWEEN ?1 AND ?2")?;
        let mut rows = keys.query([first_key(tree), first_key(tree + 1) - 1])?;
        while let Some(row) = rows.next()? {
            let key: i64 = row.get(0)?;
            if keep.binary_search(&key).is_err() {
                gone.push(key);
            }
        }
    }
    let mut delete = transaction.prepare("DELETE FROM directory WHERE key = ?1")?;
    for key in gone {
        delete.execute([key])?;
    }
    Ok(())
}

/// Drops the least recently used trees, and at last this one, until the database is half full.
fn limit_size(transaction: &Transaction<'_>, tree: i64) -> rusqlite::Result<()> {
    let number =
        |sql: &str| -> rusqlite::Result<i64> { transaction.query_row(sql, (), |row| row.get(0)) };
    let used = || -> rusqlite::Result<i64> {
        let pages = number("PRAGMA page_count")? - number("PRAGMA freelist_count")?;
        Ok(pages * number("PRAGMA page_size")?)
    };
    if used()? <= MAX_BYTES {
        return Ok(());
    }
    let mut trees: Vec<i64> = transaction
        .prepare("SELECT number FROM tree ORDER BY used, number")?
        .query_map((), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    trees.retain(|other| *other != tree);
    trees.push(tree);
    for tree in trees {
        if used()? <= MAX_BYTES / 2 {
            break;
        }
        transaction.execute(
            "DELETE FROM directory WHERE key BETWEEN ?1 AND ?2",
            [first_key(tree), first_key(tree + 1) - 1],
        )?;
        transaction.execute("DELETE FROM tree WHERE number = ?1", [tree])?;
    }
    Ok(())
}

fn first_key(tree: i64) -> i64 {
    tree << TREE_SHIFT
}

fn key(tree: i64, place: Place) -> i64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&place.dev.to_le_bytes());
    bytes[8..].copy_from_slice(&place.ino.to_le_bytes());
    let hash = Checksum::of(&bytes);
    let low = hash.as_bytes()[..6]
        .iter()
        .fold(0_i64, |key, byte| key << 8 | i64::from(*byte));
    first_key(tree) | low
}

fn damaged() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
        None,
    )
}

/// Whether the file itself is at fault, so that a new one would help.
fn is_damage(error: rusqlite::Error) -> bool {
    use rusqlite::ErrorCode;
    match error {
        rusqlite::Error::SqliteFailure(error, _) => matches!(
            error.code,
            ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::TypeMismatch
                | ErrorCode::SchemaChanged
                | ErrorCode::ConstraintViolation
                | ErrorCode::Unknown
        ),
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::FromSqlConversionFailure(..) => true,
        _ => false,
    }
}
