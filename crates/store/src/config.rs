//! The repository's `config` file, as typed values.
//!
//! The raw [`KeyFile`] is kept, so that an edit writes back a person's comments and order.

use std::time::Duration;

use ostler_format::keyfile::KeyFileError;
use ostler_format::{CollectionId, KeyFile};

use crate::amount::parse_amount;
use crate::mode::RepoMode;

/// How much is written before it is written out, where the config does not say.
const FLUSH_EVERY_BYTES: u64 = 128 << 20;

/// A `config` file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text is no key file, or a key has a value of another type.
    #[error("`config`: {0}")]
    Syntax(#[from] KeyFileError),
    /// A needed key is absent.
    #[error("`config` has no `{key}`")]
    Missing {
        /// Group and key.
        key: &'static str,
    },
    /// A key has a value that it cannot have.
    #[error("`config`: Invalid {} in [{}]: `{value}`; {reason}", split(key).1, split(key).0)]
    Invalid {
        /// Group and key.
        key: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        reason: &'static str,
    },
}

/// The group and the name of a `group.name`.
fn split(key: &str) -> (&str, &str) {
    key.split_once('.').unwrap_or(("", key))
}

/// How much room the file system must keep free while content objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinFreeSpace {
    /// A share of all blocks, in percent (0 to 99).
    Percent(u64),
    /// A number of bytes.
    Bytes(u64),
}

/// `[ex-integrity] fsverity` and `composefs`: whether a feature is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Tristate {
    /// Not used.
    #[default]
    No,
    /// Used where the file system can.
    Maybe,
    /// Used, and an error where it cannot be.
    Yes,
}

/// The values of `config` that the store acts on.
#[derive(Clone, Debug)]
pub struct RepoConfig {
    file: KeyFile,
    /// `core.mode`.
    pub mode: RepoMode,
    /// `core.parent`: a repository whose objects are read where this one lacks them.
    pub parent: Option<String>,
    /// `core.fsync`: whether written objects and refs are made durable.
    pub fsync: bool,
    /// `core.per-object-fsync`: each object at once, instead of all of them at the end.
    pub per_object_fsync: bool,
    /// `core.locking`.
    pub locking: bool,
    /// `core.lock-timeout-secs`; `None` waits for ever.
    pub lock_timeout: Option<Duration>,
    /// `core.min-free-space-size`, else `core.min-free-space-percent` (3).
    pub min_free_space: MinFreeSpace,
    /// `core.tmp-expiry-secs`: how old a leftover in `tmp/` must be to be removed.
    pub tmp_expiry: Duration,
    /// `core.limit-rate`: the most bytes that are downloaded in a second, where a remote has no limit of its own; 0 for no
    /// limit.
    pub limit_rate: Option<u64>,
    /// `core.flush-every-size`: after how many bytes, synced in the background, objects are written out while more are
    /// written (128M); 0 leaves all of it to the end.
    pub flush_every_bytes: u64,
    /// `core.collection-id`.
    pub collection_id: Option<CollectionId>,
    /// `core.auto-update-summary` or its older name `commit-update-summary`.
    pub auto_update_summary: bool,
    /// `core.tombstone-commits`.
    pub tombstone_commits: bool,
    /// `core.disable-xattrs`.
    pub disable_xattrs: bool,
    /// `core.sign-verify-deltas`: whether deltas have to be signed.
    pub sign_verify_deltas: bool,
    /// `core.indexed-deltas`: whether each commit's deltas are listed in a file of their own; clients read it.
    pub indexed_deltas: bool,
    /// `ostler.packs`: whether commits have packs; clients read it.
    pub packs: bool,
    /// `ostler.packed-content`: whether some content is in packs alone; clients read it.
    pub packed_content: bool,
    /// `ostler.native-deltas`: whether there are deltas in Ostler's own encoding; clients read it.
    pub native_deltas: bool,
    /// `core.enable-uncompressed-cache`.
    pub enable_uncompressed_cache: bool,
    /// `core.payload-link-threshold`: content of so many bytes or more shares its blocks with equal content.
    pub payload_link_threshold: Option<u64>,
    /// `core.add-remotes-config-dir`.
    pub add_remotes_config_dir: Option<bool>,
    /// `archive.zlib-level`, 1 to 9.
    pub zlib_level: u32,
    /// `ex-integrity.fsverity`, or the older `ex-fsverity` group.
    pub fsverity: Tristate,
}

impl RepoConfig {
    /// Returns the `config` of a new repository.
    #[must_use]
    pub fn new_file(mode: RepoMode, collection_id: Option<&CollectionId>) -> KeyFile {
        let mut file = KeyFile::default();
        let mut set = |key, value| {
            file.set_string("core", key, value)
                .expect("these keys and values have no line ends");
        };
        set("repo_version", "1");
        set("mode", mode.as_config());
        if let Some(id) = collection_id {
            set("collection-id", id.as_str());
        }
        file
    }

