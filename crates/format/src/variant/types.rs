use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::error::VariantError;
use super::framing::{Member, tuple_layout};

/// How deep types and values may nest.
pub const MAX_DEPTH: usize = 64;

/// A definite GVariant type; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// `b`
    Bool,
    /// `y`
    Byte,
    /// `n`
    Int16,
    /// `q`
    Uint16,
    /// `i`
    Int32,
    /// `u`
    Uint32,
    /// `x`
    Int64,
    /// `t`
    Uint64,
    /// `h`
    Handle,
    /// `d`
    Double,
    /// `s`
    String,
    /// `o`
    ObjectPath,
    /// `g`
    Signature,
    /// `v`
    Variant,
    /// `m` and the content's type
    Maybe(Arc<Type>),
    /// `a` and the items' type
    Array(Arc<Type>),
    /// `(` members `)`
    Tuple(Members),
    /// `{` key value `}`; the key is of a basic type
    DictEntry(Members),
}

/// The member types of a tuple or dict entry, with its layout worked out once.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Members(Arc<MembersInner>);

#[derive(PartialEq, Eq, Hash)]
struct MembersInner {
    types: Vec<Type>,
    layout: Member,
}

impl Members {
    fn new(types: Vec<Type>) -> Self {
        let layout = tuple_layout(types.iter().map(Type::layout));
        Self(Arc::new(MembersInner { types, layout }))
    }

    /// The members' types in order.
    pub fn types(&self) -> &[Type] {
        &self.0.types
    }
}

impl Type {
    /// Parses one complete type; nests at most [`MAX_DEPTH`] deep.
    pub fn parse(text: &str) -> Result<Self, VariantError> {
        Self::parse_bytes(text.as_bytes())
    }

    pub(crate) fn parse_bytes(text: &[u8]) -> Result<Self, VariantError> {
        match Self::scan(text, 0)? {
            (ty, []) => Ok(ty),
            _ => Err(bad_type(text)),
        }
    }

    /// Reads one complete type from the start of `text` and returns it with what follows.
    pub(crate) fn scan(text: &[u8], depth: usize) -> Result<(Self, &[u8]), VariantError> {
        if depth > MAX_DEPTH {
            return Err(VariantError::TooDeep { limit: MAX_DEPTH });
        }
        let (&letter, mut rest) = text.split_first().ok_or_else(|| bad_type(text))?;
        let ty = match letter {
            b'a' | b'm' => {
                let (element, after) = Self::scan(rest, depth + 1)?;
                rest = after;
                if letter == b'a' {
                    Self::array(element)
                } else {
                    Self::maybe(element)
                }
            }
            b'(' => {
                let mut types = Vec::new();
                while rest.first() != Some(&b')') {
                    let (ty, after) = Self::scan(rest, depth + 1)?;
                    types.push(ty);
                    rest = after;
                }
                rest = &rest[1..];
                Self::tuple(types)
            }
            b'{' => {
                let (key, after) = Self::scan(rest, depth + 1)?;
                let (value, after) = Self::scan(after, depth + 1)?;
                rest = after.strip_prefix(b"}").ok_or_else(|| bad_type(text))?;
                Self::dict_entry(key, value).ok_or_else(|| bad_type(text))?
            }
            _ => Self::from_letter(letter).ok_or_else(|| bad_type(text))?,
        };
        Ok((ty, rest))
    }

    pub(crate) fn from_letter(letter: u8) -> Option<Self> {
        Some(match letter {
            b'b' => Self::Bool,
            b'y' => Self::Byte,
            b'n' => Self::Int16,
            b'q' => Self::Uint16,
            b'i' => Self::Int32,
            b'u' => Self::Uint32,
            b'x' => Self::Int64,
            b't' => Self::Uint64,
            b'h' => Self::Handle,
            b'd' => Self::Double,
            b's' => Self::String,
            b'o' => Self::ObjectPath,
            b'g' => Self::Signature,
            b'v' => Self::Variant,
            _ => return None,
        })
    }

    /// The type of arrays of `element`.
    pub fn array(element: Type) -> Self {
        Self::Array(Arc::new(element))
    }

