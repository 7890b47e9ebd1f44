//! Files of bare keys: one key a line in base64, or for SPKI blocks of PEM. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{BareKind, SecretKey, SignError};

/// The most keys that one file may hold.
const MAX_KEYS: usize = 4096;

/// Parses the public keys in a file's text.
pub(super) fn parse_public_keys(kind: BareKind, text: &str) -> Result<Vec<Vec<u8>>, SignError> {
    let keys = split(kind, text, "PUBLIC KEY")?;
    for key in &keys {
        kind.check_public(key)?;
    }
    Ok(keys)
}

/// Parses the secret keys in a file's text: base64 lines, or for SPKI PEM blocks.
///
/// # Errors
/// [`SignError::Key`] for the first that is none, and if there is none at all.
pub fn read_secret_keys(kind: BareKind, text: &str) -> Result<Vec<SecretKey>, SignError> {
    let keys = split(kind, text, "PRIVATE KEY")?;
    if keys.is_empty() {
        return Err(kind.bad_key("no secret key"));
    }
    keys.iter().map(|key| SecretKey::new(kind, key)).collect()
}

fn split(kind: BareKind, text: &str, label: &str) -> Result<Vec<Vec<u8>>, SignError> {
    let keys = if kind == BareKind::Spki {
        split_pem(text, label)?
    } else {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines
            .map(|line| kind.decode_line(line))
            .collect::<Result<Vec<_>, _>>()?
    };
    if keys.len() > MAX_KEYS {
        return Err(kind.bad_key("there are more than 4096 keys in one file"));
    }
    Ok(keys)
}

impl BareKind {
    fn decode_line(self, line: &str) -> Result<Vec<u8>, SignError> {
        match self {
            Self::Dummy => Ok(line.as_bytes().to_vec()),
            Self::Ed25519 | Self::Spki => STANDARD
                .decode(line)
                .map_err(|_| self.bad_key("a line is not the base64 of a key")),
        }
    }
}

/// Takes the content of each PEM block with this label; text between blocks is a person's.
fn split_pem(text: &str, label: &str) -> Result<Vec<Vec<u8>>, SignError> {
    let kind = BareKind::Spki;
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let mut keys = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines().map(str::trim) {
        match &mut open {
            Some(_) if line == end => {
                let base64 = open.take().unwrap_or_default();
                let key = STANDARD.decode(base64);
                keys.push(key.map_err(|_| kind.bad_key("a PEM block is not base64"))?);
            }
            Some(_) if line.starts_with("-----") => {
                return Err(kind.bad_key("a PEM block does not end"));
            }
            Some(base64) => base64.push_str(line),
            None if line == begin => open = Some(String::new()),
            None if line.starts_with("-----BEGIN ") => {
                return Err(kind.bad_key("a PEM block is of another type"));
            }
            None => {}
        }
    }
    if open.is_some() {
        return Err(kind.bad_key("a PEM block does not end"));
    }
    Ok(keys)
}
