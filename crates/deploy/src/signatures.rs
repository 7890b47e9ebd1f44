//! What is asked of commits by the remotes that they come from.

use ostler_format::origin::{OriginError, Source};
use ostler_format::{CommitId, Origin, SignatureKind};
use ostler_store::remote::Remote;
use ostler_store::sign::openpgp::{OpenPgpVerifier, Verdict, trusted};
use ostler_store::sign::{CommitRefused, RemoteVerifier, SignError, TrustRoots, commit};
use ostler_store::{RemoteError, Repo, StoreError};

use crate::sysroot::Sysroot;

/// A commit is not to be deployed, or it cannot be told whether it is.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// It lacks the signatures that its remote asks for.
    #[error(transparent)]
    Refused(#[from] CommitRefused),
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] SignError),
    /// The origin does not say where the commit is from.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// The remote cannot be used.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The commit cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SignatureError {
    /// What a person could do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(error) => error.hint(),
            Self::Keys(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Origin(_) | Self::Remote(_) => None,
        }
    }
}

/// Requires that a commit has the signatures that the remote of its origin asks for.
///
/// One that is deployed already from the same remote has been held to that; its keys may have expired since. An origin without a configured
/// remote asks for nothing.
///
/// # Errors
/// [`SignatureError::Refused`].
pub(crate) fn require(
    sysroot: &Sysroot,
    id: CommitId,
    origin: Option<&Origin>,
) -> Result<(), SignatureError> {
    let Some(origin) = origin else {
        return Ok(());
    };
    let name = remote_name(origin)?;
    let is_of_it = |now: &Origin| remote_name(now).is_ok_and(|now| now == name);
    let mut deployed = sysroot.deployments.iter().filter(|now| now.id.commit == id);
    if deployed.any(|now| now.origin.as_ref().is_some_and(is_of_it)) {
        return Ok(());
    }
    let Some(remote) = remote_of(sysroot, origin)? else {
        return Ok(());
    };
    let repo = sysroot.repo();
    let verifier = RemoteVerifier::for_remote(repo, &remote, &TrustRoots::of_host())?;
    if verifier.asks_of_commits() {
        verify(repo, id, &verifier)?;
    }
    Ok(())
}

/// Describes a deployed commit's signatures, as its remote asks for them, in lines; none if it asks for none.
///
/// # Errors
/// [`SignatureError`] if that cannot be told. A signature that is not believed is described, not an error.
pub fn describe(
    sysroot: &Sysroot,
    id: CommitId,
    origin: &Origin,
) -> Result<Vec<String>, SignatureError> {
    let verdicts = judge(sysroot, id, origin)?.unwrap_or_default();
    let described = verdicts
        .iter()
        .map(|verdict| verdict.describe_here("GPG: "));
    Ok(lines(described))
}

/// Judges a deployed commit's OpenPGP signatures; `None` if its remote asks for none.
///
/// # Errors
/// [`SignatureError`] if that cannot be told. A signature that is not believed is judged so, not an error.
pub fn judge(
    sysroot: &Sysroot,
    id: CommitId,
    origin: &Origin,
) -> Result<Option<Vec<Verdict>>, SignatureError> {
    let Some(remote) = remote_of(sysroot, origin)?.filter(|remote| remote.gpg_verify) else {
        return Ok(None);
    };
    let repo = sysroot.repo();
    let signed = commit::read(repo, id)?;
    let signatures = SignatureKind::OpenPgp.read(&signed.detached);
    let signatures = signatures.map_err(SignError::from)?;
    let keyring = trusted::of_remote(repo, &remote, &TrustRoots::of_host())?;
    let verdicts = OpenPgpVerifier::new(keyring).judge(&signed.bytes, &signatures);
    Ok(Some(verdicts))
}

/// Verifies a deployed commit by its remote, and tells in lines what was found.
///
/// # Errors
/// [`SignatureError::Refused`] if it is not signed as the remote asks for.
pub fn verified(
    sysroot: &Sysroot,
    id: CommitId,
    origin: &Origin,
) -> Result<Vec<String>, SignatureError> {
    let mut told = describe(sysroot, id, origin)?;
    let Some(mut remote) = remote_of(sysroot, origin)? else {
        return Ok(told);
    };
    let repo = sysroot.repo();
    let roots = TrustRoots::of_host();
    let verifier = RemoteVerifier::for_remote(repo, &remote, &roots)?;
    if verifier.asks_of_commits() {
        verify(repo, id, &verifier)?;
    }
    // OpenPGP's are described above, the bad ones too.
    remote.gpg_verify = false;
    let bare = RemoteVerifier::for_remote(repo, &remote, &roots)?;
    if bare.asks_of_commits() {
        told.extend(lines(verify(repo, id, &bare)?));
    }
    Ok(told)
}

fn verify(
    repo: &Repo,
    id: CommitId,
    verifier: &RemoteVerifier,
) -> Result<Vec<String>, SignatureError> {
    let signed = commit::read(repo, id)?;
    let detached = signed.detached.to_bytes().map_err(StoreError::from)?;
    let verified = verifier.commit(id, &signed.bytes, Some(&detached))?;
    Ok(verified.messages)
}

fn lines(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    let texts = texts.into_iter();
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// The name of the remote that an origin follows a ref of.
fn remote_name(origin: &Origin) -> Result<Option<String>, OriginError> {
    Ok(match origin.source()? {
        Some(Source::Refspec(refspec)) => refspec.remote.map(|remote| remote.to_string()),
        Some(Source::BaseRefspec(text)) => text.split_once(':').map(|(name, _)| name.to_owned()),
        _ => None,
    })
}

/// The configured remote that an origin follows a ref of.
fn remote_of(sysroot: &Sysroot, origin: &Origin) -> Result<Option<Remote>, SignatureError> {
    let Some(name) = remote_name(origin)? else {
        return Ok(None);
    };
    let repo = sysroot.repo();
    match repo.remote(&name, repo.remotes_dir(None).as_deref()) {
        Ok(remote) => Ok(Some(remote)),
        // Its refs may have come from a repository on this machine.
        Err(RemoteError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
