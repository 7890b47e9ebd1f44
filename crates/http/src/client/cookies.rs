//! The cookie file of Netscape's format, `NAME.cookies.txt` beside a repository's configuration. Pure.
//!
//! One cookie a line, seven fields between tabs: domain, whether its subdomains too, path, whether https alone, expiry, name, value.

/// One line of a cookie file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// The host, or with `subdomains` a leading dot or none before the domain.
    pub domain: String,
    /// Sent to the hosts below `domain` too.
    pub subdomains: bool,
    /// Sent for this path and what is below it.
    pub path: String,
    /// Sent over https alone.
    pub secure: bool,
    /// Not for scripts; kept so that a file is written back as it was.
    pub http_only: bool,
    /// Seconds since 1970-01-01 UTC; 0 for a cookie without an end.
    pub expires: u64,
    /// The name.
    pub name: String,
    /// The value, possibly empty.
    pub value: String,
}

/// A line that is not a cookie.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct CookieError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: &'static str,
}

const HTTP_ONLY: &str = "#HttpOnly_";

/// Reads a cookie file; empty lines and comments are skipped.
///
/// # Errors
/// The first line that has not seven fields, or a field that cannot be.
pub fn parse_cookies(text: &str) -> Result<Vec<Cookie>, CookieError> {
    let mut cookies = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let (http_only, line) = match line.strip_prefix(HTTP_ONLY) {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let cookie = parse_line(line, http_only).map_err(|message| CookieError {
            line: index + 1,
            message,
        })?;
        cookies.push(cookie);
    }
    Ok(cookies)
}

fn parse_line(line: &str, http_only: bool) -> Result<Cookie, &'static str> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [domain, subdomains, path, secure, expires, name, value] = fields[..] else {
        return Err("it has not seven fields between tabs");
    };
    if domain.trim_start_matches('.').is_empty() || name.is_empty() {
        return Err("the domain or the name is empty");
    }
    let forbidden = |byte: u8| byte == b';' || byte.is_ascii_control();
    if name.contains('=')
        || [domain, path, name, value]
            .iter()
            .any(|s| s.bytes().any(forbidden))
    {
        return Err("a field has characters that a cookie cannot hold");
    }
    Ok(Cookie {
        domain: domain.to_owned(),
        subdomains: flag(subdomains)?,
        path: path.to_owned(),
        secure: flag(secure)?,
        http_only,
        expires: expires.parse().map_err(|_| "the expiry is not a number")?,
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

fn flag(field: &str) -> Result<bool, &'static str> {
    match field {
        _ if field.eq_ignore_ascii_case("true") => Ok(true),
        _ if field.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err("a flag is neither TRUE nor FALSE"),
    }
}

/// Writes a cookie file that [`parse_cookies`] and libostree read.
pub fn render_cookies(cookies: &[Cookie]) -> String {
    let word = |flag| if flag { "TRUE" } else { "FALSE" };
    cookies
        .iter()
        .map(|cookie| {
            format!(
                "{}{}\t{}\t{}\t{}\t{}\t{}\t{}\n",
                if cookie.http_only { HTTP_ONLY } else { "" },
                cookie.domain,
                word(cookie.subdomains),
                cookie.path,
                word(cookie.secure),
                cookie.expires,
                cookie.name,
                cookie.value
            )
        })
        .collect()
}

impl Cookie {
    /// As a server would set it, with the URL that would: `None` once it has expired at `now`, seconds since 1970.
    pub(crate) fn as_set_cookie(&self, now: u64) -> Option<(String, String)> {
        let host = self.domain.trim_start_matches('.');
        let scheme = if self.secure { "https" } else { "http" };
        let mut header = format!("{}={}; Path={}", self.name, self.value, self.path);
        if self.subdomains || self.domain.starts_with('.') {
            header.push_str("; Domain=");
            header.push_str(host);
        }
        if self.secure {
            header.push_str("; Secure");
        }
        if self.expires != 0 {
            let left = self.expires.checked_sub(now).filter(|left| *left > 0)?;
            header.push_str("; Max-Age=");
            // Four centuries are enough, and stay inside what calendars can add.
            header.push_str(&left.min(400 * 365 * 86_400).to_string());
        }
        Some((header, format!("{scheme}://{host}{}", self.path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# Netscape HTTP Cookie File\n\n\
        .example.com\tTRUE\t/\tFALSE\t2147483647\tfoo\tbar=baz\n\
        #HttpOnly_host.example.com\tFALSE\t/repo\tTRUE\t0\tempty\t\n";

    #[test]
    fn a_cookie_file_is_written_back_as_it_was_read() {
        let cookies = parse_cookies(FILE).unwrap();
        assert_eq!(cookies.len(), 2);
        let rendered = render_cookies(&cookies);
        assert_eq!(rendered, FILE.split_once("\n\n").unwrap().1);
        assert_eq!(parse_cookies(&rendered).unwrap(), cookies);
    }

    #[test]
    fn a_line_that_is_not_a_cookie_is_named() {
        for (line, message) in [
            ("a\tTRUE\t/\tFALSE\t1\tn", "seven"),
            ("a\tmaybe\t/\tFALSE\t1\tn\tv", "flag"),
            ("a\tTRUE\t/\tFALSE\t-1\tn\tv", "expiry"),
            (".\tTRUE\t/\tFALSE\t1\tn\tv", "empty"),
            ("a\tTRUE\t/\tFALSE\t1\tn\tv; Domain=other", "characters"),
            ("a\tTRUE\t/\tFALSE\t1\tn=x\tv", "characters"),
        ] {
            let error = parse_cookies(&format!("# head\n{line}\n")).unwrap_err();
            assert_eq!(error.line, 2);
            assert!(error.message.contains(message), "{line}: {error}");
        }
    }

    #[test]
    fn an_expired_cookie_is_not_set() {
        let mut cookie = parse_cookies(FILE).unwrap().remove(0);
        cookie.expires = 100;
        assert!(cookie.as_set_cookie(99).is_some());
        assert!(cookie.as_set_cookie(100).is_none());
    }
}
