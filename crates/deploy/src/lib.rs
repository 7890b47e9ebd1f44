//! From a commit to a bootable deployment.

mod boot_settings;
pub mod cleanup;
pub mod deployment;
pub mod etc_merge;
pub mod host;
pub mod kargs;
pub mod kernel;
pub mod layout;
pub mod lock;
pub mod os_release;
pub mod plan;
pub mod preflight;
pub mod publish;
pub mod settings;
pub mod staged;
pub mod stateroot;
pub mod sysroot;

pub use deployment::Deployment;
pub use host::Host;
pub use lock::SysrootLock;
pub use settings::Settings;
pub use sysroot::Sysroot;
