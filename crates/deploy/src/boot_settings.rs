//! What the repository's `config` says of the boot entries, in the group `sysroot`.

use ostler_format::KeyFile;
use ostler_format::keyfile::KeyFileError;

const GROUP: &str = "sysroot";

/// Settings of the boot entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BootSettings {
    /// What paths in entries start with: `/`, or `/boot/` for a boot loader that sees the root file system.
    pub(crate) prefix: &'static str,
    /// Keys for all entries but the default's.
    pub(crate) extra: Vec<(String, String)>,
}

impl BootSettings {
    /// Reads `bootprefix` and `bls-append-except-default`.
    pub(crate) fn read(config: &KeyFile) -> Result<Self, KeyFileError> {
        let prefixed = config.boolean(GROUP, "bootprefix")?.unwrap_or(false);
        let extra = config
            .string_list(GROUP, "bls-append-except-default")?
            .unwrap_or_default();
        let pair = |text: String| {
            text.split_once('=')
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
        };
        Ok(Self {
            prefix: if prefixed { "/boot/" } else { "/" },
            extra: extra.into_iter().filter_map(pair).collect(),
        })
    }
}
