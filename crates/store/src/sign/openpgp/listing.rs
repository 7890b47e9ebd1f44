//! Keys as a person looks at them. Pure, but for the digest of a mail address.

use std::fmt::Write as _;
use std::time::SystemTime;

use jiff::tz::TimeZone;
use sequoia_openpgp::types::HashAlgorithm;
use sequoia_openpgp::{Cert, Fingerprint};

use super::verdict::date;
use super::verify::{is_revoked, parts, seconds};
use super::{Keyring, policy, zbase32};

/// A key or a subkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// In upper-case hex.
    pub fingerprint: String,
    /// Whether it is revoked, by itself or with its certificate.
    pub revoked: bool,
    /// When it was made: seconds since 1970-01-01 UTC.
    pub created: i64,
    /// When it expires.
    pub expires: Option<i64>,
}

/// A user of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUser {
    /// Name and mail address.
    pub id: String,
    /// Whether it is revoked, by itself or with its certificate.
    pub revoked: bool,
    /// Where an update of the key may be published: the advanced and the direct address.
    pub update_urls: Option<(String, String)>,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedCert {
    /// Its primary key.
    pub primary: ListedKey,
    /// Its users.
    pub users: Vec<ListedUser>,
    /// Its other keys.
    pub subkeys: Vec<ListedKey>,
    /// When this was true.
    pub listed: i64,
}

/// Lists the certificates of a keyring as they are at `now`.
#[must_use]
pub fn list(keyring: &Keyring, now: SystemTime) -> Vec<ListedCert> {
    keyring
        .certs()
        .iter()
        .map(|cert| listed(cert, now))
        .collect()
}

fn listed(cert: &Cert, now: SystemTime) -> ListedCert {
    let policy = policy::at(now);
    let revoked = is_revoked(&cert.revocation_status(&policy, now));
    let expiry = |fingerprint: &Fingerprint| {
        let valid = cert.with_policy(&policy, now).ok()?;
        let mut keys = valid.keys();
        let key = keys.find(|key| key.key().fingerprint() == *fingerprint)?;
        key.key_expiration_time().map(seconds)
    };
    let listed_key = |fingerprint: Fingerprint, created: SystemTime, revoked: bool| ListedKey {
        expires: expiry(&fingerprint),
        fingerprint: fingerprint.to_hex(),
        revoked,
        created: seconds(created),
    };
    let primary = cert.primary_key();
    let primary = primary.key();
    let primary = listed_key(primary.fingerprint(), primary.creation_time(), revoked);
    let subkeys = cert.keys().subkeys().map(|subkey| {
        let revoked = revoked || is_revoked(&subkey.revocation_status(&policy, now));
        let key = subkey.key();
        listed_key(key.fingerprint(), key.creation_time(), revoked)
    });
    let subkeys = subkeys.collect();
    let users = cert.userids().map(|user| {
        let (_, email) = parts(user.userid());
        ListedUser {
            id: String::from_utf8_lossy(user.userid().value()).into_owned(),
            revoked: revoked || is_revoked(&user.revocation_status(&policy, now)),
            update_urls: update_urls(&email),
        }
    });
    ListedCert {
        primary,
        users: users.collect(),
        subkeys,
        listed: seconds(now),
    }
}

impl ListedCert {
    /// Describes it in lines, as `remote gpg-list-keys` does, with times of the zone `zone`.
    #[must_use]
    pub fn describe(&self, zone: &TimeZone) -> String {
        let mut text = String::new();
        self.push_key(&mut text, "", "Key", &self.primary, zone);
        for user in &self.users {
            let _ = writeln!(text, "  UID: {}{}", user.id, mark(user.revoked));
            if let Some((advanced, direct)) = &user.update_urls {
                let _ = writeln!(text, "  Advanced update URL: {advanced}");
                let _ = writeln!(text, "  Direct update URL: {direct}");
            }
        }
        for key in &self.subkeys {
            self.push_key(&mut text, "  ", "Subkey", key, zone);
        }
        text
    }

    fn push_key(
        &self,
        text: &mut String,
        indent: &str,
        word: &str,
        key: &ListedKey,
        zone: &TimeZone,
    ) {
        let shown = |seconds| date(seconds, zone).unwrap_or_else(|| "invalid".to_owned());
        let fingerprint = &key.fingerprint;
        let _ = writeln!(text, "{indent}{word}: {fingerprint}{}", mark(key.revoked));
        let _ = writeln!(text, "{indent}  Created: {}", shown(key.created));
        if let Some(at) = key.expires {
            let word = if at <= self.listed {
                "Expired"
            } else {
                "Expires"
            };
            let _ = writeln!(text, "{indent}  {word}: {}", shown(at));
        }
    }
}

fn mark(revoked: bool) -> &'static str {
    if revoked { " (revoked)" } else { "" }
}

/// Where a Web Key Directory has the key of a mail address.
fn update_urls(email: &str) -> Option<(String, String)> {
    let (local, domain) = email.rsplit_once('@')?;
    if local.is_empty() || domain.is_empty() {
        return None;
    }
    let domain = domain.to_ascii_lowercase();
    let mut context = HashAlgorithm::SHA1.context().ok()?.for_digest();
    context.update(local.to_ascii_lowercase().as_bytes());
    let hash = zbase32::encode(&context.into_digest().ok()?);
    let query = escape(local);
    let path = format!("hu/{hash}?l={query}");
    Some((
        format!("https://openpgpkey.{domain}/.well-known/openpgpkey/{domain}/{path}"),
        format!("https://{domain}/.well-known/openpgpkey/{path}"),
    ))
}

/// Percent-encodes what may not stand in a query.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
