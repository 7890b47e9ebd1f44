//! What the repository's `config` says of the boot entries, in the group `sysroot`.

use ostler_format::KeyFile;
use ostler_format::keyfile::KeyFileError;

const GROUP: &str = "sysroot";
/// The most tries that a boot loader is told to give a deployment.
const MAX_TRIES: u64 = 5;

/// Settings that make no boot entries.
#[derive(Debug, thiserror::Error)]
pub enum BootSettingsError {
    /// A value is of another kind.
    #[error("the repository's config: {0}")]
    KeyFile(#[from] KeyFileError),
    /// There are too many tries.
    #[error(
        "the repository's config: `sysroot.boot-counting-tries` cannot be {found}: it is 0 to {MAX_TRIES}"
    )]
    Tries {
        /// What it says.
        found: u64,
    },
}

/// Settings of the boot entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BootSettings {
    /// What paths in entries start with: `/`, or `/boot/` for a boot loader that sees the root file system.
    pub(crate) prefix: &'static str,
    /// Keys for all entries but the default's.
    pub(crate) extra: Vec<(String, String)>,
    /// How often the boot loader tries a new deployment; 0 for no counting.
    pub(crate) tries: u32,
}

impl BootSettings {
    /// Reads `bootprefix`, `bls-append-except-default` and `boot-counting-tries`.
    pub(crate) fn read(config: &KeyFile) -> Result<Self, BootSettingsError> {
        let prefixed = config.boolean(GROUP, "bootprefix")?.unwrap_or(false);
        let extra = config
            .string_list(GROUP, "bls-append-except-default")?
            .unwrap_or_default();
        let pair = |text: String| {
            text.split_once('=')
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
        };
        let tries = match config.unsigned(GROUP, "boot-counting-tries")?.unwrap_or(0) {
            found @ 0..=MAX_TRIES => u32::try_from(found).expect("at most five"),
            found => return Err(BootSettingsError::Tries { found }),
        };
        Ok(Self {
            prefix: if prefixed { "/boot/" } else { "/" },
            extra: extra.into_iter().filter_map(pair).collect(),
            tries,
        })
    }
}
