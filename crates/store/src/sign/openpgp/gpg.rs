//! The program `gpg`, which holds secret keys and asks for their passphrases. It is never asked whether a signature is good.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ostler_format::SignatureKind;
use sequoia_openpgp::KeyHandle;

use super::verify::packets;
use crate::sign::{SignError, Signer};

/// The program, found on `PATH`.
const GPG: &str = "gpg";
/// The place of the fingerprint in a line of `gpg --with-colons`.
const FINGERPRINT_FIELD: usize = 9;

/// Signs by `gpg` with one of its secret keys.
#[derive(Clone, Debug)]
pub struct GpgSigner {
    id: String,
    homedir: Option<PathBuf>,
    /// Of the primary key first, then of the subkeys.
    fingerprints: Vec<String>,
}

impl GpgSigner {
    /// Looks for the secret key that `id` names, in `homedir` or where `gpg` looks by itself.
    ///
    /// # Errors
    /// [`SignError::NoSecretKey`], [`SignError::Gpg`] if there is no `gpg`.
    pub fn find(id: &str, homedir: Option<&Path>) -> Result<Self, SignError> {
        let missing = || SignError::NoSecretKey {
            id: id.to_owned(),
            homedir: homedir.map_or("default".to_owned(), |dir| dir.display().to_string()),
        };
        let mut command = command(homedir);
        command.args(["--with-colons", "--list-secret-keys", "--", id]);
        let output = run(command, &[])?;
        if !output.status.success() {
            return Err(missing());
        }
        let fingerprints = fingerprints(&String::from_utf8_lossy(&output.stdout));
        if fingerprints.is_empty() {
            return Err(missing());
        }
        Ok(Self {
            id: id.to_owned(),
            homedir: homedir.map(Path::to_owned),
            fingerprints,
        })
    }

    /// Whether one of these signatures is by this key, as they say themselves.
    #[must_use]
    pub fn has_made_one_of(&self, signatures: &[&[u8]]) -> bool {
        signatures
            .iter()
            .any(|bytes| is_by(bytes, &self.fingerprints))
    }

    /// The key as it was named.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Signer for GpgSigner {
    fn kind(&self) -> SignatureKind {
        SignatureKind::OpenPgp
    }

    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, SignError> {
        let mut command = command(self.homedir.as_deref());
        let key = match self.fingerprints.first() {
            // With `!` the key itself is meant, not the best one of its certificate.
            Some(primary) if !self.id.ends_with('!') => primary,
            _ => &self.id,
        };
        command.args(["--detach-sign", "--local-user", key, "--output", "-"]);
        let output = run(command, data)?;
        if !output.status.success() || packets(&output.stdout).is_empty() {
            return Err(failure(&output));
        }
        Ok(output.stdout)
    }
}

/// Whether the signature packets in `bytes` name one of these keys, by fingerprints in upper-case hex.
#[must_use]
pub fn is_by(bytes: &[u8], fingerprints: &[String]) -> bool {
    let names = |issuer: &KeyHandle| {
        let issuer = issuer.to_hex();
        fingerprints.iter().any(|key| key.ends_with(&issuer))
    };
    packets(bytes)
        .iter()
        .any(|signature| signature.get_issuers().iter().any(names))
}

/// Whether the signature packets in `bytes` name a key whose fingerprint ends with `id`, in upper-case hex.
#[must_use]
pub fn is_named(bytes: &[u8], id: &str) -> bool {
    let id = id.strip_prefix("0x").unwrap_or(id).to_ascii_uppercase();
    let names = |issuer: &KeyHandle| issuer.to_hex().ends_with(&id);
    id.len() >= 8
        && packets(bytes)
            .iter()
            .any(|signature| signature.get_issuers().iter().any(names))
}

/// Exports public keys of the person who runs this.
///
/// # Errors
/// [`SignError::Gpg`]; [`SignError::NoSuchKey`] if there is none.
pub fn export(ids: &[String]) -> Result<Vec<u8>, SignError> {
    let mut command = command(None);
    command.args(["--export", "--"]).args(ids);
    let output = run(command, &[])?;
    if output.stdout.is_empty() {
        return Err(SignError::NoSuchKey { id: ids.join(" ") });
    }
    Ok(output.stdout)
}

fn command(homedir: Option<&Path>) -> Command {
    let mut command = Command::new(GPG);
    command.args(["--batch", "--no-tty", "--quiet"]);
    if let Some(homedir) = homedir {
        command.arg("--homedir").arg(homedir);
    }
    command
}

fn run(mut command: Command, input: &[u8]) -> Result<Output, SignError> {
    let failed = |error: std::io::Error| SignError::Gpg {
        message: error.to_string(),
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends early says why on stderr.
        let _ = stdin.write_all(input);
    }
    child.wait_with_output().map_err(failed)
}

fn failure(output: &Output) -> SignError {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    SignError::Gpg {
        message: lines.join("; "),
    }
}

/// The fingerprints of the first secret key in a listing.
fn fingerprints(listing: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut keys = 0;
    for line in listing.lines() {
        let fields: Vec<_> = line.split(':').collect();
        match fields[0] {
            "sec" => keys += 1,
            "fpr" if keys == 1 => {
                found.extend(fields.get(FINGERPRINT_FIELD).map(|text| (*text).to_owned()));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_gives_the_fingerprints_of_its_first_key() {
        let listing = "tru::1:1:0:3:1:5\n\
                       sec:u:2048:1:7FCA23D8472CDAFA:1378780182:::u:::scESC:::+:::23::0:\n\
                       fpr:::::::::5E65DE75AB1C501862D476347FCA23D8472CDAFA:\n\
                       ssb:u:2048:1:DF20F58B408DEA49:1378780182::::::e:::+:::23:\n\
                       fpr:::::::::CC47B2DFB520AEF231180725DF20F58B408DEA49:\n\
                       sec:u:2048:1:D8228CFECA950D41:1426600832:::u:::scESC:::+:::23::0:\n\
                       fpr:::::::::7B3B1020D74479687FDB2273D8228CFECA950D41:\n";
        assert_eq!(
            fingerprints(listing),
            [
                "5E65DE75AB1C501862D476347FCA23D8472CDAFA",
                "CC47B2DFB520AEF231180725DF20F58B408DEA49"
            ]
        );
    }
}
