//! Bytes for tests that no encoder makes shorter.

/// Returns bytes without a pattern, the same for the same seed, which is not 0.
pub(crate) fn noise(length: usize, mut seed: u64) -> Vec<u8> {
    std::iter::repeat_with(|| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 32) as u8
    })
    .take(length)
    .collect()
}
