//! What a timer may do by itself, as `/etc/rpm-ostreed.conf` says it: `[Daemon]`, `AutomaticUpdatePolicy=none|check|stage|apply`.

use ostler_format::keyfile::KeyFileError;
use ostler_format::{KeyFile, StaterootName};
use ostler_fs::FsError;

use crate::sysroot::Sysroot;

/// Below `/etc`.
const PATH: &str = "rpm-ostreed.conf";

/// The policy cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum UpdatePolicyError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The file is not what it should be.
    #[error("`/etc/{PATH}`: {0}")]
    KeyFile(#[from] KeyFileError),
    /// The policy is none.
    #[error("`/etc/{PATH}`: AutomaticUpdatePolicy is `{found}`, not none, check, stage or apply")]
    Unknown {
        /// The value.
        found: String,
    },
}

/// What a timer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdatePolicy {
    /// Nothing.
    None,
    /// Look whether there is something newer.
    Check,
    /// Deploy it, for the next boot whenever that is.
    Stage,
    /// Deploy it and reboot.
    Apply,
}

impl UpdatePolicy {
    /// Returns the word for it in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Check => "check",
            Self::Stage => "stage",
            Self::Apply => "apply",
        }
    }

    /// Reads the policy in `/etc` of the deployment that a new one of the stateroot would continue; `None` if nothing says it.
    ///
    /// # Errors
    /// [`UpdatePolicyError`].
    pub fn read(
        sysroot: &Sysroot,
        stateroot: &StaterootName,
    ) -> Result<Option<Self>, UpdatePolicyError> {
        let Some(source) = sysroot.merge_source(stateroot) else {
            return Ok(None);
        };
        let root = sysroot.open_deployment(&source.id)?;
        let Some(etc) = root.open_dir_optional("etc")? else {
            return Ok(None);
        };
        match etc.read_in_root_optional(PATH, KeyFile::MAX_BYTES as u64)? {
            Some(text) => Self::parse(&text),
            None => Ok(None),
        }
    }

    fn parse(text: &[u8]) -> Result<Option<Self>, UpdatePolicyError> {
        let file = KeyFile::parse(text)?;
        let Some(found) = file.string("Daemon", "AutomaticUpdatePolicy")? else {
            return Ok(None);
        };
        Ok(Some(match found.as_str() {
            "none" | "off" => Self::None,
            "check" => Self::Check,
            "stage" | "ex-stage" => Self::Stage,
            "apply" => Self::Apply,
            _ => return Err(UpdatePolicyError::Unknown { found }),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_one_of_four_words_or_an_error() {
        let parse = |value: &str| {
            let text = format!("[Daemon]\nAutomaticUpdatePolicy={value}\n");
            UpdatePolicy::parse(text.as_bytes()).map(|policy| policy.map(UpdatePolicy::as_str))
        };
        for word in ["none", "check", "stage", "apply"] {
            assert_eq!(parse(word).unwrap(), Some(word));
        }
        let error = parse("sometimes").unwrap_err().to_string();
        assert!(
            error.contains("/etc/rpm-ostreed.conf") && error.contains("`sometimes`"),
            "{error}"
        );
        let empty = UpdatePolicy::parse(b"[Daemon]\n#AutomaticUpdatePolicy=none\n");
        assert_eq!(empty.unwrap(), None);
    }
}
