//! From a commit to a bootable deployment.

mod boot_settings;
pub mod cleanup;
pub mod deploy;
pub mod deployment;
pub mod etc_merge;
mod hint;
pub mod host;
pub mod kargs;
pub mod kernel;
pub mod layout;
pub mod lock;
pub mod materialize;
pub mod merge_record;
pub mod order;
pub mod origin_file;
pub mod os_release;
pub mod overlay;
pub mod plan;
pub mod preflight;
pub mod publish;
pub mod settings;
pub mod staged;
pub mod stateroot;
pub mod status;
pub mod sysroot;
pub mod upgrade;

pub use deployment::Deployment;
pub use hint::hint;
pub use host::Host;
pub use lock::SysrootLock;
pub use settings::Settings;
pub use sysroot::Sysroot;
