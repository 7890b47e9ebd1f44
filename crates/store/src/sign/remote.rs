//! What a remote's configuration asks of commits and summaries.

use ostler_format::delta::SignedSuperblock;
use ostler_format::{CommitId, Metadata, SignatureKind};

use super::openpgp::{self, OpenPgpVerifier};
use super::{BareKind, PublicKeys, SignError, TrustRoots, Verifier};
use crate::remote::{Remote, SignVerify};
use crate::repo::Repo;

/// That something has all signatures that are asked for, in words; empty where nothing is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// What was found, one item a kind.
    pub messages: Vec<String>,
}

/// Which of the remote's demands are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// OpenPGP signatures of commits.
    pub gpg_commits: bool,
    /// OpenPGP signatures of summaries.
    pub gpg_summary: bool,
    /// Other signatures of commits.
    pub sign_commits: SignVerify,
    /// Other signatures of summaries.
    pub sign_summary: SignVerify,
}

impl Demands {
    /// What a remote's configuration says.
    #[must_use]
    pub fn of(remote: &Remote) -> Self {
        Self {
            gpg_commits: remote.gpg_verify,
            gpg_summary: remote.gpg_verify_summary,
            sign_commits: remote.sign_verify.clone(),
            sign_summary: remote.sign_verify_summary.clone(),
        }
    }
}

/// Holds commits and summaries of one remote to what is asked of them.
#[derive(Default)]
pub struct RemoteVerifier {
    commits: Asked,
    summaries: Asked,
}

/// What is asked of one thing.
#[derive(Default)]
struct Asked {
    openpgp: Option<OpenPgpVerifier>,
    /// One of them must be content.
    bare: Option<Vec<PublicKeys>>,
}

impl RemoteVerifier {
    /// Asks for nothing.
    #[must_use]
    pub fn trusting() -> Self {
        Self::default()
    }

    /// Reads the keys of a remote, as far as its configuration asks for signatures.
    ///
    /// # Errors
    /// [`SignError`]: a key that cannot be read, a kind that there is not, no keys for a kind that is named.
    pub fn for_remote(repo: &Repo, remote: &Remote, roots: &TrustRoots) -> Result<Self, SignError> {
        Self::with_demands(repo, remote, &Demands::of(remote), roots)
    }

    /// As [`RemoteVerifier::for_remote`], with other demands than the configuration's; the keys are the remote's.
    ///
    /// # Errors
    /// As there.
    pub fn with_demands(
        repo: &Repo,
        remote: &Remote,
        demands: &Demands,
        roots: &TrustRoots,
    ) -> Result<Self, SignError> {
        let openpgp = if demands.gpg_commits || demands.gpg_summary {
            let keyring = openpgp::trusted::of_remote(repo, remote, roots)?;
            Some(OpenPgpVerifier::new(keyring))
        } else {
            None
        };
        let commits = Asked {
            openpgp: openpgp.clone().filter(|_| demands.gpg_commits),
            bare: bare_keys(remote, &demands.sign_commits, roots)?,
        };
        let summaries = Asked {
            openpgp: openpgp.filter(|_| demands.gpg_summary),
            bare: bare_keys(remote, &demands.sign_summary, roots)?,
        };
        Ok(Self { commits, summaries })
    }

    /// Whether commits must be signed.
    #[must_use]
    pub fn asks_of_commits(&self) -> bool {
        self.commits.is_some()
    }

    /// Whether summaries must be signed.
    #[must_use]
    pub fn asks_of_summaries(&self) -> bool {
        self.summaries.is_some()
    }

