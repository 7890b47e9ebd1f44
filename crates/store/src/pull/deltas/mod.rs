//! Static deltas in a pull: which one is used for a commit, and applying it before objects are asked for.
//!
//! | module | what it does |
//! |---|---|
//! | `choose` | which delta is used for a commit, and its superblock |
//! | `stage` | the commit that comes by it: checks, parts, what is left to others |
//! | `network`, `local` | where deltas come from |
//! | `kept` | what a pull that is killed leaves to the next one |
//!
//! What a delta brings is an object only if its checksum is right, and whatever it does not bring the walk over the commit finds
//! missing and asks for. The commit in the superblock is held to the same checks as any other, before its parts are
//! fetched. A delta that is of no use is passed over with a word, unless deltas are required: packs and objects do as well.

mod choose;
mod kept;
mod local;
mod network;
mod stage;

use std::io::Read;

use ostler_format::delta::{DeltaName, Superblock};
use ostler_format::{Checksum, CommitId};
use ostler_http::FetchFault;

use super::error::PullError;
use super::options::DeltaUse;
use super::session::{Presence, Session};
use crate::delta::DeltaError;
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::progress::{Event, Sink};
use crate::repo::Repo;
use choose::{Found, find};
pub(crate) use local::{LocalDeltas, listed_in};
pub(crate) use network::NetworkDeltas;
use stage::Stage;

/// What the deltas of a pull came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeltaReport {
    /// Parts that were applied; in a dry run none.
    pub parts: u64,
    /// Bytes of the parts that were applied.
    pub bytes_applied: u64,
    /// Metadata that was asked for beside the parts: of each delta the superblock and the commit's detached metadata.
    pub headers: u64,
    /// Parts that there are.
    pub parts_total: u64,
    /// Parts of which all objects were here before.
    pub parts_present: u64,
    /// Bytes of all parts, and of the objects that are fetched by themselves.
    pub bytes_total: u64,
    /// Bytes of those that were here before.
    pub bytes_present: u64,
    /// Bytes of all these objects, unpacked.
    pub uncompressed_bytes: u64,
}

/// How far deltas brought a pull.
#[derive(Default)]
pub(crate) struct ByDeltas {
    pub(crate) report: DeltaReport,
    /// Why they do not bring a commit that is asked for, in words.
    pub(crate) why_not: Option<String>,
    /// Commits that came by a delta and of which objects are left to be fetched otherwise.
    pub(crate) incomplete: Vec<CommitId>,
}

/// Takes a part's number and its file.
pub(crate) type Apply<'a> = dyn Fn(usize, &mut dyn Read) -> Result<(), PullError> + Sync + 'a;

/// Where deltas come from.
pub(crate) trait DeltaSource {
    /// The deltas that lead to a commit, with the checksums of their superblocks; `None` if nothing says which there are.
    fn to(&self, commit: CommitId) -> Result<Option<Vec<(DeltaName, Checksum)>>, PullError>;

    /// The file of a superblock; `expected` is its checksum, if something says that.
    fn superblock(
        &self,
        name: &DeltaName,
        expected: Option<Checksum>,
    ) -> Result<Option<Vec<u8>>, PullError>;

    /// A commit's detached metadata.
    fn detached(&self, commit: CommitId) -> Result<Option<Vec<u8>>, PullError>;

    /// Calls `apply` with each part, in any order and on several threads.
    fn parts(
        &self,
        superblock: &Superblock,
        wanted: &[usize],
        apply: &Apply<'_>,
    ) -> Result<(), PullError>;
}

/// Checks that the options on deltas can be met; says, in words, why deltas are not looked for, if they are not.
pub(crate) fn why_unwanted(
    session: &Session<'_>,
    repo: &Repo,
) -> Result<Option<&'static str>, PullError> {
    let options = session.options;
    if repo.mode() == RepoMode::Archive {
        return match options.deltas {
            DeltaUse::Required => Err(PullError::DeltasInArchive),
            _ => Ok(Some("an archive takes no static deltas")),
        };
    }
    Ok(match options.deltas {
        DeltaUse::Never => Some("static deltas are turned off"),
        _ if options.commit_only || !session.wants_all() => {
            Some("static deltas bring whole trees alone")
        }
        _ => None,
    })
}

/// Uses deltas for those of the commits that are asked for that `are_meant`, as far as there are some; those commits have had their turn
/// then.
pub(crate) fn apply_all(
    session: &mut Session<'_>,
    source: &dyn DeltaSource,
    are_meant: impl Fn(CommitId) -> bool,
    sink: &dyn Sink,
) -> Result<ByDeltas, PullError> {
    let mut done = ByDeltas::default();
    for turn in session.take_turns() {
        let presence = session.presence(turn.id)?;
        if presence == Presence::Whole || !are_meant(turn.id) {
            session.put_back(turn);
            continue;
        }
        let found = match find(session, source, turn.id) {
            Err(error) => {
                pass_over(session, error, sink)?;
                Found::Nothing("the static delta to the commit cannot be used")
            }
            found => found?,
        };
        match found {
            Found::Delta(superblock) => {
                let stage = Stage {
                    session: &mut *session,
                    source,
                    sink,
                };
                stage.use_delta(turn, presence, &superblock, &mut done)?;
            }
            Found::Nothing(_) if session.options.deltas == DeltaUse::Required => {
                return Err(PullError::NoDelta { to: turn.id });
            }
            Found::Nothing(reason) => {
                done.why_not = Some(reason.to_owned());
                session.put_back(turn);
            }
        }
    }
    Ok(done)
}

/// Tells that a delta is not used because of `error`, where others do as well.
///
/// # Errors
/// `error`, if deltas are required or the fault is not the delta's.
fn pass_over(session: &Session<'_>, error: PullError, sink: &dyn Sink) -> Result<(), PullError> {
    let is_of_delta = match &error {
        // It may claim, or take to be unpacked, more than its objects do.
        PullError::NoRoom { .. }
        | PullError::Delta(DeltaError::Store(StoreError::MinFreeSpace { .. })) => true,
        PullError::Delta(DeltaError::Store(_) | DeltaError::Refused(_)) => false,
        PullError::Fetch(error) => {
            !matches!(error.fault, FetchFault::Sink(_) | FetchFault::Cancelled)
        }
        PullError::Delta(_) | PullError::DeltaChecksum { .. } => true,
        _ => false,
    };
    if session.options.deltas == DeltaUse::Required || !is_of_delta {
        return Err(error);
    }
    sink.event(Event::Notice(format!(
        "a static delta cannot be used, what it has is fetched otherwise: {error}"
    )));
    Ok(())
}
