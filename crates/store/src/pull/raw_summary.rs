//! The summary of a remote, with its bytes and the signature that is over them.

use ostler_format::Summary;
use ostler_http::{Conditional, Document, Fetched};

use super::error::PullError;
use super::origin::Origin;
use super::summary_cache::{Kept, Part};
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
    /// It is, if there is one.
    Wanted,
    /// It is only if the remote's summary must be signed.
    IfAskedFor,
}

impl Origin {
    /// Fetches the summary, and before it its signature if that is wanted or asked for; `None` if the server has no
    /// summary. A summary that should be signed and is not is refused, and not kept.
    ///
    /// What was fetched before is taken from the cache if the server says that it is still the same, and a summary also
    /// if its signature is. A metalink has said which summary it is, whatever the server has.
    pub(crate) fn summary(&self, signature: Signature) -> Result<Option<RawSummary>, PullError> {
        let wanted = signature == Signature::Wanted || self.verifier.asks_of_summaries();
        let signature = match wanted {
            true => self.fetch_part(Part::Signature, Again::IfChanged)?,
            false => None,
        };
        let Some(summary) = self.verified_summary(signature.as_ref())? else {
            self.verifier.no_summary()?;
            return Ok(None);
        };
        // Both have been verified: what is kept is never worth less than what was asked for.
        for (part, fresh) in [
            (Part::Signature, signature.as_ref()),
            (Part::Summary, Some(&summary)),
        ] {
            if let Some(document) = fresh.and_then(|fresh| fresh.to_keep.as_ref()) {
                self.store.save(part, &self.summary_url(), document);
            }
        }
        let parsed = Summary::parse(&summary.bytes).map_err(|source| PullError::Summary {
            remote: self.name.clone(),
            source,
        })?;
        Ok(Some(RawSummary {
            bytes: summary.bytes,
            parsed,
            signature: signature.map(|signature| signature.bytes),
        }))
    }

    /// Takes the kept summary if the signature is the kept one, else the server's.
    fn verified_summary(&self, signature: Option<&Fresh>) -> Result<Option<Fresh>, PullError> {
        let signature_bytes = signature.map(|signature| signature.bytes.as_slice());
        if let Some(summary) = &self.metalinked {
            self.verifier.summary(summary, signature_bytes)?;
            return Ok(Some(Fresh::from_cache(summary.clone())));
        }
        if signature.is_some_and(|signature| signature.from_cache)
            && let Some(kept) = self.store.load(Part::Summary, &self.summary_url())
        {
            if self.verifier.summary(&kept.bytes, signature_bytes).is_ok() {
                return Ok(Some(Fresh::from_cache(kept.bytes)));
            }
            // A cache with files that do not belong together is as good as none.
            if std::env::var_os("OSTREE_REPO_TEST_ERROR").is_some_and(|it| it == "invalid-cache") {
                return Err(PullError::InvalidCache);
            }
            return self.checked_summary(signature_bytes, Again::Always);
        }
        self.checked_summary(signature_bytes, Again::IfChanged)
    }

    fn checked_summary(
        &self,
        signature: Option<&[u8]>,
        again: Again,
    ) -> Result<Option<Fresh>, PullError> {
        let summary = self.fetch_part(Part::Summary, again)?;
        if let Some(summary) = &summary {
            self.verifier.summary(&summary.bytes, signature)?;
        }
        Ok(summary)
    }

    /// What entries of the cache belong to.
    fn summary_url(&self) -> String {
        let url = self.metadata.urls().next();
        url.map(ToString::to_string).unwrap_or_default()
    }

    fn fetch_part(&self, part: Part, again: Again) -> Result<Option<Fresh>, PullError> {
        let url = self.summary_url();
        let kept = match again {
            Again::IfChanged => self.store.load(part, &url),
            Again::Always => None,
        };
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
                Some(Fresh {
                    bytes: document.bytes.clone(),
                    from_cache: kept.as_ref().is_some_and(same),
                    // The server may have found another proof for the same bytes.
                    to_keep: Some(document)
                        .filter(|document| !kept.as_ref().is_some_and(|kept| kept.is(document))),
                })
            }
            (Fetched::NotModified, Some(kept)) => Some(Fresh::from_cache(kept.bytes)),
            (Fetched::NotModified, None) => unreachable!("no condition was sent"),
            (Fetched::NotFound { .. }, _) => {
                self.store.forget(part);
                None
            }
        })
    }
}

/// When a file is sent that is kept already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// If it has changed.
    IfChanged,
    /// In any case.
    Always,
}

/// A file as the server has it now.
struct Fresh {
    bytes: Vec<u8>,
    /// Whether the cache had the same bytes.
    from_cache: bool,
    /// What the cache is to have, if it differs.
    to_keep: Option<Document>,
}

impl Fresh {
    fn from_cache(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            from_cache: true,
            to_keep: None,
        }
    }
}
