//! Which algorithms are good enough.

use std::time::SystemTime;

use sequoia_openpgp::policy::{HashAlgoSecurity, StandardPolicy};
use sequoia_openpgp::types::HashAlgorithm;

/// Returns the policy at a time.
///
/// Signatures of commits and summaries need a hash without known collisions: an attacker may have chosen what is signed.
/// The signatures inside a certificate need less, as the administrator chose the certificate: SHA-1 has second preimages
/// still unknown, and keys from before 2019 that are in use today have such signatures.
pub(super) fn at(now: SystemTime) -> StandardPolicy<'static> {
    let mut policy = StandardPolicy::at(now);
    policy.accept_hash_property(
        HashAlgorithm::SHA1,
        HashAlgoSecurity::SecondPreImageResistance,
    );
    policy
}
