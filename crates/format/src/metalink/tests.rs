use super::*;

/// Digests of the three bytes `abc`, as FIPS 180 gives them.
const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const SHA512: &str = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                      2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

fn document(file: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\">\
         <generator><files><file name=\"summary\"/></files></generator>\
         <files><file name=\"other\"><size>9</size></file>{file}</files></metalink>\n"
    )
}

fn file(size: &str, hashes: &str, urls: &str) -> String {
    document(&format!(
        "<file name=\"summary\"><mm0:when>1</mm0:when><size>{size}</size><verification>{hashes}</verification>\
         <resources maxconnections=\"1\">{urls}</resources></file>"
    ))
}

fn hash(kind: &str, digits: &str) -> String {
    format!("<hash type=\"{kind}\">{digits}</hash>")
}

fn url(protocol: &str, preference: u32, url: &str) -> String {
    format!("<url protocol=\"{protocol}\" preference=\"{preference}\" location=\"US\">{url}</url>")
}

#[test]
fn urls_come_in_the_order_of_preference_and_the_file_is_checked_by_all_hashes() {
    let urls = [
        url("http", 50, "http://b/r?x=1&amp;y=2"),
        url("rsync", 100, "rsync://a/r"),
        url("https", 99, "\n <![CDATA[https://a/r]]> "),
        url("http", 50, "http://&#99;/r"),
    ];
    let hashes = hash("md5", "x") + &hash("sha256", SHA256) + &hash("sha512", SHA512);
    let text = file(" 3\n", &hashes, &urls.concat());
    let link = Metalink::parse(text.as_bytes(), "summary").unwrap();
    assert_eq!(
        link.urls,
        ["https://a/r", "http://b/r?x=1&y=2", "http://c/r"]
    );
    link.check(b"abc").unwrap();
    let short = link.check(b"ab").unwrap_err();
    assert_eq!(
        short,
        MetalinkMismatch::Size {
            expected: 3,
            actual: 2
        }
    );
    assert!(matches!(
        link.check(b"abd"),
        Err(MetalinkMismatch::Hash { .. })
    ));
    let one = Metalink {
        sha512: None,
        ..link
    };
    let text = one.check(b"abd").unwrap_err().to_string();
    assert!(text.contains(SHA256), "{text}");
}

#[test]
fn what_cannot_be_verified_is_refused() {
    let (good, anywhere) = (hash("sha256", SHA256), url("http", 1, "http://a/r"));
    let name = || "summary".to_owned();
    let long = "<a>".repeat(Metalink::MAX_DEPTH + 1);
    for (text, expected) in [
        ("bacon\n".to_owned(), MetalinkError::NoElement),
        (String::new(), MetalinkError::NoElement),
        (document(""), MetalinkError::NoFile { name: name() }),
        (
            file("0", &good, &anywhere),
            MetalinkError::NoSize { name: name() },
        ),
        (
            file("-3", &good, &anywhere),
            MetalinkError::NoSize { name: name() },
        ),
        (
            file("3", &hash("md5", "x"), &anywhere),
            MetalinkError::NoHash { name: name() },
        ),
        (
            file("3", "", &anywhere),
            MetalinkError::NoHash { name: name() },
        ),
        (
            file("3", &hash("sha512", "bacon"), &anywhere),
            MetalinkError::BadHash { kind: "sha512" },
        ),
        (
            file(
                "3",
                &hash("sha256", &SHA512[..64].replace('d', "g")),
                &anywhere,
            ),
            MetalinkError::BadHash { kind: "sha256" },
        ),
        (file("3", &good, ""), MetalinkError::NoUrl { name: name() }),
        (
            file("3", &good, &url("ftp", 1, "ftp://a/r")),
            MetalinkError::NoUrl { name: name() },
        ),
        (
            file("3", &good, &url("http", 1, &"u".repeat(5000))),
            MetalinkError::NoUrl { name: name() },
        ),
        (
            long,
            MetalinkError::TooDeep {
                limit: Metalink::MAX_DEPTH,
            },
        ),
    ] {
        assert_eq!(
            Metalink::parse(text.as_bytes(), "summary"),
            Err(expected),
            "{text:.200}"
        );
    }
}

#[test]
fn a_broken_document_is_refused() {
    let whole = file("3", &hash("sha256", SHA256), &url("http", 1, "http://a/r"));
    for broken in [
        whole.replace("</metalink>", ""),
        whole.replace("</size>", "</length>"),
        whole.replace("http://a/r", "http://a/&unknown;"),
        // An entity that would grow to a billion times its length.
        whole
            .replace(
                "\n<metalink",
                "<!DOCTYPE m [<!ENTITY a \"aa\"><!ENTITY b \"&a;&a;\">]><metalink",
            )
            .replace("http://a/r", "http://a/&b;"),
    ] {
        let error = Metalink::parse(broken.as_bytes(), "summary").unwrap_err();
        assert!(
            matches!(error, MetalinkError::Xml { .. }),
            "{broken}: {error}"
        );
    }
    assert!(matches!(
        Metalink::parse(b"<metalink>\xff</metalink>", "summary"),
        Err(MetalinkError::Xml { .. })
    ));
    let long = format!("<metalink>{}</metalink>", " ".repeat(Metalink::MAX_BYTES));
    assert!(matches!(
        Metalink::parse(long.as_bytes(), "summary"),
        Err(MetalinkError::TooLarge { .. })
    ));
}

#[test]
fn no_changed_byte_makes_it_panic_or_lose_its_promises() {
    let hashes = hash("sha256", SHA256) + &hash("sha512", SHA512);
    let whole = file("3", &hashes, &url("http", 1, "http://a/r?a&lt;&#x62;"));
    for index in 0..whole.len() {
        for byte in *b"<>&\"/;0\0\xff" {
            let mut changed = whole.clone().into_bytes();
            changed[index] = byte;
            if let Ok(link) = Metalink::parse(&changed, "summary") {
                assert!(link.size > 0 && !link.urls.is_empty());
                assert!(link.sha256.is_some() || link.sha512.is_some());
            }
        }
        let _ = Metalink::parse(&whole.as_bytes()[..index], "summary");
    }
}
