//! Sizes in the style of GLib's `g_format_size`.

/// Formats a number of bytes with decimal units: `1 byte`, `559 bytes`, `1.2 kB`; the space does not break.
pub(crate) fn decimal(bytes: u64) -> String {
    const UNITS: [(&str, u64); 6] = [
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("PB", 1_000_000_000_000_000),
        ("EB", 1_000_000_000_000_000_000),
    ];
    match UNITS.iter().rev().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => format!("{:.1}\u{a0}{unit}", bytes as f64 / *size as f64),
        None if bytes == 1 => "1 byte".to_owned(),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_printed_as_glib_prints_them() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (559, "559 bytes"),
            (999, "999 bytes"),
            (1000, "1.0\u{a0}kB"),
            (1_234_567, "1.2\u{a0}MB"),
            (999_999, "1000.0\u{a0}kB"),
            (u64::MAX, "18.4\u{a0}EB"),
        ] {
            assert_eq!(decimal(bytes), text);
        }
    }
}
