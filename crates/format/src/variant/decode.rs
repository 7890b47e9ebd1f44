use super::error::{VariantError, not_normal};
use super::framing::{Items, split_str, walk_tuple};
use super::types::{MAX_DEPTH, Members, Type, is_object_path, is_signature};
use super::value::Value;

/// Values that one call of [`Value::parse`] makes at most, so that small bytes can't become large memory.
pub const MAX_VALUES: usize = 4 << 20;

/// Decodes untrusted bytes with a budget of values.
pub(crate) struct Decoder {
    values_left: usize,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self {
            values_left: MAX_VALUES,
        }
    }

    pub(crate) fn decode(
        &mut self,
        ty: &Type,
        bytes: &[u8],
        depth: usize,
    ) -> Result<Value, VariantError> {
        if depth > MAX_DEPTH {
            return Err(VariantError::TooDeep { limit: MAX_DEPTH });
        }
        self.values_left = self
            .values_left
            .checked_sub(1)
            .ok_or(VariantError::TooMany { limit: MAX_VALUES })?;
        Ok(match ty {
            Type::Bool => match bytes {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                _ => return Err(not_normal("a boolean is neither 0 nor 1")),
            },
            Type::Byte => Value::Byte(u8::from_le_bytes(fixed(bytes)?)),
            Type::Int16 => Value::Int16(i16::from_le_bytes(fixed(bytes)?)),
            Type::Uint16 => Value::Uint16(u16::from_le_bytes(fixed(bytes)?)),
            Type::Int32 => Value::Int32(i32::from_le_bytes(fixed(bytes)?)),
            Type::Uint32 => Value::Uint32(u32::from_le_bytes(fixed(bytes)?)),
            Type::Int64 => Value::Int64(i64::from_le_bytes(fixed(bytes)?)),
            Type::Uint64 => Value::Uint64(u64::from_le_bytes(fixed(bytes)?)),
            Type::Handle => Value::Handle(i32::from_le_bytes(fixed(bytes)?)),
            Type::Double => Value::Double(f64::from_le_bytes(fixed(bytes)?)),
            Type::String => Value::Str(split_str(bytes)?.into()),
            Type::ObjectPath => match split_str(bytes)? {
                text if is_object_path(text) => Value::ObjectPath(text.into()),
                _ => return Err(not_normal("an object path breaks its grammar")),
            },
            Type::Signature => match split_str(bytes)? {
                text if is_signature(text) => Value::Signature(text.into()),
                _ => return Err(not_normal("a signature breaks its grammar")),
            },
            Type::Variant => {
                let (ty, content) = split_variant(bytes)?;
                Value::Variant(Box::new(self.decode(&ty, content, depth + 1)?))
            }
            Type::Maybe(content) => self.maybe(content, bytes, depth)?,
            Type::Array(element) if **element == Type::Byte => Value::Bytes(bytes.to_vec()),
            Type::Array(element) => {
                Value::Array(Type::clone(element), self.array(element, bytes, depth)?)
            }
            Type::Tuple(members) => Value::Tuple(self.members(members, bytes, depth)?),
            Type::DictEntry(members) => {
                let mut members = self.members(members, bytes, depth)?.into_iter();
                let (Some(key), Some(value)) = (members.next(), members.next()) else {
                    return Err(not_normal("a dict entry has no key and value"));
                };
                Value::DictEntry(Box::new(key), Box::new(value))
            }
        })
    }

    fn maybe(&mut self, content: &Type, bytes: &[u8], depth: usize) -> Result<Value, VariantError> {
        let inner = match (bytes, content.layout().fixed) {
            ([], _) => None,
            (_, Some(_)) => Some(bytes),
            ([inner @ .., 0], None) => Some(inner),
            _ => return Err(not_normal("a maybe does not end with a zero byte")),
        };
        let value = match inner {
            Some(inner) => Some(Box::new(self.decode(content, inner, depth + 1)?)),
            None => None,
        };
        Ok(Value::Maybe(content.clone(), value))
    }

    fn array(
        &mut self,
        element: &Type,
        bytes: &[u8],
        depth: usize,
    ) -> Result<Vec<Value>, VariantError> {
        let layout = element.layout();
        let mut values = Vec::new();
        match layout.fixed {
            Some(size) => {
                if !bytes.len().is_multiple_of(size) {
                    return Err(not_normal("an array's size is no multiple of its items'"));
                }
                for item in bytes.chunks_exact(size) {
                    values.push(self.decode(element, item, depth + 1)?);
                }
            }
            None => {
                for item in Items::new(bytes, layout.align)? {
                    values.push(self.decode(element, item?, depth + 1)?);
                }
            }
        }
        Ok(values)
    }

    fn members(
        &mut self,
        members: &Members,
        bytes: &[u8],
        depth: usize,
    ) -> Result<Vec<Value>, VariantError> {
        let mut types = members.types().iter();
        let mut values = Vec::with_capacity(types.len());
        if types.len() == 0 {
            return if bytes == [0] {
                Ok(values)
            } else {
                Err(not_normal("a unit is not one zero byte"))
            };
        }
        walk_tuple(bytes, members.types().iter().map(Type::layout), |part| {
            let ty = types
                .next()
                .ok_or_else(|| not_normal("a tuple has too many members"))?;
            values.push(self.decode(ty, part, depth + 1)?);
            Ok::<_, VariantError>(())
        })?;
        Ok(values)
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], VariantError> {
    bytes
        .try_into()
        .map_err(|_| not_normal("a number has another size than its type"))
}

/// The type and the bytes of the value in a serialized `v`.
pub fn split_variant(bytes: &[u8]) -> Result<(Type, &[u8]), VariantError> {
    let nul = bytes.iter().rposition(|&byte| byte == 0);
    let nul = nul.ok_or_else(|| not_normal("a variant has no type string"))?;
    Ok((Type::parse_bytes(&bytes[nul + 1..])?, &bytes[..nul]))
}
