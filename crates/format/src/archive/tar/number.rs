//! Numbers in headers: octal text, or GNU's big-endian bytes where that has no room.

/// Reads a field; one that is empty is 0.
pub(super) fn parse(field: &[u8]) -> Result<u64, &'static str> {
    match field.first() {
        Some(0x80..=0xff) => parse_bytes(field),
        _ => parse_octal(field),
    }
}

/// The first bit says that bytes follow, the second one is the sign.
fn parse_bytes(field: &[u8]) -> Result<u64, &'static str> {
    if field[0] & 0x40 != 0 {
        return Err("it is negative");
    }
    let mut value = u64::from(field[0] & 0x3f);
    for byte in &field[1..] {
        if value >> 56 != 0 {
            return Err("it does not fit into 64 bits");
        }
        value = value << 8 | u64::from(*byte);
    }
    Ok(value)
}

fn parse_octal(field: &[u8]) -> Result<u64, &'static str> {
    let is_blank = |byte: &u8| matches!(byte, 0 | b' ');
    let start = field.iter().position(|b| !is_blank(b));
    let Some(start) = start else {
        return Ok(0);
    };
    let digits = field[start..].split(is_blank).next().unwrap_or_default();
    let rest = &field[start + digits.len()..];
    if !rest.iter().all(is_blank) {
        return Err("it is no octal number");
    }
    digits.iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'7' => value
            .checked_mul(8)
            .map(|value| value + u64::from(digit - b'0'))
            .ok_or("it does not fit into 64 bits"),
        _ => Err("it is no octal number"),
    })
}

/// Writes a field: octal digits and a NUL, or bytes if there are too many digits.
pub(super) fn write(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    if digits * 3 >= 64 || value >> (digits * 3) == 0 {
        let text = format!("{value:0digits$o}\0");
        field.copy_from_slice(text.as_bytes());
        return;
    }
    let mut rest = value;
    for byte in field.iter_mut().rev() {
        *byte = (rest & 0xff) as u8;
        rest >>= 8;
    }
    field[0] |= 0x80;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_in_either_form() {
        for value in [0, 1, 0o7_777_777, 0o10_000_000, u64::from(u32::MAX)] {
            let mut field = [0; 8];
            write(&mut field, value);
            assert_eq!(parse(&field), Ok(value));
        }
        let mut field = [0; 12];
        write(&mut field, 8 << 30);
        assert_eq!(field[0], 0x80, "eleven octal digits hold less than 8 GiB");
        assert_eq!(parse(&field), Ok(8 << 30));
    }

    #[test]
    fn what_is_no_number_or_too_large_is_refused() {
        for field in [
            &b"12x4567\0"[..],
            b"0000 12\0",
            b"8\0\0\0\0\0\0\0",
            b"-1\0\0\0\0\0\0",
            &[0xff; 12],
            &[0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            b"7777777777777777777777\0",
        ] {
            assert!(parse(field).is_err(), "{field:?}");
        }
        assert_eq!(parse(b"       \0"), Ok(0));
        assert_eq!(parse(b"  17 \0\0\0"), Ok(15));
        assert_eq!(parse(b"00000017"), Ok(15), "no end is needed");
    }
}
