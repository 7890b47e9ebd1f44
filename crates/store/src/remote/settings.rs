//! What a remote's group of keys says.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use ostler_format::KeyFile;
use ostler_format::keyfile::KeyFileError;

use super::RemoteError;
use crate::amount::parse_amount;

/// Where a remote is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemotePlace {
    /// The repository's `config`.
    Config,
    /// A file of its own.
    File(PathBuf),
    /// Nowhere: the URL was given in its name's place.
    Nowhere,
}

impl fmt::Display for RemotePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config => f.write_str("(in config)"),
            Self::File(path) => path.display().fmt(f),
            Self::Nowhere => f.write_str("(not configured)"),
        }
    }
}

/// A remote's settings.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Its name, or a `file://` URL.
    pub name: String,
    /// Where it is configured.
    pub place: RemotePlace,
    /// `url`: where metadata, and content unless `content_url` says otherwise, is fetched; `mirrorlist=` may precede it.
    pub url: Option<String>,
    /// `contenturl`: where content objects are fetched.
    pub content_url: Option<String>,
    /// `metalink`: where the summary's mirrors and checksums are.
    pub metalink: Option<String>,
    /// `branches`: the refs that are pulled if none is named.
    pub branches: Vec<String>,
    /// `gpg-verify`, true unless said otherwise: whether commits must have an OpenPGP signature.
    pub gpg_verify: bool,
    /// `gpg-verify-summary`: whether the summary must have one.
    pub gpg_verify_summary: bool,
    /// `sign-verify`: whether commits must have a signature of another kind.
    pub sign_verify: SignVerify,
    /// `sign-verify-summary`: whether the summary must have one.
    pub sign_verify_summary: SignVerify,
    /// `gpgkeypath`: files and directories of OpenPGP keys, set apart by `,` or `;`.
    pub gpg_key_path: Option<String>,
    /// `verification-TYPE-key` and `verification-TYPE-file`, by type.
    pub verification: BTreeMap<String, VerificationKeys>,
    /// `proxy`: the HTTP proxy's URL.
    pub proxy: Option<String>,
    /// `tls-permissive`: whether a server without a valid certificate is talked to.
    pub tls_permissive: bool,
    /// `tls-client-cert-path`.
    pub tls_client_cert_path: Option<PathBuf>,
    /// `tls-client-key-path`.
    pub tls_client_key_path: Option<PathBuf>,
    /// `tls-ca-path`: certificates that are trusted in place of the system's.
    pub tls_ca_path: Option<PathBuf>,
    /// `bearer-token-path`: a file with the token that is sent to the remote as `Authorization: Bearer`.
    pub bearer_token_path: Option<PathBuf>,
    /// `http2`, true unless said otherwise.
    pub http2: bool,
    /// `limit-rate`: the most bytes that are downloaded in a second; 0 for no limit.
    pub limit_rate: Option<u64>,
    /// `custom-backend`: the other program that fetches this remote's content.
    pub custom_backend: Option<String>,
    /// `collection-id`.
    pub collection_id: Option<String>,
    /// `unconfigured-state`: why nothing can be pulled yet, and what to do.
    pub unconfigured_state: Option<String>,
}

/// The keys that a remote names for signatures of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerificationKeys {
    /// A key, encoded.
    pub key: Option<String>,
    /// A file of keys.
    pub file: Option<PathBuf>,
}

/// Which signatures other than OpenPGP's are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SignVerify {
    /// None.
    #[default]
    No,
    /// One of any kind that there is a key for.
    AnyKind,
    /// One of these kinds.
    Kinds(Vec<String>),
}

impl Remote {
    /// Returns the settings of a place that is named by its `file://` URL alone; nothing is verified.
    #[must_use]
    pub fn for_file_url(url: &str) -> Self {
        let mut remote = Self::parse(url, RemotePlace::Nowhere, &KeyFile::new())
            .expect("a key file without keys has no value that could be wrong");
        remote.url = Some(url.to_owned());
        remote.gpg_verify = false;
        remote
    }

    /// Returns the URL of metadata.
    ///
    /// # Errors
    /// [`RemoteError::KeyMissing`].
    pub fn require_url(&self) -> Result<&str, RemoteError> {
        let missing = || RemoteError::KeyMissing {
            name: self.name.clone(),
            key: "url",
        };
        self.url.as_deref().ok_or_else(missing)
    }

