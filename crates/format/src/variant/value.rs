use super::decode::Decoder;
use super::encode;
use super::error::VariantError;
use super::framing::{Member, tuple_layout};
use super::types::Type;

/// Any GVariant value, owned; keeps the order and the duplicates of dicts.
///
/// It can be built by hand, so [`Value::to_bytes`] checks what the enum alone cannot: that items have the declared
/// type and strings no NUL. Doubles compare by their bits.
#[derive(Clone, Debug)]
pub enum Value {
    /// `b`
    Bool(bool),
    /// `y`
    Byte(u8),
    /// `n`
    Int16(i16),
    /// `q`
    Uint16(u16),
    /// `i`
    Int32(i32),
    /// `u`
    Uint32(u32),
    /// `x`
    Int64(i64),
    /// `t`
    Uint64(u64),
    /// `h`, an index into file descriptors that travel beside the value
    Handle(i32),
    /// `d`
    Double(f64),
    /// `s`, without NUL
    Str(String),
    /// `o`
    ObjectPath(String),
    /// `g`
    Signature(String),
    /// `v`
    Variant(Box<Value>),
    /// `m`: the content's type, and the content
    Maybe(Type, Option<Box<Value>>),
    /// `ay`, the only form of an array of bytes
    Bytes(Vec<u8>),
    /// `a`: the items' type (never [`Type::Byte`]), and the items
    Array(Type, Vec<Value>),
    /// `(...)`
    Tuple(Vec<Value>),
    /// `{..}`: key and value
    DictEntry(Box<Value>, Box<Value>),
}

impl Value {
    /// Decodes bytes in little-endian normal form; anything else is an error.
    ///
    /// What it accepts, [`Value::to_bytes`] writes back byte for byte.
    pub fn parse(ty: &Type, bytes: &[u8]) -> Result<Self, VariantError> {
        Decoder::new().decode(ty, bytes, 0)
    }

