//! OSTree's bytes to Rust values and back: pure parsers and writers.

pub mod bls;
pub mod bootlink;
pub mod kargs;
pub mod keyfile;
pub mod origin;
pub mod refname;

pub use bls::{BootEntry, EntryName};
pub use bootlink::{Bootlink, DeploymentName, StaterootName, Turn};
pub use kargs::{Karg, KernelArgs};
pub use keyfile::KeyFile;
pub use origin::Origin;
pub use refname::{CollectionId, NameError, RefName, Refspec, RemoteName, Revision};
