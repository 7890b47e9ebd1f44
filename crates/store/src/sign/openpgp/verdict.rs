//! What was found out about a signature, and the words for it, which are libostree's.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Seconds since 1970-01-01 UTC.
type Seconds = i64;

/// Whether a signature is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It is good.
    Good,
    /// The keyring lacks the key.
    MissingKey,
    /// The key, or the certificate that it belongs to, is revoked.
    KeyRevoked,
    /// The key, or the certificate that it belongs to, has expired.
    KeyExpired,
    /// The signature has expired.
    SignatureExpired,
    /// It does not fit, or it is not strong enough; the text says which.
    Bad(String),
}

/// What is known of one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is believed.
    pub validity: Validity,
    /// The fingerprint of the key that made it, else its key id, in upper-case hex; empty if it names none.
    pub fingerprint: String,
    /// The fingerprint of the certificate's primary key; empty if the key is missing.
    pub primary_fingerprint: String,
    /// When it was made.
    pub made: Seconds,
    /// When it expires.
    pub expires: Option<Seconds>,
    /// When the key expires.
    pub key_expires: Option<Seconds>,
    /// When the certificate's primary key expires.
    pub primary_expires: Option<Seconds>,
    /// When it was judged.
    pub judged: Seconds,
    /// The key's algorithm.
    pub algorithm: &'static str,
    /// The algorithm that the signature was made over, as `SHA256`.
    pub hash: String,
    /// The certificate's user: name.
    pub user_name: String,
    /// The certificate's user: mail address.
    pub user_email: String,
}

impl Verdict {
    /// Whether it is believed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.validity == Validity::Good
    }

    /// As [`Verdict::describe`], with times of the system's zone.
    #[must_use]
    pub fn describe_here(&self, prefix: &str) -> String {
        self.describe(prefix, &TimeZone::system())
    }

    /// Describes it in some lines, each after `prefix`, with times of the zone `zone`.
    #[must_use]
    pub fn describe(&self, prefix: &str, zone: &TimeZone) -> String {
        let mut text = String::new();
        let key = short(&self.fingerprint);
        let algorithm = self.algorithm;
        let _ = match date(self.made, zone) {
            Some(made) => writeln!(
                text,
                "{prefix}Signature made {made} using {algorithm} key ID {key}"
            ),
            None => writeln!(
                text,
                "Can't check signature: timestamp {} is invalid",
                self.made
            ),
        };
        let (name, email) = (&self.user_name, &self.user_email);
        let _ = match &self.validity {
            Validity::Good => writeln!(text, "{prefix}Good signature from \"{name} <{email}>\""),
            Validity::MissingKey => {
                writeln!(text, "{prefix}Can't check signature: public key not found")
            }
            Validity::KeyRevoked => writeln!(text, "{prefix}Key revoked"),
            Validity::SignatureExpired => {
                writeln!(text, "{prefix}Expired signature from \"{name} <{email}>\"")
            }
            Validity::KeyExpired => {
                writeln!(text, "{prefix}BAD signature from \"{name} <{email}>\"")
            }
            Validity::Bad(reason) => writeln!(
                text,
                "{prefix}BAD signature from \"{name} <{email}>\" ({reason})"
            ),
        };
        let by_subkey =
            !self.primary_fingerprint.is_empty() && self.fingerprint != self.primary_fingerprint;
        if by_subkey {
            let primary = short(&self.primary_fingerprint);
            let _ = writeln!(text, "{prefix}Primary key ID {primary}");
        }
        let mut expiry = |what: &str, at: Option<Seconds>| {
            let Some(at) = at else { return };
            let verb = if at <= self.judged {
                "expired"
            } else {
                "expires"
            };
            let _ = match date(at, zone) {
                Some(date) => writeln!(text, "{prefix}{what} {verb} {date}"),
                None => writeln!(text, "{prefix}{what} expiry timestamp ({at}) is invalid"),
            };
        };
        expiry("Signature", self.expires);
        expiry("Key", self.key_expires);
        expiry("Primary key", self.primary_expires.filter(|_| by_subkey));
        text
    }
}

/// Describes signatures, with a heading and an empty line before each, as `show` does below a commit.
#[must_use]
pub fn describe_all(heading: &str, verdicts: &[Verdict]) -> String {
    let zone = TimeZone::system();
    let plural = if verdicts.len() == 1 { "" } else { "s" };
    let mut text = format!("{heading} {} signature{plural}:\n", verdicts.len());
    for verdict in verdicts {
        text.push('\n');
        text.push_str(&verdict.describe("  ", &zone));
    }
    text
}

/// Says why no signature is believed, the last one first, as it is likely to be the newest.
#[must_use]
pub fn describe_refused(verdicts: &[Verdict]) -> String {
    if verdicts.is_empty() {
        return "No GPG signatures found".to_owned();
    }
    let zone = TimeZone::system();
    let newest_first = verdicts.iter().rev();
    let text: String = newest_first.map(|v| v.describe("", &zone)).collect();
    text.trim_end().to_owned()
}

/// What a person could do about signatures none of which is believed.
#[must_use]
pub fn hint(verdicts: &[Verdict]) -> Option<String> {
    Some(match &verdicts.last()?.validity {
        Validity::Good => return None,
        Validity::MissingKey => {
            "if the key may be trusted, import it: `ostler remote gpg-import REMOTE -k FILE`".into()
        }
        Validity::KeyExpired => {
            "import the renewed key: `ostler remote gpg-import REMOTE -k FILE`".into()
        }
        Validity::KeyRevoked => {
            "its owner does not want the key to be trusted any more: ask for the new one".into()
        }
        Validity::SignatureExpired => "the server must sign anew".into(),
        Validity::Bad(_) => "what came is not what was signed: nothing of it was kept".into(),
    })
}

/// A time as the C library writes it by default.
pub(super) fn date(seconds: Seconds, zone: &TimeZone) -> Option<String> {
    let time = Timestamp::from_second(seconds).ok()?;
    let time = time.to_zoned(zone.clone());
    Some(time.strftime("%a %b %e %H:%M:%S %Y").to_string())
}

/// The key id at the end of a fingerprint.
fn short(fingerprint: &str) -> &str {
    let start = fingerprint.len().saturating_sub(16);
    fingerprint.get(start..).unwrap_or(fingerprint)
}
