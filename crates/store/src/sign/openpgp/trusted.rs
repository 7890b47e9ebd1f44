//! The OpenPGP keys that a repository trusts: where they are, and how more are added.

use std::path::{Path, PathBuf};

use ostler_format::RemoteName;
use ostler_fs::Dir;

use super::Keyring;
use crate::remote::{Remote, RemotePlace};
use crate::repo::Repo;
use crate::sign::host::{MAX_KEY_FILE, is_directory, list_files, read_file};
use crate::sign::{SignError, TrustRoots};

/// How the file of a remote's keyring ends.
const SUFFIX: &str = ".trustedkeys.gpg";

/// The keys that commits of a remote are verified with: those of its keyring and of `gpgkeypath`; if it has no keyring,
/// the host's, too.
///
/// # Errors
/// [`SignError::KeyFileUnreadable`], [`SignError::Keyring`], [`SignError::KeyPathSeparators`].
pub fn of_remote(repo: &Repo, remote: &Remote, roots: &TrustRoots) -> Result<Keyring, SignError> {
    let own = read_of_remote(repo, remote)?;
    let has_own = own.is_some();
    let mut keyring = own.unwrap_or_default();
    for path in key_paths(remote)? {
        keyring.extend(read_key_path(&path)?);
    }
    if !has_own {
        keyring.extend(of_directory(&roots.keyrings)?);
    }
    Ok(keyring)
}

/// The keys of all remotes of a repository and of the host: enough to say of whom a signature is, whatever the remote.
///
/// # Errors
/// As [`of_remote`].
pub fn of_all(repo: &Repo, roots: &TrustRoots) -> Result<Keyring, SignError> {
    let mut keyring = of_directory(&roots.keyrings)?;
    for entry in repo.dir().entries()?.iter() {
        if let Some(name) = entry.str_name().filter(|name| name.ends_with(SUFFIX)) {
            let found = read_in(repo.dir(), name)?;
            keyring.extend(found.unwrap_or_default());
        }
    }
    Ok(keyring)
}

/// The keys of a remote's own keyring alone.
///
/// # Errors
/// [`SignError::Keyring`].
pub fn own_of_remote(repo: &Repo, remote: &Remote) -> Result<Keyring, SignError> {
    Ok(read_of_remote(repo, remote)?.unwrap_or_default())
}

/// The keys in the files `*.gpg` of a directory; none if there is no such directory.
///
/// # Errors
/// [`SignError::Keyring`].
pub fn of_directory(path: &Path) -> Result<Keyring, SignError> {
    let mut keyring = Keyring::default();
    for file in keyring_files(path)? {
        keyring.extend(parse(&file, &read_file(&file)?)?);
    }
    Ok(keyring)
}

/// The keys in the files `*.gpg` of a directory that `gpg` keeps; files that hold something else are left out.
///
/// # Errors
/// [`SignError::Store`] if the directory cannot be listed.
pub fn of_homedir(path: &Path) -> Result<Keyring, SignError> {
    let mut keyring = Keyring::default();
    for file in keyring_files(path)? {
        keyring.extend(read_keyring(&file).unwrap_or_default());
    }
    Ok(keyring)
}

fn keyring_files(path: &Path) -> Result<Vec<PathBuf>, SignError> {
    let mut files = list_files(path)?.unwrap_or_default();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "gpg"));
    Ok(files)
}

/// Reads the keys in a file that a person named.
///
/// # Errors
/// [`SignError::KeyFileUnreadable`], [`SignError::Keyring`] if it holds none.
pub fn read_keyring(path: &Path) -> Result<Keyring, SignError> {
    let keyring = parse(path, &read_file(path)?)?;
    if keyring.is_empty() {
        return Err(SignError::Keyring {
            path: Some(path.to_owned()),
            problem: "there is no key in it".to_owned(),
        });
    }
    Ok(keyring)
}

/// Adds keys to a remote's keyring and returns how many were not there. What is known of the others is merged.
///
/// # Errors
/// [`SignError`]; the keyring is as it was.
pub fn import(repo: &Repo, remote: &RemoteName, keys: Keyring) -> Result<usize, SignError> {
    let name = format!("{remote}{SUFFIX}");
    let mut keyring = read_in(repo.dir(), &name)?.unwrap_or_default();
    let new = keys.new_beside(&keyring).len();
    // A keyring keeps revocations with their keys, or not at all.
    if keys.certs().is_empty() && keys.revokes_strangers(&keyring) {
        return Err(SignError::Keyring {
            path: None,
            problem: "it revokes a key that is not known here; import the key first".to_owned(),
        });
    }
    keyring.extend(keys);
    repo.replace_file(repo.dir(), &name, &keyring.to_bytes()?, repo.durability())?;
    Ok(new)
}

fn read_of_remote(repo: &Repo, remote: &Remote) -> Result<Option<Keyring>, SignError> {
    let name = format!("{}{SUFFIX}", remote.name);
    if RemoteName::new(remote.name.as_str()).is_err() {
        return Ok(None);
    }
    if let Some(keyring) = read_in(repo.dir(), &name)? {
        return Ok(Some(keyring));
    }
    let beside = match &remote.place {
        RemotePlace::File(path) => path.parent().map(Path::to_owned),
        RemotePlace::Config | RemotePlace::Nowhere => repo.remotes_dir(None),
    };
    if let Some(dir) = beside
        && let Some(dir) = Dir::open_ambient_optional(dir)?
        && let Some(keyring) = read_in(&dir, &name)?
    {
        return Ok(Some(keyring));
    }
    match repo.parent() {
        Some(parent) => read_of_remote(parent, remote),
        None => Ok(None),
    }
}

fn read_in(dir: &Dir, name: &str) -> Result<Option<Keyring>, SignError> {
    let Some(bytes) = dir.read_optional(name, MAX_KEY_FILE)? else {
        return Ok(None);
    };
    parse(&dir.shown_path().join(name), &bytes).map(Some)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Keyring, SignError> {
    Keyring::parse(bytes).map_err(|error| match error {
        SignError::Keyring { problem, .. } => SignError::Keyring {
            path: Some(path.to_owned()),
            problem,
        },
        other => other,
    })
}

/// Reads a file of keys, or all files in a directory that hold some.
fn read_key_path(path: &Path) -> Result<Keyring, SignError> {
    if !is_directory(path) {
        return read_keyring(path);
    }
    let mut keyring = Keyring::default();
    for file in list_files(path)?.unwrap_or_default() {
        if let Ok(found) = read_keyring(&file) {
            keyring.extend(found);
        }
    }
    Ok(keyring)
}

/// The paths in `gpgkeypath`, set apart by one of `,` and `;`; an empty one at the end is none.
fn key_paths(remote: &Remote) -> Result<Vec<PathBuf>, SignError> {
    let Some(text) = remote.gpg_key_path.as_deref() else {
        return Ok(Vec::new());
    };
    let separator = match (text.contains(','), text.contains(';')) {
        (true, true) => {
            return Err(SignError::KeyPathSeparators {
                remote: remote.name.clone(),
            });
        }
        (true, false) => ',',
        _ => ';',
    };
    let text = text.strip_suffix(separator).unwrap_or(text);
    Ok(text.split(separator).map(PathBuf::from).collect())
}
