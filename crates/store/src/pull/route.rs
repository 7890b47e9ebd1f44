//! By which way objects come, and why by this one.

use super::deltas::ByDeltas;
use super::error::PullError;
use super::origin::OriginConfig;
use super::packs::Packs;
use super::session::Session;
use crate::progress::Way;

/// By which way the commits that are not whole here come, where deltas did not bring them, and why by this one.
pub(super) fn route(
    session: &Session<'_>,
    (config, deltas): (&OriginConfig, &ByDeltas),
    packs: &Packs,
) -> Result<Option<(Way, String)>, PullError> {
    let is_left = !(deltas.incomplete.is_empty() || deltas.why_not.is_none());
    if !is_left && session.missing_commits()?.is_empty() {
        return Ok(None);
    }
    let (way, reason) = if packs.has_deltas() {
        (Way::Deltas, "a native delta leads to the commit")
    } else if !packs.is_empty() {
        (Way::Packs, "the remote has packs of the commit")
    } else if !config.packs {
        (Way::Objects, "the remote says that it has no packs")
    } else if !session.takes_packs() {
        (Way::Objects, "packs are of no use for what is asked for")
    } else {
        (Way::Objects, "the remote has no pack of the commit")
    };
    let reason = match &deltas.why_not {
        Some(why_not) => format!("{reason}; {why_not}"),
        None => reason.to_owned(),
    };
    Ok(Some((way, reason)))
}