    /// Serializes to little-endian normal form.
    ///
    /// # Errors
    /// [`VariantError::Mismatch`] and [`VariantError::BadString`] for a value that its type can't hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>, VariantError> {
        let mut out = Vec::new();
        encode::encode(self, &mut out)?;
        Ok(out)
    }

    /// Its type; arrays and maybes answer with what they declare.
    pub fn ty(&self) -> Type {
        match self {
            Self::Bool(_) => Type::Bool,
            Self::Byte(_) => Type::Byte,
            Self::Int16(_) => Type::Int16,
            Self::Uint16(_) => Type::Uint16,
            Self::Int32(_) => Type::Int32,
            Self::Uint32(_) => Type::Uint32,
            Self::Int64(_) => Type::Int64,
            Self::Uint64(_) => Type::Uint64,
            Self::Handle(_) => Type::Handle,
            Self::Double(_) => Type::Double,
            Self::Str(_) => Type::String,
            Self::ObjectPath(_) => Type::ObjectPath,
            Self::Signature(_) => Type::Signature,
            Self::Variant(_) => Type::Variant,
            Self::Maybe(content, _) => Type::maybe(content.clone()),
            Self::Bytes(_) => Type::array(Type::Byte),
            Self::Array(element, _) => Type::array(element.clone()),
            Self::Tuple(items) => Type::tuple(items.iter().map(Self::ty).collect()),
            Self::DictEntry(key, value) => Type::entry_unchecked(key.ty(), value.ty()),
        }
    }

    /// Whether [`Value::ty`] is `ty`, without building it.
    pub fn has_type(&self, ty: &Type) -> bool {
        match (self, ty) {
            (Self::Tuple(items), Type::Tuple(members)) => {
                items.len() == members.types().len()
                    && items
                        .iter()
                        .zip(members.types())
                        .all(|(item, ty)| item.has_type(ty))
            }
            (Self::DictEntry(key, value), Type::DictEntry(members)) => match members.types() {
                [k, v] => key.has_type(k) && value.has_type(v),
                _ => false,
            },
            (Self::Array(found, _), Type::Array(element)) => *found == **element,
            (Self::Maybe(found, _), Type::Maybe(content)) => *found == **content,
            (Self::Tuple(_) | Self::DictEntry(..) | Self::Array(..) | Self::Maybe(..), _) => false,
            _ => self.ty() == *ty,
        }
    }

    pub(crate) fn layout(&self) -> Member {
        let members: &mut dyn Iterator<Item = &Value> = match self {
            Self::Tuple(items) => &mut items.iter(),
            Self::DictEntry(key, value) => &mut [&**key, &**value].into_iter(),
            Self::Array(ty, _) | Self::Maybe(ty, _) => return Member::variable(ty.layout().align),
            _ => return self.ty().layout(),
        };
        tuple_layout(members.map(Self::layout))
    }

    /// An `a{sv}`, in this order.
    pub fn vardict(entries: impl IntoIterator<Item = (String, Value)>) -> Self {
        let entry = |(key, value)| {
            Self::DictEntry(
                Box::new(Self::Str(key)),
                Box::new(Self::Variant(Box::new(value))),
            )
        };
        Self::Array(
            Type::entry_unchecked(Type::String, Type::Variant),
            entries.into_iter().map(entry).collect(),
        )
    }

    /// An `as`.
    pub fn strings<S: Into<String>>(items: impl IntoIterator<Item = S>) -> Self {
        Self::Array(
            Type::String,
            items
                .into_iter()
                .map(|item| Self::Str(item.into()))
                .collect(),
        )
    }

    /// Puts it in a `v`.
    pub fn boxed(self) -> Self {
        Self::Variant(Box::new(self))
    }

    /// The value inside any number of `v`.
    pub fn unboxed(&self) -> &Self {
        let mut value = self;
        while let Self::Variant(inner) = value {
            value = inner;
        }
        value
    }

    /// The text of `s`, `o` or `g`.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) | Self::ObjectPath(text) | Self::Signature(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes of `ay`.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A `b`.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// A `y`.
    pub fn as_byte(&self) -> Option<u8> {
        match self {
            Self::Byte(value) => Some(*value),
            _ => None,
        }
    }

    /// A `u`, as stored (little-endian).
    pub fn as_u32(&self) -> Option<u32> {
        match self {
            Self::Uint32(value) => Some(*value),
            _ => None,
        }
    }

    /// A `u` that was stored with its bytes swapped to big-endian.
    pub fn as_u32_be(&self) -> Option<u32> {
        self.as_u32().map(u32::swap_bytes)
    }

    /// A `t`, as stored (little-endian).
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Uint64(value) => Some(*value),
            _ => None,
        }
    }

    /// A `t` that was stored with its bytes swapped to big-endian.
    pub fn as_u64_be(&self) -> Option<u64> {
        self.as_u64().map(u64::swap_bytes)
    }

    /// The items of an array (but `ay`), or the members of a tuple.
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Self::Array(_, items) | Self::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The strings of an `as`.
    pub fn as_strings(&self) -> Option<Vec<&str>> {
        match self {
            Self::Array(Type::String, items) => items.iter().map(Self::as_str).collect(),
            _ => None,
        }
    }

    /// Key and value of a dict entry.
    pub fn as_entry(&self) -> Option<(&Value, &Value)> {
        match self {
            Self::DictEntry(key, value) => Some((key, value)),
            _ => None,
        }
    }

    /// The first value under `key` in a dict with string keys, out of its `v` if it is in one.
    pub fn lookup(&self, key: &str) -> Option<&Value> {
        let Self::Array(_, items) = self else {
            return None;
        };
        let mut entries = items.iter().filter_map(Self::as_entry);
        let (_, value) = entries.find(|(k, _)| k.as_str() == Some(key))?;
        Some(match value {
            Self::Variant(inner) => inner,
            other => other,
        })
    }

    /// The same value with the bytes of every integer and double inside swapped.
    ///
    /// Objects store their integers big-endian; a printed object shows them swapped back, wherever they lie.
    pub fn byteswapped(&self) -> Self {
        let swap = |value: &Value| Box::new(value.byteswapped());
        match self {
            Self::Int16(v) => Self::Int16(v.swap_bytes()),
            Self::Uint16(v) => Self::Uint16(v.swap_bytes()),
            Self::Int32(v) => Self::Int32(v.swap_bytes()),
            Self::Uint32(v) => Self::Uint32(v.swap_bytes()),
            Self::Int64(v) => Self::Int64(v.swap_bytes()),
            Self::Uint64(v) => Self::Uint64(v.swap_bytes()),
            Self::Handle(v) => Self::Handle(v.swap_bytes()),
            Self::Double(v) => Self::Double(f64::from_bits(v.to_bits().swap_bytes())),
            Self::Variant(inner) => Self::Variant(swap(inner)),
            Self::Maybe(ty, inner) => Self::Maybe(ty.clone(), inner.as_deref().map(swap)),
            Self::Array(ty, items) => {
                Self::Array(ty.clone(), items.iter().map(Self::byteswapped).collect())
            }
            Self::Tuple(items) => Self::Tuple(items.iter().map(Self::byteswapped).collect()),
            Self::DictEntry(key, value) => Self::DictEntry(swap(key), swap(value)),
            _ => self.clone(),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Byte(a), Self::Byte(b)) => a == b,
            (Self::Int16(a), Self::Int16(b)) => a == b,
            (Self::Uint16(a), Self::Uint16(b)) => a == b,
            (Self::Int32(a), Self::Int32(b)) | (Self::Handle(a), Self::Handle(b)) => a == b,
            (Self::Uint32(a), Self::Uint32(b)) => a == b,
            (Self::Int64(a), Self::Int64(b)) => a == b,
            (Self::Uint64(a), Self::Uint64(b)) => a == b,
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits(),
            (Self::Str(a), Self::Str(b))
            | (Self::ObjectPath(a), Self::ObjectPath(b))
            | (Self::Signature(a), Self::Signature(b)) => a == b,
            (Self::Variant(a), Self::Variant(b)) => a == b,
            (Self::Maybe(s, a), Self::Maybe(t, b)) => s == t && a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Array(s, a), Self::Array(t, b)) => s == t && a == b,
            (Self::Tuple(a), Self::Tuple(b)) => a == b,
            (Self::DictEntry(j, a), Self::DictEntry(k, b)) => j == k && a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Uint32(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Uint64(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}
