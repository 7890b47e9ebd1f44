//! OpenPGP: keyrings, verdicts on signatures, signing by `gpg`.
//!
//! | module | |
//! |---|---|
//! | [`keyring`] | certificates in memory, from files of any form |
//! | `keybox` | the form in which GnuPG keeps them |
//! | [`mod@verify`] | what is true of each signature, at a time |
//! | [`verdict`] | that, as a value and in words |
//! | [`gpg`] | secret keys, which `gpg` alone holds |
//! | [`trusted`] | the keys of a repository's remotes: found, imported |
//! | [`listing`] | keys in words |

pub mod gpg;
mod keybox;
pub mod keyring;
pub mod listing;
mod policy;
pub mod trusted;
pub mod verdict;
pub mod verify;
mod zbase32;

pub use keyring::Keyring;
pub use verdict::{Validity, Verdict, describe_all, describe_refused, hint};
pub use verify::{OpenPgpVerifier, verify};