    /// The type of optional `content`.
    pub fn maybe(content: Type) -> Self {
        Self::Maybe(Arc::new(content))
    }

    /// The type of tuples of `types`.
    pub fn tuple(types: Vec<Type>) -> Self {
        Self::Tuple(Members::new(types))
    }

    /// The type of dict entries, or `None` if `key` is a container.
    pub fn dict_entry(key: Type, value: Type) -> Option<Self> {
        key.is_basic()
            .then(|| Self::DictEntry(Members::new(vec![key, value])))
    }

    /// `a{sv}`, the type of metadata.
    pub fn vardict() -> Self {
        Self::array(Self::entry_unchecked(Self::String, Self::Variant))
    }

    pub(crate) fn entry_unchecked(key: Type, value: Type) -> Self {
        Self::DictEntry(Members::new(vec![key, value]))
    }

    /// Whether it contains no other value.
    pub fn is_basic(&self) -> bool {
        !matches!(
            self,
            Self::Variant | Self::Maybe(_) | Self::Array(_) | Self::Tuple(_) | Self::DictEntry(_)
        )
    }

    /// Its alignment, and its size if every value of it has the same.
    pub fn layout(&self) -> Member {
        match self {
            Self::Bool | Self::Byte => Member::fixed(1, 1),
            Self::Int16 | Self::Uint16 => Member::fixed(2, 2),
            Self::Int32 | Self::Uint32 | Self::Handle => Member::fixed(4, 4),
            Self::Int64 | Self::Uint64 | Self::Double => Member::fixed(8, 8),
            Self::String | Self::ObjectPath | Self::Signature => Member::variable(1),
            Self::Variant => Member::variable(8),
            Self::Maybe(element) | Self::Array(element) => Member::variable(element.layout().align),
            Self::Tuple(members) | Self::DictEntry(members) => members.0.layout,
        }
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let letter = match self {
            Self::Bool => 'b',
            Self::Byte => 'y',
            Self::Int16 => 'n',
            Self::Uint16 => 'q',
            Self::Int32 => 'i',
            Self::Uint32 => 'u',
            Self::Int64 => 'x',
            Self::Uint64 => 't',
            Self::Handle => 'h',
            Self::Double => 'd',
            Self::String => 's',
            Self::ObjectPath => 'o',
            Self::Signature => 'g',
            Self::Variant => 'v',
            Self::Maybe(element) => {
                out.write_char('m')?;
                return element.write(out);
            }
            Self::Array(element) => {
                out.write_char('a')?;
                return element.write(out);
            }
            Self::Tuple(members) => return write_members(members, '(', ')', out),
            Self::DictEntry(members) => return write_members(members, '{', '}', out),
        };
        out.write_char(letter)
    }
}

fn write_members(
    members: &Members,
    open: char,
    close: char,
    out: &mut impl fmt::Write,
) -> fmt::Result {
    out.write_char(open)?;
    for ty in members.types() {
        ty.write(out)?;
    }
    out.write_char(close)
}

pub(crate) fn bad_type(text: &[u8]) -> VariantError {
    VariantError::BadType {
        text: String::from_utf8_lossy(&text[..text.len().min(80)]).into_owned(),
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Type({self})")
    }
}

impl FromStr for Type {
    type Err = VariantError;

    fn from_str(text: &str) -> Result<Self, VariantError> {
        Self::parse(text)
    }
}

/// Whether `text` may be a value of type `g`: any number of complete types without maybes.
pub(crate) fn is_signature(text: &str) -> bool {
    let mut rest = text.as_bytes();
    if rest.contains(&b'm') {
        return false;
    }
    while !rest.is_empty() {
        match Type::scan(rest, 0) {
            Ok((_, after)) => rest = after,
            Err(_) => return false,
        }
    }
    true
}

/// Whether `text` may be a value of type `o`: `/`, or parts of ASCII letters, digits and `_`, each after a `/`.
pub(crate) fn is_object_path(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    text == "/"
        || text
            .strip_prefix('/')
            .is_some_and(|rest| rest.split('/').all(part))
}
