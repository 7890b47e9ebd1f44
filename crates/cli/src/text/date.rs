//! Dates as people write and read them.

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

/// Formats seconds since 1970 as `2020-09-13 12:26:40 +0000`, always in UTC; `None` beyond the year 9999.
pub(crate) fn utc(seconds: u64) -> Option<String> {
    let timestamp = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
    strtime::format(
        "%Y-%m-%d %H:%M:%S +0000",
        &timestamp.to_zoned(TimeZone::UTC),
    )
    .ok()
}

/// Formats seconds since 1970 as `2020-09-13T12:26:40+00` in the given zone; minutes of its offset appear only if there
/// are any.
pub(crate) fn in_zone(seconds: u64, zone: TimeZone) -> Option<String> {
    let timestamp = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
    let zoned = timestamp.to_zoned(zone);
    let offset = zoned.offset().seconds();
    let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
    let mut text = strtime::format("%Y-%m-%dT%H:%M:%S", &zoned).ok()?;
    text.push_str(&format!("{sign}{:02}", minutes / 60));
    if minutes % 60 != 0 {
        text.push_str(&format!(":{:02}", minutes % 60));
    }
    Some(text)
}

/// Parses a date as `--timestamp` and `--keep-younger-than` take it, and returns seconds since 1970.
///
/// It may be `@SECONDS`, ISO 8601 (`2015-10-29T12:43:29Z`), `2015-10-29 [12:43[:29]] [+0000]`, RFC 2822,
/// `October 29 2015 [12:43[:29]]`, `now`, `today`, `yesterday`, `tomorrow`, a span with `ago` (`2 weeks ago`), or `last week`. What says
/// no zone is in the zone of `now`.
pub(crate) fn parse(text: &str, now: &Zoned) -> Option<i64> {
    let text = text.trim();
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.parse().ok();
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_second());
    }
    if let Ok(zoned) = jiff::fmt::rfc2822::parse(text) {
        return Some(zoned.timestamp().as_second());
    }
    relative(text, now)
        .or_else(|| absolute(text, now))
        .map(|zoned| zoned.timestamp().as_second())
}

fn relative(text: &str, now: &Zoned) -> Option<Zoned> {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "now" | "today" => return Some(now.clone()),
        "yesterday" => return now.checked_sub(1.day()).ok(),
        "tomorrow" => return now.checked_add(1.day()).ok(),
        _ => {}
    }
    if let Some(unit) = lower.strip_prefix("last ") {
        return relative(&format!("1 {unit} ago"), now);
    }
    let span = lower.strip_suffix("ago")?.trim();
    let words: Vec<&str> = span.split_whitespace().collect();
    let mut then = now.clone();
    for pair in words.chunks(2) {
        let (count, unit) = match pair {
            ["a" | "an", unit] => ("1", *unit),
            [count, unit] => (*count, *unit),
            [unit] if words.len() == 1 => ("1", *unit),
            _ => return None,
        };
        let count = i64::from(count.parse::<i32>().ok()?);
        let span = match unit.strip_suffix('s').unwrap_or(unit) {
            "second" | "sec" => count.seconds(),
            "minute" | "min" => count.minutes(),
            "hour" => count.hours(),
            "day" => count.days(),
            "week" => count.weeks(),
            "fortnight" => (count * 2).weeks(),
            "month" => count.months(),
            "year" => count.years(),
            _ => return None,
        };
        then = then.checked_sub(span).ok()?;
    }
    (!words.is_empty()).then_some(then)
}

fn absolute(text: &str, now: &Zoned) -> Option<Zoned> {
    let (text, zone) = split_zone(text, now)?;
    let (date, time) = split_time(text)?;
    let formats = [
        "%Y-%m-%d",
        "%B %d %Y",
        "%B %d, %Y",
        "%b %d %Y",
        "%d %B %Y",
        "%d %b %Y",
        "%m/%d/%Y",
    ];
    let date = formats
        .iter()
        .find_map(|format| Date::strptime(format, date).ok())?;
    DateTime::from_parts(date, time).to_zoned(zone).ok()
}

