//! HTTP dates: whole seconds, as `Last-Modified` and its kin write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Reads any of the three date forms that HTTP allows.
pub(crate) fn parse(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text).ok()
}

/// Writes the one form that is allowed to be sent. Times outside 1970..9999, which it cannot hold, are `None`.
pub(crate) fn format(time: SystemTime) -> Option<String> {
    const END: Duration = Duration::from_secs(253_402_300_800);
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    (since < END).then(|| httpdate::fmt_http_date(time))
}

/// Drops what is below a second, downwards.
pub(crate) fn whole_seconds(time: SystemTime) -> SystemTime {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => UNIX_EPOCH + Duration::from_secs(since.as_secs()),
        Err(_) => UNIX_EPOCH,
    }
}