    /// As [`RepoConfig::from_key_file`], for the `config` of a repository that is opened.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] without a `core.repo_version`: an emptied file is damage, not a repository of mode `bare`.
    pub fn of_repository(file: KeyFile) -> Result<Self, ConfigError> {
        let core = Group {
            file: &file,
            name: "core",
        };
        if core.text("repo_version")?.is_none() {
            return Err(ConfigError::Missing {
                key: "core.repo_version",
            });
        }
        Self::from_key_file(file)
    }

    /// Reads typed values from a key file.
    ///
    /// # Errors
    /// [`ConfigError`] names the key, its value and what it may be.
    pub fn from_key_file(file: KeyFile) -> Result<Self, ConfigError> {
        let core = Group {
            file: &file,
            name: "core",
        };
        if let Some(version) = core.text("repo_version")?.filter(|v| v != "1") {
            return Err(invalid("core.repo_version", version, "only 1 is known"));
        }
        Ok(Self {
            mode: mode(&core)?,
            parent: core.text("parent")?,
            fsync: core.boolean("fsync", true)?,
            per_object_fsync: core.boolean("per-object-fsync", false)?,
            locking: core.boolean("locking", true)?,
            lock_timeout: lock_timeout(&core)?,
            min_free_space: min_free_space(&core)?,
            tmp_expiry: Duration::from_secs(core.unsigned("tmp-expiry-secs", 86_400)?),
            limit_rate: core.amount("limit-rate", "core.limit-rate")?,
            flush_every_bytes: core
                .amount("flush-every-size", "core.flush-every-size")?
                .unwrap_or(FLUSH_EVERY_BYTES),
            collection_id: collection_id(&core)?,
            auto_update_summary: core.boolean("auto-update-summary", false)?
                || core.boolean("commit-update-summary", false)?,
            tombstone_commits: core.boolean("tombstone-commits", false)?,
            disable_xattrs: core.boolean("disable-xattrs", false)?,
            sign_verify_deltas: core.boolean("sign-verify-deltas", false)?,
            indexed_deltas: core.boolean("indexed-deltas", false)?,
            packs: file.boolean("ostler", "packs")?.unwrap_or(false),
            packed_content: file.boolean("ostler", "packed-content")?.unwrap_or(false),
            native_deltas: file.boolean("ostler", "native-deltas")?.unwrap_or(false),
            enable_uncompressed_cache: core.boolean("enable-uncompressed-cache", true)?,
            payload_link_threshold: file.unsigned("core", "payload-link-threshold")?,
            add_remotes_config_dir: file.boolean("core", "add-remotes-config-dir")?,
            zlib_level: zlib_level(&file)?,
            fsverity: fsverity(&file)?,
            file,
        })
    }

    /// Returns the raw file, for keys that are not typed here and for remotes.
    #[must_use]
    pub fn file(&self) -> &KeyFile {
        &self.file
    }
}

struct Group<'f> {
    file: &'f KeyFile,
    name: &'static str,
}

impl Group<'_> {
    /// An empty value counts as none.
    fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        Ok(self
            .file
            .string(self.name, key)?
            .filter(|text| !text.is_empty()))
    }

    fn boolean(&self, key: &str, default: bool) -> Result<bool, ConfigError> {
        Ok(self.file.boolean(self.name, key)?.unwrap_or(default))
    }

    /// An amount of bytes; `name` is the key with its group.
    fn amount(&self, key: &str, name: &'static str) -> Result<Option<u64>, ConfigError> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        let reason = "it is a number of bytes, with K, M, G or T";
        match parse_amount(&text) {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(invalid(name, text, reason)),
        }
    }

    fn unsigned(&self, key: &str, default: u64) -> Result<u64, ConfigError> {
        Ok(self.file.unsigned(self.name, key)?.unwrap_or(default))
    }
}

fn invalid(key: &'static str, value: impl ToString, reason: &'static str) -> ConfigError {
    ConfigError::Invalid {
        key,
        value: value.to_string(),
        reason,
    }
}

fn mode(core: &Group<'_>) -> Result<RepoMode, ConfigError> {
    let Some(text) = core.text("mode")? else {
        return Ok(RepoMode::Bare);
    };
    let reason = "it is bare, bare-user, bare-user-only, bare-split-xattrs or archive-z2";
    RepoMode::from_config(&text).ok_or_else(|| invalid("core.mode", text, reason))
}

