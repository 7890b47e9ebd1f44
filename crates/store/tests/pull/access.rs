//! Servers that ask who is there, and the ways to them: proxies, TLS, credentials, cookies, headers.

use ostler_format::RemoteName;
use ostler_store::RepoMode;
use ostler_store::pull::{PullError, PullOptions};
use ostler_store::remote::CookieKey;

use crate::front::{Authority, Front};
use crate::ground::{Client, Published, of_main, scratch};
use crate::server::Server;

/// A head in lower case, as names of headers have no case.
fn has(head: &str, line: &str) -> bool {
    let wanted = line.to_ascii_lowercase();
    head.to_ascii_lowercase()
        .lines()
        .any(|line| line.trim_end() == wanted)
}

#[test]
fn a_client_certificate_and_an_authority_of_its_own_open_the_door() {
    let root = scratch();
    let published = Published::new(root.path());
    let server = Server::honest(&published.path);
    let (ours, other) = (Authority::new(), Authority::new());
    let front = Front::start(&server.url(), Some(ours.server_config()), |_| true);
    let url = format!("https://localhost:{}", front.port());
    let ca = ours.write(root.path(), "ca.pem");
    let wrong = other.write(root.path(), "other.pem");
    let (certificate, key) = ours.write_client(root.path());
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let (ca, wrong) = (path(&ca), path(&wrong));
    let (certificate, key) = (path(&certificate), path(&key));
    let identity = [
        ("tls-client-cert-path", certificate.as_str()),
        ("tls-client-key-path", key.as_str()),
    ];
    for (number, (trust, show, opens)) in [
        (Some(("tls-ca-path", ca.as_str())), true, true),
        (Some(("tls-permissive", "true")), true, true),
        (Some(("tls-ca-path", ca.as_str())), false, false),
        (Some(("tls-ca-path", wrong.as_str())), true, false),
        (None, true, false),
    ]
    .into_iter()
    .enumerate()
    {
        let mut keys = vec![("url", url.as_str())];
        keys.extend(trust);
        keys.extend(identity.iter().filter(|_| show));
        let mut client = Client::new(root.path(), &format!("c{number}"), RepoMode::Archive);
        client.configure_origin(&keys);
        let result = client.pull(&of_main());
        assert_eq!(result.is_ok(), opens, "{keys:?}: {result:?}");
        assert_eq!(client.rev("origin:main").is_some(), opens, "{keys:?}");
    }
}

#[test]
fn all_requests_go_through_the_proxy_of_the_remote() {
    let root = scratch();
    let published = Published::new(root.path());
    let server = Server::honest(&published.path);
    let proxy = Front::start(&server.url(), None, |head| {
        head.starts_with("GET http://repository.invalid/repo/")
    });
    // The upstream has no such folder: the proxy alone knows the host.
    std::os::unix::fs::symlink(".", published.path.join("repo")).unwrap();
    let mut client = Client::new(root.path(), "client", RepoMode::Archive);
    let at = format!("http://127.0.0.1:{}", proxy.port());
    client.configure_origin(&[("url", "http://repository.invalid/repo"), ("proxy", &at)]);
    client.pull(&of_main()).unwrap();
    client.assert_whole(published.commit);
    assert_eq!(proxy.heads().len(), server.asked("").len());
}

/// What a server wants to see, and how a client is made to show it.
struct Door {
    line: &'static str,
    prepare: fn(&mut Client, &Front, &std::path::Path, &mut PullOptions),
}

fn at(front: &Front) -> String {
    format!("http://127.0.0.1:{}", front.port())
}

const DOORS: &[Door] = &[
    Door {
        line: "authorization: Basic dXNlcjpwYXNz",
        prepare: |client, front, _, _| {
            let url = format!("http://user:pass@127.0.0.1:{}", front.port());
            client.set_origin(&url);
        },
    },
    Door {
        line: "authorization: Basic dXNlcjpwYXNz",
        prepare: |client, front, root, options| {
            let path = root.join("netrc");
            std::fs::write(&path, "machine 127.0.0.1 login user password pass\n").unwrap();
            options.network.netrc = Some(path);
            client.set_origin(&at(front));
        },
    },
    Door {
        line: "authorization: Bearer abc.def-012",
        prepare: |client, front, root, _| {
            let path = root.join("token");
            std::fs::write(&path, "abc.def-012\n").unwrap();
            let token = ("bearer-token-path", path.to_str().unwrap());
            client.configure_origin(&[("url", &at(front)), token]);
        },
    },
    Door {
        line: "x-key: of mine",
        prepare: |client, front, _, options| {
            options.network.headers = vec![("X-Key".into(), "of mine".into())];
            client.set_origin(&at(front));
        },
    },
    Door {
        line: "cookie: foo=bar",
        prepare: |client, front, _, _| {
            client.set_origin(&at(front));
            let origin = RemoteName::new("origin").unwrap();
            let key = |domain: &str| CookieKey {
                domain: domain.into(),
                path: "/".into(),
                name: "foo".into(),
            };
            let repo = &client.repo;
            repo.add_cookie(&origin, &key("127.0.0.1"), "bar").unwrap();
            repo.add_cookie(&origin, &key("example.com"), "other")
                .unwrap();
        },
    },
    Door {
        line: "user-agent: tester/1",
        prepare: |client, front, _, options| {
            options.network.user_agent = Some("tester/1".into());
            client.set_origin(&at(front));
        },
    },
];

#[test]
fn each_request_shows_what_the_server_wants_to_see() {
    let root = scratch();
    let published = Published::new(root.path());
    let server = Server::honest(&published.path);
    for (number, door) in DOORS.iter().enumerate() {
        let front = Front::start(&server.url(), None, |head| has(head, door.line));
        let mut client = Client::new(root.path(), &format!("c{number}"), RepoMode::Archive);
        client.set_origin(&at(&front));
        let text = client.pull(&of_main()).unwrap_err().to_string();
        assert!(text.contains("401"), "{}: {text}", door.line);
        let mut options = of_main();
        (door.prepare)(&mut client, &front, root.path(), &mut options);
        client.pull(&options).unwrap();
        client.assert_whole(published.commit);
    }
}

#[test]
fn a_file_that_holds_no_token_is_refused_and_not_quoted() {
    let root = scratch();
    let mut client = Client::new(root.path(), "client", RepoMode::Archive);
    let path = root.path().join("token");
    for secret in ["", "two words", "line\nline"] {
        std::fs::write(&path, secret).unwrap();
        let token = ("bearer-token-path", path.to_str().unwrap());
        client.configure_origin(&[("url", "http://127.0.0.1:1"), token]);
        let error = client.pull(&of_main()).unwrap_err();
        assert!(matches!(error, PullError::BearerToken { .. }), "{error}");
        assert!(secret.is_empty() || !error.to_string().contains(secret));
    }
}

#[test]
fn no_more_requests_are_under_way_than_was_asked_for() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let root = scratch();
    let published = Published::new(root.path());
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let peak = Arc::clone(&most);
    let server = Server::start(&published.path, move |asked| {
        if asked.ends_with('z') {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            peak.fetch_max(now, Ordering::SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(5));
            running.fetch_sub(1, Ordering::SeqCst);
        }
        crate::server::Answer::Honest
    });
    let mut client = Client::new(root.path(), "client", RepoMode::Archive);
    client.set_origin(&server.url());
    let mut options = of_main();
    options.network.max_requests = std::num::NonZeroUsize::new(2);
    client.pull(&options).unwrap();
    assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
}