/// Takes a zone off the end: `Z`, `UTC`, `GMT`, `+0100`, `+01:00`, `+01`.
fn split_zone<'t>(text: &'t str, now: &Zoned) -> Option<(&'t str, TimeZone)> {
    for name in ["UTC", "GMT", "Z"] {
        if let Some(rest) = text.strip_suffix(name) {
            return Some((rest.trim_end(), TimeZone::UTC));
        }
    }
    let Some((rest, last)) = text.rsplit_once(' ') else {
        return Some((text, now.time_zone().clone()));
    };
    let Some(digits) = last.strip_prefix(['+', '-']) else {
        return Some((text, now.time_zone().clone()));
    };
    let digits = digits.replace(':', "");
    let number: i32 = digits.parse().ok()?;
    let minutes = match digits.len() {
        4 => number / 100 * 60 + number % 100,
        2 => number * 60,
        _ => return None,
    };
    let seconds = if last.starts_with('-') {
        -minutes * 60
    } else {
        minutes * 60
    };
    Some((
        rest,
        TimeZone::fixed(jiff::tz::Offset::from_seconds(seconds).ok()?),
    ))
}

/// Takes a time of day off the end; midnight if there is none.
fn split_time(text: &str) -> Option<(&str, Time)> {
    match text.rsplit_once([' ', 'T']) {
        Some((date, time)) if time.contains(':') => {
            let formats = ["%H:%M:%S", "%H:%M"];
            Some((
                date,
                formats
                    .iter()
                    .find_map(|format| Time::strptime(format, time).ok())?,
            ))
        }
        _ => Some((text, Time::midnight())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        "2020-03-15T12:00:00+00:00[UTC]".parse().unwrap()
    }

    #[test]
    fn dates_are_taken_as_get_date_takes_them() {
        for (text, seconds) in [
            ("@1234567890", 1_234_567_890),
            ("2005-10-29 12:43:29 +0000", 1_130_589_809),
            ("2005-10-29 14:43:29 +0200", 1_130_589_809),
            ("2005-10-29T12:43:29Z", 1_130_589_809),
            ("2005-10-29 12:43", 1_130_589_780),
            ("Sat, 29 Oct 2005 12:43:29 +0000", 1_130_589_809),
            ("October 25 1985", 499_046_400),
            ("October 5 1985", 497_318_400),
            ("November 05 1955", -446_774_400),
            ("2015-10-29", 1_446_076_800),
            ("now", 1_584_273_600),
            ("yesterday", 1_584_187_200),
            ("1 week ago", 1_583_668_800),
            ("1 day 2 hours ago", 1_584_180_000),
            ("month ago", 1_581_768_000),
            ("last month", 1_581_768_000),
            ("a week ago", 1_583_668_800),
        ] {
            assert_eq!(parse(text, &now()), Some(seconds), "{text}");
        }
        for text in [
            "",
            "soon",
            "ago",
            "x weeks ago",
            "2005-13-01",
            "@x",
            "1 2 ago",
        ] {
            assert_eq!(parse(text, &now()), None, "{text}");
        }
    }

    #[test]
    fn an_offset_shows_minutes_only_if_it_has_any() {
        let zone = |seconds| TimeZone::fixed(jiff::tz::Offset::from_seconds(seconds).unwrap());
        let shown = |seconds| in_zone(1_600_000_000, zone(seconds)).unwrap();
        assert_eq!(shown(0), "2020-09-13T12:26:40+00");
        assert_eq!(shown(19_800), "2020-09-13T17:56:40+05:30");
        assert_eq!(shown(-14_400), "2020-09-13T08:26:40-04");
    }

    #[test]
    fn a_hostile_timestamp_has_no_date() {
        assert_eq!(
            utc(1_600_000_000).as_deref(),
            Some("2020-09-13 12:26:40 +0000")
        );
        assert_eq!(utc(u64::MAX), None);
        assert_eq!(utc(1 << 60), None);
    }
}
