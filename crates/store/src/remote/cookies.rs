//! A remote's cookies: `NAME.cookies.txt` beside the repository's `config`, in Netscape's format, read by each pull.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ostler_format::RemoteName;
use ostler_http::{Cookie, parse_cookies, render_cookies};

use super::RemoteError;
use crate::error::StoreError;
use crate::repo::Repo;

/// The longest file of cookies that is read.
const MAX_FILE: u64 = 1 << 20;
/// A cookie that is added lives for 25 years, as libostree's do.
const LIFETIME: Duration = Duration::from_secs(25 * 31_556_736);

/// What a cookie is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieKey {
    /// The host; with a leading dot the hosts below it, too.
    pub domain: String,
    /// Sent for this path and what is below it.
    pub path: String,
    /// The name.
    pub name: String,
}

impl CookieKey {
    fn is_of(&self, cookie: &Cookie) -> bool {
        (&self.domain, &self.path, &self.name) == (&cookie.domain, &cookie.path, &cookie.name)
    }
}

impl Repo {
    /// Lists the cookies of a remote, in the order of its file; none if it has no file.
    ///
    /// # Errors
    /// [`RemoteError::Cookies`].
    pub fn cookies(&self, remote: &RemoteName) -> Result<Vec<Cookie>, RemoteError> {
        parse(remote, &self.read_cookies(remote)?)
    }

    /// Adds a cookie that is sent over http and https for the next 25 years; one of the same key is replaced.
    ///
    /// # Errors
    /// [`RemoteError::Cookies`] for a field that no cookie can have, or a file that is none; nothing is changed then.
    pub fn add_cookie(
        &self,
        remote: &RemoteName,
        key: &CookieKey,
        value: &str,
    ) -> Result<(), RemoteError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let cookie = Cookie {
            domain: key.domain.clone(),
            subdomains: key.domain.starts_with('.'),
            path: key.path.clone(),
            secure: false,
            http_only: false,
            expires: (now.unwrap_or_default() + LIFETIME).as_secs(),
            name: key.name.clone(),
            value: value.to_owned(),
        };
        let line = render_cookies(std::slice::from_ref(&cookie));
        if parse(remote, &line)? != [cookie] {
            return Err(RemoteError::CookieField {
                name: key.name.clone(),
            });
        }
        let (mut text, _) = without(remote, &self.read_cookies(remote)?, key)?;
        text.push_str(&line);
        self.write_cookies(remote, &text)
    }

    /// Deletes a cookie.
    ///
    /// # Errors
    /// [`RemoteError::CookieNotFound`].
    pub fn delete_cookie(&self, remote: &RemoteName, key: &CookieKey) -> Result<(), RemoteError> {
        let (text, found) = without(remote, &self.read_cookies(remote)?, key)?;
        if !found {
            return Err(RemoteError::CookieNotFound {
                remote: remote.to_string(),
                name: key.name.clone(),
            });
        }
        self.write_cookies(remote, &text)
    }

    fn read_cookies(&self, remote: &RemoteName) -> Result<String, RemoteError> {
        let name = file_name(remote.as_str());
        let bytes = self.dir().read_optional(&name, MAX_FILE)?;
        String::from_utf8(bytes.unwrap_or_default()).map_err(|error| {
            let error = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
            StoreError::io(format!("reading `{name}`"), error).into()
        })
    }

    fn write_cookies(&self, remote: &RemoteName, text: &str) -> Result<(), RemoteError> {
        // Cookies are as good as passwords.
        let name = file_name(remote.as_str());
        Ok(self
            .dir()
            .write_atomic(&name, text, 0o600, self.durability())?)
    }
}

/// The file of a remote's cookies.
pub(crate) fn file_name(remote: &str) -> String {
    format!("{remote}.cookies.txt")
}

fn parse(remote: &RemoteName, text: &str) -> Result<Vec<Cookie>, RemoteError> {
    parse_cookies(text).map_err(|source| RemoteError::Cookies {
        file: file_name(remote.as_str()),
        source,
    })
}

/// The file's text without the cookie, and whether it was there. All other lines stay as they are.
fn without(
    remote: &RemoteName,
    text: &str,
    key: &CookieKey,
) -> Result<(String, bool), RemoteError> {
    parse(remote, text)?;
    let is_it = |line: &&str| {
        let cookies = parse_cookies(line).unwrap_or_default();
        cookies.iter().any(|cookie| key.is_of(cookie))
    };
    let (gone, kept): (Vec<_>, Vec<_>) = text.lines().partition(is_it);
    let kept: String = kept.iter().map(|line| format!("{line}\n")).collect();
    Ok((kept, !gone.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::RepoMode;

    fn key(domain: &str, name: &str) -> CookieKey {
        CookieKey {
            domain: domain.to_owned(),
            path: "/".to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_cookie_replaces_the_one_of_its_key_and_leaves_the_rest_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repo::create(dir.path().join("repo"), RepoMode::Archive, None).unwrap();
        let remote = RemoteName::new("o").unwrap();
        let file = dir.path().join("repo/o.cookies.txt");
        std::fs::write(&file, "# mine\na\tFALSE\t/\tTRUE\t0\tfoo\told\n").unwrap();
        repo.add_cookie(&remote, &key("a", "foo"), "new").unwrap();
        repo.add_cookie(&remote, &key(".b", "foo"), "").unwrap();
        let cookies = repo.cookies(&remote).unwrap();
        let seen: Vec<_> = cookies
            .iter()
            .map(|c| (c.domain.as_str(), c.value.as_str(), c.subdomains))
            .collect();
        assert_eq!(seen, [("a", "new", false), (".b", "", true)]);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# mine\n"), "{text}");
        repo.delete_cookie(&remote, &key("a", "foo")).unwrap();
        let again = repo.delete_cookie(&remote, &key("a", "foo"));
        assert!(matches!(again, Err(RemoteError::CookieNotFound { .. })));
        assert_eq!(repo.cookies(&remote).unwrap().len(), 1);
    }

    #[test]
    fn a_field_that_would_make_another_cookie_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repo::create(dir.path().join("repo"), RepoMode::Archive, None).unwrap();
        let remote = RemoteName::new("o").unwrap();
        for (domain, name, value) in [
            ("a", "n", "v\nb\tFALSE\t/\tFALSE\t0\tx\ty"),
            ("a\t", "n", "v"),
            ("", "n", "v"),
            ("a", "", "v"),
            ("a", "n=m", "v"),
            ("a", "n", "v; Domain=b"),
            ("#a", "n", "v"),
        ] {
            let refused = repo.add_cookie(&remote, &key(domain, name), value);
            assert!(refused.is_err(), "{domain} {name} {value}");
        }
        assert!(!dir.path().join("repo/o.cookies.txt").exists());
    }
}
