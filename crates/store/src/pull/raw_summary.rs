//! The summary of a remote, with its bytes and the signature that is over them.

use ostler_format::Summary;
use ostler_http::{Conditional, Fetched};

use super::error::PullError;
use super::origin::Origin;
use super::summary_cache::{Kept, Part};
use crate::remote::{Remote, SignVerify};
use crate::summary::MAX_SUMMARY_SIZE;

/// A summary with the bytes that a signature would be over.
pub(crate) struct RawSummary {
    pub(crate) bytes: Vec<u8>,
    pub(crate) parsed: Summary,
    /// `summary.sig`; `None` if it was not asked for, or there is none.
    pub(crate) signature: Option<Vec<u8>>,
}

/// Whether `summary.sig` is fetched, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signature {
    /// It is.
    Wanted,
    /// Nobody looks at it.
    Unwanted,
}

impl Signature {
    /// What `remote` needs to be believed.
    pub(crate) fn needed_by(remote: &Remote) -> Self {
        if remote.gpg_verify_summary || remote.sign_verify_summary != SignVerify::No {
            Self::Wanted
        } else {
            Self::Unwanted
        }
    }
}

impl Origin {
    /// Fetches the summary, and before it its signature if that is wanted; `None` if the server has no summary.
    ///
    /// What was fetched before is taken from the cache if the server says that it is still the same, and a summary also
    /// if its signature is. A metalink has said which summary it is, whatever the server has.
    pub(crate) fn summary(&self, signature: Signature) -> Result<Option<RawSummary>, PullError> {
        let signature = match signature {
            Signature::Wanted => self.fetch_part(Part::Signature)?,
            Signature::Unwanted => None,
        };
        let unchanged = signature
            .as_ref()
            .is_some_and(|signature| signature.from_cache);
        let kept = match (&self.metalinked, unchanged) {
            (Some(summary), _) => Some(summary.clone()),
            (None, true) => {
                let kept = self.store.load(Part::Summary, &self.summary_url());
                kept.map(|kept| kept.bytes)
            }
            (None, false) => None,
        };
        let bytes = match kept {
            Some(bytes) => bytes,
            None => match self.fetch_part(Part::Summary)? {
                Some(summary) => summary.bytes,
                None => return Ok(None),
            },
        };
        let parsed = Summary::parse(&bytes).map_err(|source| PullError::Summary {
            remote: self.name.clone(),
            source,
        })?;
        Ok(Some(RawSummary {
            bytes,
            parsed,
            signature: signature.map(|signature| signature.bytes),
        }))
    }

    /// What entries of the cache belong to.
    fn summary_url(&self) -> String {
        let url = self.metadata.urls().next();
        url.map(ToString::to_string).unwrap_or_default()
    }

    fn fetch_part(&self, part: Part) -> Result<Option<Fresh>, PullError> {
        let url = self.summary_url();
        let kept = self.store.load(part, &url);
        let unless = match &kept {
            Some(kept) => kept.condition.clone(),
            None => Conditional::default(),
        };
        let fetched = self.fetcher.fetch_bytes(
            &self.metadata,
            part.file_name(),
            MAX_SUMMARY_SIZE,
            &unless,
        )?;
        Ok(match (fetched, kept) {
            (Fetched::Body(document), kept) => {
                let same = |kept: &Kept| kept.bytes == document.bytes;
                let from_cache = kept.as_ref().is_some_and(same);
                // The server may have found another proof for the same bytes.
                if !kept.is_some_and(|kept| kept.is(&document)) {
                    self.store.save(part, &url, &document);
                }
                Some(Fresh {
                    bytes: document.bytes,
                    from_cache,
                })
            }
            (Fetched::NotModified, Some(kept)) => Some(Fresh {
                bytes: kept.bytes,
                from_cache: true,
            }),
            (Fetched::NotModified, None) => unreachable!("no condition was sent"),
            (Fetched::NotFound { .. }, _) => {
                self.store.forget(part);
                None
            }
        })
    }
}

/// A file as the server has it now.
struct Fresh {
    bytes: Vec<u8>,
    /// Whether the cache had the same bytes.
    from_cache: bool,
}
