//! Reads a metalink event by event; a stack of element names says where in the document it is.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::{Metalink, MetalinkError};

/// The longest text of an element that is kept.
const MAX_TEXT: usize = 4096;
/// The most URLs that are kept.
const MAX_URLS: usize = 1000;

const SIZE: [&str; 4] = ["metalink", "files", "file", "size"];
const HASH: [&str; 5] = ["metalink", "files", "file", "verification", "hash"];
const URL: [&str; 5] = ["metalink", "files", "file", "resources", "url"];

pub(super) fn parse(document: &[u8], name: &str) -> Result<Metalink, MetalinkError> {
    if document.len() > Metalink::MAX_BYTES {
        return Err(MetalinkError::TooLarge {
            found: document.len(),
        });
    }
    let text = std::str::from_utf8(document).map_err(xml)?;
    let mut reader = Reader::from_str(text);
    let mut walk = Walk::new(name);
    loop {
        match reader.read_event().map_err(xml)? {
            Event::Eof => break,
            Event::Start(start) => walk.enter(&start)?,
            Event::Empty(start) => {
                walk.enter(&start)?;
                walk.leave();
            }
            Event::End(_) => walk.leave(),
            Event::Text(text) => walk.text(&text.xml10_content())?,
            Event::CData(text) => walk.text(&text.xml10_content())?,
            Event::GeneralRef(reference) => walk.text(&resolve(&reference)?)?,
            Event::Comment(_) | Event::Decl(_) | Event::DocType(_) | Event::PI(_) => {}
        }
    }
    walk.finish()
}

fn xml(error: impl std::fmt::Display) -> MetalinkError {
    MetalinkError::Xml {
        message: error.to_string(),
    }
}

/// The character that a reference stands for. Entities that a document defines itself are none.
fn resolve(reference: &BytesRef<'_>) -> Result<String, MetalinkError> {
    if let Some(character) = reference.resolve_char_ref().map_err(xml)? {
        return Ok(character.to_string());
    }
    let name = reference.xml10_content();
    let text = quick_xml::escape::resolve_predefined_entity(&name);
    text.map(str::to_owned)
        .ok_or_else(|| xml(format!("unknown entity `{name}`")))
}

/// What the attributes of the open element say.
#[derive(Default)]
struct Attributes {
    /// `type` of a hash, `protocol` of a URL.
    kind: String,
    preference: i64,
}

struct Walk<'n> {
    name: &'n str,
    /// Names of the elements that are open.
    open: Vec<String>,
    begun: bool,
    /// How many elements are open when the file's own is the innermost; `None` outside of it.
    file_depth: Option<usize>,
    /// Whether the file's element has ended: no other one counts.
    done: bool,
    attributes: Attributes,
    text: String,
    found: bool,
    size: u64,
    sha256: Option<String>,
    sha512: Option<String>,
    urls: Vec<(i64, String)>,
}

impl<'n> Walk<'n> {
    fn new(name: &'n str) -> Self {
        Self {
            name,
            open: Vec::new(),
            begun: false,
            file_depth: None,
            done: false,
            attributes: Attributes::default(),
            text: String::new(),
            found: false,
            size: 0,
            sha256: None,
            sha512: None,
            urls: Vec::new(),
        }
    }

    fn is_at(&self, path: &[&str]) -> bool {
        self.file_depth.is_some() && self.open == path
    }

    fn enter(&mut self, start: &BytesStart<'_>) -> Result<(), MetalinkError> {
        if self.open.len() >= Metalink::MAX_DEPTH {
            return Err(MetalinkError::TooDeep {
                limit: Metalink::MAX_DEPTH,
            });
        }
        self.begun = true;
        self.open.push(start.local_name().as_ref().to_owned());
        self.text.clear();
        self.attributes = Attributes::default();
        let mut file_name = None;
        for attribute in start.attributes() {
            let attribute = attribute.map_err(xml)?;
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Explicit1_0)
                .map_err(xml)?;
            match attribute.key.local_name().as_ref() {
                "name" => file_name = Some(value.into_owned()),
                "type" if self.open.last().is_some_and(|e| e == "hash") => {
                    self.attributes.kind = value.into_owned();
                }
                "protocol" => self.attributes.kind = value.into_owned(),
                "preference" => self.attributes.preference = value.trim().parse().unwrap_or(0),
                _ => {}
            }
        }
        let is_file = self.open == ["metalink", "files", "file"];
        if is_file && !self.done && file_name.as_deref() == Some(self.name) {
            self.file_depth = Some(self.open.len());
            self.found = true;
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), MetalinkError> {
        if self.open.is_empty() {
            return match text.trim().is_empty() || self.begun {
                true => Ok(()),
                false => Err(MetalinkError::NoElement),
            };
        }
        if self.text.len() + text.len() <= MAX_TEXT {
            self.text.push_str(text);
        } else {
            // Cut, it would be another URL or hash.
            self.text.clear();
            self.attributes = Attributes::default();
        }
        Ok(())
    }

    fn leave(&mut self) {
        let text = self.text.trim().to_owned();
        if self.is_at(&SIZE) {
            self.size = text.parse().unwrap_or(0);
        } else if self.is_at(&HASH) {
            match self.attributes.kind.as_str() {
                "sha256" => self.sha256 = Some(text),
                "sha512" => self.sha512 = Some(text),
                _ => {}
            }
        } else if self.is_at(&URL) {
            let over_http = matches!(self.attributes.kind.as_str(), "http" | "https");
            if over_http && !text.is_empty() && self.urls.len() < MAX_URLS {
                self.urls.push((self.attributes.preference, text));
            }
        }
        if self.file_depth == Some(self.open.len()) {
            self.file_depth = None;
            self.done = true;
        }
        self.open.pop();
        self.text.clear();
        self.attributes = Attributes::default();
    }

    fn finish(mut self) -> Result<Metalink, MetalinkError> {
        let name = || self.name.to_owned();
        if !self.begun {
            return Err(MetalinkError::NoElement);
        }
        if let Some(open) = self.open.last() {
            return Err(xml(format!("`{open}` is not closed")));
        }
        if !self.found {
            return Err(MetalinkError::NoFile { name: name() });
        }
        if self.size == 0 {
            return Err(MetalinkError::NoSize { name: name() });
        }
        let sha256 = self.sha256.as_deref().map(|text| digest("sha256", text));
        let sha512 = self.sha512.as_deref().map(|text| digest("sha512", text));
        let (sha256, sha512) = (sha256.transpose()?, sha512.transpose()?);
        if sha256.is_none() && sha512.is_none() {
            return Err(MetalinkError::NoHash { name: name() });
        }
        if self.urls.is_empty() {
            return Err(MetalinkError::NoUrl { name: name() });
        }
        // Of equal preference the first comes first.
        self.urls
            .sort_by_key(|(preference, _)| std::cmp::Reverse(*preference));
        Ok(Metalink {
            size: self.size,
            sha256,
            sha512,
            urls: self.urls.into_iter().map(|(_, url)| url).collect(),
        })
    }
}

fn digest<const N: usize>(kind: &'static str, text: &str) -> Result<[u8; N], MetalinkError> {
    let bad = MetalinkError::BadHash { kind };
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(bad);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let value = |digit: u8| char::from(digit).to_digit(16);
        let (Some(high), Some(low)) = (value(pair[0]), value(pair[1])) else {
            return Err(bad);
        };
        *byte = u8::try_from(high << 4 | low).expect("two digits are below 256");
    }
    Ok(bytes)
}
