//! Amounts of bytes as a person writes them.

/// Reads `N`, `NK`, `NM`, `NG` or `NT`: a number, and powers of 1024. `None` for anything else, or for what no 64 bits hold.
#[must_use]
pub fn parse_amount(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text.get(digits.len()..)?.to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = is_number.then(|| digits.parse().ok()).flatten()?;
    number.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_powers_of_1024_and_nothing_else_is_read() {
        for (text, bytes) in [
            ("0", 0),
            ("1000", 1000),
            ("200k", 200 << 10),
            ("3M", 3 << 20),
            ("1G", 1 << 30),
            ("2t", 2 << 40),
        ] {
            assert_eq!(parse_amount(text), Some(bytes), "{text}");
        }
        for bad in [
            "",
            "K",
            "1.5M",
            "-1",
            "+1",
            "1KB",
            "1 K",
            "99999999999T",
            "1é",
        ] {
            assert_eq!(parse_amount(bad), None, "{bad}");
        }
    }
}
