//! What the merge of a deployment's `/etc` did, kept beside its origin so that `status` can tell it later.

use ostler_fs::{Durability, FsError, Trusted};

use crate::etc_merge::MergeReport;
use crate::layout::{self, DeploymentId};
use crate::lock::SysrootLock;
use crate::sysroot::{Sysroot, SysrootError};

/// The most that is read of a record; one path takes some 200 bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Writes the record of a deployment.
pub(crate) fn write(
    lock: &SysrootLock,
    id: &DeploymentId,
    report: &MergeReport,
) -> Result<(), FsError> {
    let mut text = serde_json::to_vec_pretty(report).expect("a report has text keys alone");
    text.push(b'\n');
    lock.ostree.write_atomic(
        Trusted(id.merge_report_path()),
        text,
        0o644,
        Durability::Cached,
    )
}

/// Reads the record of a deployment; `None` if nothing was merged, or another program deployed it.
///
/// # Errors
/// [`SysrootError::Damaged`] if it is no record.
pub fn read(sysroot: &Sysroot, id: &DeploymentId) -> Result<Option<MergeReport>, SysrootError> {
    let path = id.merge_report_path();
    let Some(text) = sysroot.ostree.read_optional(Trusted(&path), MAX_BYTES)? else {
        return Ok(None);
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| SysrootError::Damaged {
            path: format!("{}/{path}", layout::OSTREE),
            reason: error.to_string(),
        })
}
