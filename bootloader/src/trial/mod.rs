//! The trial of a deployment: from its first boot until it has proven that it works, or has been given up for the one before.
//!
//! ```text
//!            boot (counted)          healthy
//!  untried --arm--> trial(left) ----------------> good        never rolled back from then on
//!                     |    ^ |
//!                     |    +-+  unhealthy, hung, panicked, power cut: one try less, boot again
//!                     |  none left
//!                     v
//!                   failed ------rolled back-----> bad        stays as it is; its commit is refused until told otherwise
//! ```
//! [`Trials`] is the state of all deployments and every step of the machine, without a clock or a file. A boot is counted where it can be seen
//! first: in the first root, before anything of the deployment runs, or else by the earliest unit of the system; each boot once, by the kernel's
//! identifier of it. So whatever hangs or panics later is a boot without a verdict, and takes a try.
//!
//! A trial ends in one rollback at most: only `failed` asks for one, only a trial without tries becomes `failed`, and `bad` is left by a
//! person's word alone. While the rollback is due, the first root boots the deployment to go back to in place of the failed one, so
//! that a rollback is done by a system that works; the boot order is changed there as by any other change of it. Nothing here removes a deployment.
//!
//! The state is `/ostree/trials`, a key file beside the deployments: libostree does not look at it, it is on the file system that the first root has
//! mounted anyway, and one file is replaced in one step, whatever it says of several deployments.

mod machine;
mod record;

pub use machine::{Booting, Loader, Outcome, Verdict};
pub use record::{Record, Refusal, Standing, TrialId, Trials, TrialsError};

/// Within `/ostree`: the state of all trials.
pub const TRIALS: &str = "trials";
/// The most that is read of it.
pub const MAX_TRIALS_BYTES: u64 = 1 << 20;
