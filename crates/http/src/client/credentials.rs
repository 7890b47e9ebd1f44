//! Who gets the credentials: the origins that the caller named, and no other.

use std::path::Path;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::client::error::SetupError;
use crate::client::options::{Credentials, FetcherOptions};

/// Headers for named origins, and users by host.
#[derive(Debug)]
pub(crate) struct Secrets {
    headers: HeaderMap,
    credentials: Option<Credentials>,
    /// Whom `credentials` are for; empty for everyone who is named.
    credentials_for: Vec<Url>,
    netrc: Vec<NetrcEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct NetrcEntry {
    /// `None` for the `default` entry.
    machine: Option<String>,
    login: String,
    password: String,
}

impl Secrets {
    pub(crate) fn new(options: &FetcherOptions) -> Result<Self, SetupError> {
        let netrc = match &options.netrc {
            Some(path) => read_netrc(path)?,
            None => Vec::new(),
        };
        Ok(Self {
            headers: parse_headers(&options.headers)?,
            credentials: options.credentials.clone(),
            credentials_for: options.credentials_for.clone(),
            netrc,
        })
    }

    /// What is added to a request for `url`, reached from the named URL `named` (the same, or by redirects).
    ///
    /// A user in the URL is left to the client, which makes the header of it.
    pub(crate) fn apply(
        &self,
        request: reqwest::RequestBuilder,
        url: &Url,
        named: &Url,
    ) -> reqwest::RequestBuilder {
        if !may_see_secrets(named, url) {
            return request;
        }
        let request = if self.headers.is_empty() {
            request
        } else {
            request.headers(self.headers.clone())
        };
        if !url.username().is_empty() || self.headers.contains_key(reqwest::header::AUTHORIZATION) {
            return request;
        }
        let mut origins = self.credentials_for.iter();
        let is_for =
            self.credentials_for.is_empty() || origins.any(|origin| may_see_secrets(origin, named));
        match self.credentials.as_ref().filter(|_| is_for) {
            Some(Credentials::Basic { user, password }) => request.basic_auth(user, Some(password)),
            Some(Credentials::Bearer(token)) => request.bearer_auth(token),
            None => match self.netrc_entry(url) {
                Some(entry) => request.basic_auth(&entry.login, Some(&entry.password)),
                None => request,
            },
        }
    }

    fn netrc_entry(&self, url: &Url) -> Option<&NetrcEntry> {
        let host = url.host_str()?;
        self.netrc.iter().find(|entry| {
            let machine = entry.machine.as_deref();
            machine.is_none_or(|machine| machine.eq_ignore_ascii_case(host))
        })
    }
}

/// The same origin, or the same host moved from http to https on the default ports.
pub(crate) fn may_see_secrets(named: &Url, url: &Url) -> bool {
    let address = |url: &Url| (url.scheme().to_owned(), url.port_or_known_default());
    let same_host = named.host_str() == url.host_str();
    let upgraded = named.scheme() == "http"
        && named.port_or_known_default() == Some(80)
        && url.scheme() == "https"
        && url.port_or_known_default() == Some(443);
    same_host && (address(named) == address(url) || upgraded)
}

fn parse_headers(headers: &[(String, String)]) -> Result<HeaderMap, SetupError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let refused = |message: String| SetupError::Header {
            name: name.clone(),
            message,
        };
        let key = HeaderName::try_from(name.as_str()).map_err(|e| refused(e.to_string()))?;
        let mut value =
            HeaderValue::try_from(value.as_str()).map_err(|e| refused(e.to_string()))?;
        value.set_sensitive(true);
        map.append(key, value);
    }
    Ok(map)
}

fn read_netrc(path: &Path) -> Result<Vec<NetrcEntry>, SetupError> {
    let text = std::fs::read_to_string(path).map_err(|source| SetupError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse_netrc(&text).map_err(|(line, message)| SetupError::Netrc {
        path: path.to_owned(),
        line,
        message,
    })
}

/// Reads the words of a netrc file; macros are skipped up to their empty line, comments to the end of theirs.
fn parse_netrc(text: &str) -> Result<Vec<NetrcEntry>, (usize, &'static str)> {
    let mut words = netrc_words(text).into_iter();
    let mut entries: Vec<NetrcEntry> = Vec::new();
    while let Some((line, word)) = words.next() {
        let mut value = || {
            let next = words.next();
            next.map(|(_, value)| value)
                .ok_or((line, "the last word has no value"))
        };
        let entry = |machine| NetrcEntry {
            machine,
            login: String::new(),
            password: String::new(),
        };
        match word.as_str() {
            "machine" => entries.push(entry(Some(value()?))),
            "default" => entries.push(entry(None)),
            "login" | "password" | "account" => {
                let value = value()?;
                let Some(last) = entries.last_mut() else {
                    return Err((line, "a login comes before any machine"));
                };
                match word.as_str() {
                    "login" => last.login = value,
                    "password" => last.password = value,
                    _ => {}
                }
            }
            _ => return Err((line, "an unknown word")),
        }
    }
    Ok(entries)
}

fn netrc_words(text: &str) -> Vec<(usize, String)> {
    let mut words = Vec::new();
    let mut in_macro = false;
    for (index, line) in text.lines().enumerate() {
        if in_macro {
            in_macro = !line.trim().is_empty();
            continue;
        }
        for word in line.split_whitespace() {
            // A password may begin with `#`; a comment stands where a keyword would.
            let after_keyword = words.last().is_some_and(|(_, last): &(usize, String)| {
                matches!(last.as_str(), "machine" | "login" | "password" | "account")
            });
            if word.starts_with('#') && !after_keyword {
                break;
            }
            if word == "macdef" && !after_keyword {
                in_macro = true;
                break;
            }
            words.push((index + 1, word.to_owned()));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_with_the_named_origin() {
        for (named, url, expected) in [
            ("http://h/a", "http://h/b", true),
            ("http://h/a", "https://h/b", true),
            ("https://h/a", "http://h/b", false),
            ("http://h/a", "http://h:8080/b", false),
            ("http://h:8080/a", "https://h/b", false),
            ("http://h/a", "http://sub.h/b", false),
        ] {
            let (named, url) = (Url::parse(named).unwrap(), Url::parse(url).unwrap());
            assert_eq!(may_see_secrets(&named, &url), expected, "{named} {url}");
        }
    }

    #[test]
    fn netrc_entries_are_read_around_macros_and_comments() {
        let text = "# mine\nmachine a login u password #p\nmacdef init\nmachine no\n\nmachine b\n\
                    login v # why\npassword q\ndefault login anonymous password x\n";
        let entries = parse_netrc(text).unwrap();
        let seen: Vec<_> = entries
            .iter()
            .map(|e| (e.machine.as_deref(), e.login.as_str(), e.password.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                (Some("a"), "u", "#p"),
                (Some("b"), "v", "q"),
                (None, "anonymous", "x")
            ]
        );
        assert_eq!(parse_netrc("machine").unwrap_err().0, 1);
        assert_eq!(parse_netrc("\nlogin x").unwrap_err().0, 2);
    }
}
