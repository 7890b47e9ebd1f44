use super::{TextError, error};
use crate::variant::types::Type;
use crate::variant::value::Value;

/// Significant digits that tell any two doubles apart.
const DIGITS: i32 = 17;

/// Prints as C's `%.17g`, with `.0` added to what would look like an integer.
pub(super) fn print_double(value: f64) -> String {
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value.is_nan() {
        return format!("{sign}nan");
    }
    if value.is_infinite() {
        return format!("{sign}inf");
    }
    let scientific = format!("{:.*e}", DIGITS as usize - 1, value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    let body = if !(-4..DIGITS).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let (minus, size) = (if exponent < 0 { '-' } else { '+' }, exponent.abs());
        format!("{first}{point}{rest}e{minus}{size:02}")
    } else if exponent < 0 {
        format!("0.{}{digits}", "0".repeat((-exponent - 1) as usize))
    } else {
        let whole = exponent as usize + 1;
        match digits.len() > whole {
            true => format!("{}.{}", &digits[..whole], &digits[whole..]),
            false => format!("{digits:0<whole$}.0"),
        }
    };
    format!("{sign}{body}")
}

/// Whether a number's text alone makes it a double.
pub(super) fn is_double(token: &str) -> bool {
    token.contains('.')
        || (!token.starts_with("0x") && token.contains('e'))
        || token.contains("inf")
        || token.contains("nan")
}

/// Reads `token` as a number of type `ty`, or returns `None` if that is no type of numbers.
pub(super) fn parse_number(token: &str, ty: &Type, at: usize) -> Option<Result<Value, TextError>> {
    if *ty == Type::Double {
        return Some(parse_double(token, at).map(Value::Double));
    }
    let (low, high) = match ty {
        Type::Byte => (0, u8::MAX.into()),
        Type::Int16 => (i16::MIN.into(), i16::MAX.into()),
        Type::Uint16 => (0, u16::MAX.into()),
        Type::Int32 | Type::Handle => (i32::MIN.into(), i32::MAX.into()),
        Type::Uint32 => (0, u32::MAX.into()),
        Type::Int64 => (i64::MIN.into(), i64::MAX.into()),
        Type::Uint64 => (0, u64::MAX.into()),
        _ => return None,
    };
    Some(parse_integer(token, at).and_then(|number| {
        if !(low..=high).contains(&number) {
            return Err(error(at, format!("{token} does not fit type `{ty}`")));
        }
        Ok(match ty {
            Type::Byte => Value::Byte(number as u8),
            Type::Int16 => Value::Int16(number as i16),
            Type::Uint16 => Value::Uint16(number as u16),
            Type::Int32 => Value::Int32(number as i32),
            Type::Handle => Value::Handle(number as i32),
            Type::Uint32 => Value::Uint32(number as u32),
            Type::Int64 => Value::Int64(number as i64),
            _ => Value::Uint64(number as u64),
        })
    }))
}

/// Reads decimal, `0x` hexadecimal or `0` octal digits after an optional sign.
fn parse_integer(token: &str, at: usize) -> Result<i128, TextError> {
    let negative = token.starts_with('-');
    let unsigned = token.strip_prefix('-').unwrap_or(token);
    let unsigned = unsigned.strip_prefix('+').unwrap_or(unsigned);
    let hex = unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"));
    let (digits, radix) = match (hex, unsigned.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        _ => (unsigned, 10),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(error(at, format!("`{token}` is not a number")));
    }
    let number = u64::from_str_radix(digits, radix)
        .map_err(|_| error(at, format!("{token} fits no type")))?;
    Ok(if negative {
        -i128::from(number)
    } else {
        number.into()
    })
}

fn parse_double(token: &str, at: usize) -> Result<f64, TextError> {
    let bad = || error(at, format!("`{token}` is not a number"));
    let (sign, unsigned) = match token.as_bytes().first() {
        Some(b'-') => (-1.0, &token[1..]),
        Some(b'+') => (1.0, &token[1..]),
        _ => (1.0, token),
    };
    let hex = unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"));
    let number = match hex {
        Some(digits) => parse_hex_double(digits).ok_or_else(bad)?,
        None if unsigned.starts_with(['-', '+']) => return Err(bad()),
        None if unsigned.eq_ignore_ascii_case("nan") => f64::from_bits(0x7ff8_0000_0000_0000),
        None => unsigned.parse::<f64>().map_err(|_| bad())?,
    };
    let overflow = number.is_infinite() && !unsigned.to_ascii_lowercase().starts_with("inf");
    if overflow || number.is_subnormal() {
        return Err(error(at, format!("{token} fits no type")));
    }
    Ok(number.copysign(sign))
}

/// Reads `HEX[.HEX][pEXPONENT]` of at most 16 digits.
fn parse_hex_double(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.split_once(['p', 'P']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{part}");
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let number = u64::from_str_radix(&digits, 16).ok()? as f64;
    let exponent = exponent.clamp(-4096, 4096) - 4 * part.len() as i32;
    // Two steps, because 2^exponent alone may leave the range of doubles when the product does not.
    let half = exponent / 2;
    Some(number * 2f64.powi(half) * 2f64.powi(exponent - half))
}