    pub(super) fn parse(
        name: &str,
        place: RemotePlace,
        file: &KeyFile,
    ) -> Result<Self, RemoteError> {
        let group = group_name(name);
        let syntax = |source| RemoteError::Syntax {
            name: name.to_owned(),
            source,
        };
        let text = |key| file.string(&group, key).map_err(syntax);
        let flag = |key, otherwise: bool| {
            file.boolean(&group, key)
                .map(|v| v.unwrap_or(otherwise))
                .map_err(syntax)
        };
        let path = |key| Ok::<_, RemoteError>(text(key)?.map(PathBuf::from));
        Ok(Self {
            url: text("url")?,
            content_url: text("contenturl")?,
            metalink: text("metalink")?,
            branches: file
                .string_list(&group, "branches")
                .map_err(syntax)?
                .unwrap_or_default(),
            gpg_verify: flag("gpg-verify", true)?,
            gpg_verify_summary: flag("gpg-verify-summary", false)?,
            sign_verify: sign_verify(file, &group, "sign-verify").map_err(syntax)?,
            sign_verify_summary: sign_verify(file, &group, "sign-verify-summary")
                .map_err(syntax)?,
            gpg_key_path: text("gpgkeypath")?,
            verification: verification(file, &group).map_err(syntax)?,
            proxy: text("proxy")?,
            tls_permissive: flag("tls-permissive", false)?,
            tls_client_cert_path: path("tls-client-cert-path")?,
            tls_client_key_path: path("tls-client-key-path")?,
            tls_ca_path: path("tls-ca-path")?,
            bearer_token_path: path("bearer-token-path")?,
            http2: flag("http2", true)?,
            limit_rate: amount(file, &group, "limit-rate").map_err(syntax)?,
            custom_backend: text("custom-backend")?,
            collection_id: text("collection-id")?.filter(|id| !id.is_empty()),
            unconfigured_state: text("unconfigured-state")?,
            name: name.to_owned(),
            place,
        })
    }
}

/// Reads an amount of bytes.
fn amount(file: &KeyFile, group: &str, key: &str) -> Result<Option<u64>, KeyFileError> {
    let text = file.string(group, key)?.filter(|text| !text.is_empty());
    let Some(value) = text else {
        return Ok(None);
    };
    match parse_amount(&value) {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(KeyFileError::Value {
            group: group.to_owned(),
            key: key.to_owned(),
            value,
            expected: "a number of bytes, with K, M, G or T",
        }),
    }
}

/// Collects `verification-TYPE-key` and `verification-TYPE-file`.
fn verification(
    file: &KeyFile,
    group: &str,
) -> Result<BTreeMap<String, VerificationKeys>, KeyFileError> {
    let mut found: BTreeMap<String, VerificationKeys> = BTreeMap::new();
    for key in file.keys(group) {
        let Some((kind, what)) = key
            .strip_prefix("verification-")
            .and_then(|rest| rest.rsplit_once('-'))
        else {
            continue;
        };
        if what != "key" && what != "file" {
            continue;
        }
        let value = file.string(group, key)?;
        let keys = found.entry(kind.to_owned()).or_default();
        if what == "key" {
            keys.key = value;
        } else {
            keys.file = value.map(PathBuf::from);
        }
    }
    Ok(found)
}

fn sign_verify(file: &KeyFile, group: &str, key: &str) -> Result<SignVerify, KeyFileError> {
    if let Ok(value) = file.boolean(group, key) {
        return Ok(if value == Some(true) {
            SignVerify::AnyKind
        } else {
            SignVerify::No
        });
    }
    Ok(match file.string_list(group, key)? {
        Some(kinds) if !kinds.is_empty() => {
            // libostree sets kinds that it writes itself apart with commas.
            let kinds = kinds.iter().flat_map(|kind| kind.split(','));
            let kinds = kinds.filter(|kind| !kind.is_empty());
            SignVerify::Kinds(kinds.map(str::to_owned).collect())
        }
        _ => SignVerify::No,
    })
}

/// The value of a remote's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteValue {
    /// Text, escaped when written.
    Text(String),
    /// Several texts.
    List(Vec<String>),
    /// `true` or `false`.
    Flag(bool),
}

/// Replaces the group of the remote `name`.
pub(super) fn set_group(
    file: &mut KeyFile,
    name: &str,
    keys: &[(String, RemoteValue)],
) -> Result<(), RemoteError> {
    let group = group_name(name);
    let syntax = |source| RemoteError::Syntax {
        name: name.to_owned(),
        source,
    };
    file.remove_group(&group);
    for (key, value) in keys {
        match value {
            RemoteValue::Text(text) => file.set_string(&group, key, text),
            RemoteValue::List(items) => file.set_string_list(&group, key, items),
            RemoteValue::Flag(flag) => file.set_boolean(&group, key, *flag),
        }
        .map_err(syntax)?;
    }
    Ok(())
}

/// The group of the remote `name`.
pub(super) fn group_name(name: &str) -> String {
    format!("remote \"{name}\"")
}

/// The remote whose group this is.
pub(super) fn remote_name(group: &str) -> Option<&str> {
    group.strip_prefix("remote \"")?.strip_suffix('"')
}