    /// Verifies a commit by its bytes and the detached metadata that came with it, unparsed.
    ///
    /// # Errors
    /// [`CommitRefused`], whatever is wrong.
    pub fn commit(
        &self,
        id: CommitId,
        bytes: &[u8],
        detached: Option<&[u8]>,
    ) -> Result<Verified, CommitRefused> {
        if !self.asks_of_commits() {
            return Ok(Verified::default());
        }
        let refused = |reason| CommitRefused { id, reason };
        let detached = match detached {
            Some(detached) => detached,
            None if self.commits.openpgp.is_some() => {
                return Err(refused(Reason::NoGpgSignatures));
            }
            None => return Err(refused(Reason::NoDetachedMetadata)),
        };
        // What cannot be parsed has no signatures.
        let metadata = Metadata::parse(detached).unwrap_or_default();
        match self.commits.verify(bytes, &metadata) {
            Err(SignError::NoSignatures {
                kind: SignatureKind::OpenPgp,
            }) => Err(refused(Reason::NoGpgSignatures)),
            Err(error) => Err(refused(Reason::Refused(Box::new(error)))),
            Ok(verified) => Ok(verified),
        }
    }

    /// Verifies a summary by its bytes and those of `summary.sig`.
    ///
    /// # Errors
    /// [`SummaryRefused`], whatever is wrong.
    pub fn summary(
        &self,
        bytes: &[u8],
        signature: Option<&[u8]>,
    ) -> Result<Verified, SummaryRefused> {
        if !self.asks_of_summaries() {
            return Ok(Verified::default());
        }
        let by_gpg = self.summaries.openpgp.is_some();
        let Some(signature) = signature else {
            return Err(SummaryRefused::NoSignatureFile { by_gpg });
        };
        let metadata = Metadata::parse(signature).unwrap_or_default();
        self.summaries
            .verify(bytes, &metadata)
            .map_err(|error| match error {
                SignError::NoSignatures {
                    kind: SignatureKind::OpenPgp,
                } => SummaryRefused::NoGpgSignatures,
                error => SummaryRefused::Refused(Box::new(error)),
            })
    }

    /// Looks for a good signature of a delta's superblock by the bare keys that sign the remote's commits; false if it is not
    /// signed, or the remote asks for no such signatures.
    ///
    /// # Errors
    /// [`SignError`] if it is signed, and not by one of the keys.
    pub fn delta(&self, signed: Option<&SignedSuperblock>) -> Result<bool, SignError> {
        let (Some(keys), Some(signed)) = (&self.commits.bare, signed) else {
            return Ok(false);
        };
        verify_by_any(keys, &signed.superblock, &signed.signatures)?;
        Ok(true)
    }

    /// What is wrong where there is no summary at all; nothing if none is asked for.
    ///
    /// # Errors
    /// [`SummaryRefused::NoSummary`].
    pub fn no_summary(&self) -> Result<(), SummaryRefused> {
        if self.asks_of_summaries() {
            let by_gpg = self.summaries.openpgp.is_some();
            return Err(SummaryRefused::NoSummary { by_gpg });
        }
        Ok(())
    }
}

impl Asked {
    fn is_some(&self) -> bool {
        self.openpgp.is_some() || self.bare.is_some()
    }

    fn verify(&self, data: &[u8], metadata: &Metadata) -> Result<Verified, SignError> {
        let mut messages = Vec::new();
        if let Some(verifier) = &self.openpgp {
            let signatures = verifier.kind().read(metadata)?;
            messages.push(verifier.verify(data, &signatures)?);
        }
        if let Some(verifiers) = &self.bare {
            messages.push(verify_by_any(verifiers, data, metadata)?);
        }
        Ok(Verified { messages })
    }
}