fn collection_id(core: &Group<'_>) -> Result<Option<CollectionId>, ConfigError> {
    let Some(text) = core.text("collection-id")? else {
        return Ok(None);
    };
    match CollectionId::new(text.clone()) {
        Ok(id) => Ok(Some(id)),
        Err(_) => Err(invalid(
            "core.collection-id",
            text,
            "it has dots, as a D-Bus interface name has",
        )),
    }
}

fn lock_timeout(core: &Group<'_>) -> Result<Option<Duration>, ConfigError> {
    match core.file.integer(core.name, "lock-timeout-secs")? {
        None => Ok(Some(Duration::from_secs(300))),
        Some(-1) => Ok(None),
        Some(secs) => match u64::try_from(secs) {
            Ok(secs) => Ok(Some(Duration::from_secs(secs))),
            Err(_) => Err(invalid(
                "core.lock-timeout-secs",
                secs,
                "it is a number of seconds, or -1",
            )),
        },
    }
}

fn min_free_space(core: &Group<'_>) -> Result<MinFreeSpace, ConfigError> {
    if let Some(text) = core.text("min-free-space-size")? {
        let reason = "it is a number with MB, GB or TB";
        return parse_size(&text)
            .map(MinFreeSpace::Bytes)
            .ok_or_else(|| invalid("core.min-free-space-size", text, reason));
    }
    match core.unsigned("min-free-space-percent", 3)? {
        percent @ 0..=99 => Ok(MinFreeSpace::Percent(percent)),
        percent => Err(invalid(
            "core.min-free-space-percent",
            percent,
            "it is 0 to 99",
        )),
    }
}

/// Parses `500MB`, `1GB`, `1TB` (powers of 1024, as libostree counts them).
fn parse_size(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let shift = match unit {
        "MB" => 20,
        "GB" => 30,
        "TB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn zlib_level(file: &KeyFile) -> Result<u32, ConfigError> {
    match file.unsigned("archive", "zlib-level")? {
        None => Ok(6),
        Some(level @ 1..=9) => Ok(u32::try_from(level).expect("at most 9")),
        Some(level) => Err(invalid("archive.zlib-level", level, "it is 1 to 9")),
    }
}

fn fsverity(file: &KeyFile) -> Result<Tristate, ConfigError> {
    match file.string("ex-integrity", "fsverity")?.as_deref() {
        Some("yes" | "true" | "1") => return Ok(Tristate::Yes),
        Some("maybe") => return Ok(Tristate::Maybe),
        Some("no" | "false" | "0") => return Ok(Tristate::No),
        Some(other) => {
            return Err(invalid(
                "ex-integrity.fsverity",
                other,
                "it is yes, no or maybe",
            ));
        }
        None => {}
    }
    let old = Group {
        file,
        name: "ex-fsverity",
    };
    Ok(if old.boolean("required", false)? {
        Tristate::Yes
    } else if old.boolean("opportunistic", false)? {
        Tristate::Maybe
    } else {
        Tristate::No
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<RepoConfig, ConfigError> {
        RepoConfig::from_key_file(KeyFile::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn defaults_are_those_of_libostree() {
        let c = config("[core]\nrepo_version=1\nmode=archive\n").unwrap();
        assert_eq!(c.mode, RepoMode::Archive);
        assert!(c.fsync && c.locking && !c.per_object_fsync);
        assert_eq!(c.min_free_space, MinFreeSpace::Percent(3));
        assert_eq!(c.lock_timeout, Some(Duration::from_secs(300)));
        assert_eq!(c.zlib_level, 6);
    }

    #[test]
    fn an_emptied_config_is_not_one_of_a_bare_repository() {
        for text in ["", "[core]\n", "[core]\nmode=bare\nrepo_version=\n"] {
            let file = KeyFile::parse(text.as_bytes()).unwrap();
            let error = RepoConfig::of_repository(file).unwrap_err().to_string();
            assert_eq!(error, "`config` has no `core.repo_version`");
        }
    }

    #[test]
    fn a_size_wins_over_a_percentage() {
        let c = config("[core]\nmode=bare\nmin-free-space-size=500MB\nmin-free-space-percent=9\n")
            .unwrap();
        assert_eq!(c.min_free_space, MinFreeSpace::Bytes(500 << 20));
    }

    #[test]
    fn a_bad_value_is_named() {
        for (text, word) in [
            ("[core]\nmode=fancy\n", "fancy"),
            ("[core]\nmode=bare\nfsync=perhaps\n", "fsync"),
            ("[core]\nmode=bare\nmin-free-space-size=1kB\n", "1kB"),
            ("[core]\nmode=bare\n[archive]\nzlib-level=12\n", "12"),
            ("[core]\nmode=bare\nrepo_version=2\n", "repo_version"),
        ] {
            let error = config(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error} does not name {word}");
        }
    }
}
