//! Which of two versions is newer, as dpkg and rpm see it. Pure, without allocation.

pub mod deb;
pub mod rpm;

use std::cmp::Ordering;

/// Compares two runs of digits of any length as numbers.
fn compare_numbers(one: &[u8], other: &[u8]) -> Ordering {
    let (one, other) = (without_zeros(one), without_zeros(other));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    &digits[zeros..]
}

/// Splits off the bytes at the start of which `is` holds.
fn split_run(bytes: &[u8], is: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let length = bytes.iter().take_while(|byte| is(**byte)).count();
    bytes.split_at(length)
}