/// One verifier must find one good signature; else the first one's complaint is told.
fn verify_by_any(
    verifiers: &[PublicKeys],
    data: &[u8],
    metadata: &Metadata,
) -> Result<String, SignError> {
    let mut first = None;
    for verifier in verifiers {
        let signatures = verifier.kind().read(metadata)?;
        if signatures.is_empty() {
            continue;
        }
        match verifier.verify(data, &signatures) {
            Ok(message) => return Ok(message),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or(SignError::NoneOfAnyKind))
}

fn bare_keys(
    remote: &Remote,
    wanted: &SignVerify,
    roots: &TrustRoots,
) -> Result<Option<Vec<PublicKeys>>, SignError> {
    let kinds = match wanted {
        SignVerify::No => return Ok(None),
        SignVerify::AnyKind => BareKind::ALL.to_vec(),
        SignVerify::Kinds(names) => {
            let kinds = names.iter().map(|name| name.parse());
            kinds.collect::<Result<_, _>>()?
        }
    };
    let named = matches!(wanted, SignVerify::Kinds(_));
    let mut all = Vec::new();
    for kind in kinds {
        all.push(keys_of_kind(remote, kind, named, roots)?);
    }
    Ok(Some(all))
}

fn keys_of_kind(
    remote: &Remote,
    kind: BareKind,
    required: bool,
    roots: &TrustRoots,
) -> Result<PublicKeys, SignError> {
    let mut keys = PublicKeys::new(kind);
    let Some(configured) = remote.verification.get(kind.name()) else {
        if required {
            return Err(SignError::NoRemoteKeys { kind });
        }
        keys.trust_of(roots)?;
        return Ok(keys);
    };
    if let Some(path) = &configured.file {
        keys.trust_file(path)?;
    }
    if let Some(key) = &configured.key {
        keys.trust(key)?;
    }
    // A revoked key is revoked, whoever names it.
    keys.revoke_of(roots)?;
    Ok(keys)
}

/// A commit that does not have the signatures that its remote asks for.
#[derive(Debug, thiserror::Error)]
#[error("Commit {id}: {reason}")]
pub struct CommitRefused {
    /// The commit.
    pub id: CommitId,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with a commit's signatures.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// Nothing stands beside it.
    #[error("Can't verify commit without detached metadata")]
    NoDetachedMetadata,
    /// It has no OpenPGP signature.
    #[error(
        "GPG verification enabled, but no signatures found (use gpg-verify=false in remote config to disable)"
    )]
    NoGpgSignatures,
    /// No signature is believed.
    #[error("{0}")]
    Refused(Box<SignError>),
}

/// A summary that does not have the signatures that its remote asks for.
#[derive(Debug, thiserror::Error)]
pub enum SummaryRefused {
    /// The remote has none.
    #[error("{}", missing(*by_gpg, "summary"))]
    NoSummary {
        /// Whether OpenPGP signatures are asked for.
        by_gpg: bool,
    },
    /// The remote has no `summary.sig`.
    #[error("{}", missing(*by_gpg, "summary.sig"))]
    NoSignatureFile {
        /// Whether OpenPGP signatures are asked for.
        by_gpg: bool,
    },
    /// There is no OpenPGP signature in it.
    #[error(
        "GPG verification enabled, but no signatures found (use gpg-verify-summary=false in remote config to disable)"
    )]
    NoGpgSignatures,
    /// No signature is believed.
    #[error("summary: {0}")]
    Refused(Box<SignError>),
}

fn missing(by_gpg: bool, what: &str) -> String {
    let (kind, key) = if by_gpg {
        ("GPG", "gpg-verify-summary")
    } else {
        ("Signature", "sign-verify-summary")
    };
    format!(
        "{kind} verification enabled, but no {what} found (use {key}=false in remote config to disable)"
    )
}

impl CommitRefused {
    /// What a person could do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match &self.reason {
            Reason::Refused(error) => error.hint(),
            Reason::NoDetachedMetadata | Reason::NoGpgSignatures => Some(
                "the remote asks for signed commits, and this one is not; the server can sign it: `ostler gpg-sign` or `ostler sign`"
                    .into(),
            ),
        }
    }
}

impl SummaryRefused {
    /// What a person could do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(error) => error.hint(),
            _ => Some("the server can sign it: `ostler summary -u --gpg-sign=KEY-ID`".into()),
        }
    }
}
