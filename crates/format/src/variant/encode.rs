use super::error::VariantError;
use super::framing::{Member, align_up, push_end, width_for};
use super::types::{Type, is_object_path, is_signature};
use super::value::Value;

/// Appends zero bytes until `out` is aligned.
pub(crate) fn pad(out: &mut Vec<u8>, align: usize) {
    out.resize(align_up(out.len(), align), 0);
}

/// Appends the framing of a container that began at `start`; `ends` are absolute, in the order to be stored.
pub(crate) fn push_frame(
    out: &mut Vec<u8>,
    start: usize,
    ends: impl ExactSizeIterator<Item = usize>,
) {
    let width = width_for(out.len() - start, ends.len());
    for end in ends {
        push_end(out, width, end - start);
    }
}

/// Appends `value`; `out` is aligned for it, and began at a multiple of 8.
pub(crate) fn encode(value: &Value, out: &mut Vec<u8>) -> Result<(), VariantError> {
    match value {
        Value::Bool(v) => out.push(u8::from(*v)),
        Value::Byte(v) => out.push(*v),
        Value::Int16(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Uint16(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Int32(v) | Value::Handle(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Uint32(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Int64(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Uint64(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Double(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Str(text) => push_text(out, 's', text, !text.contains('\0'))?,
        Value::ObjectPath(text) => push_text(out, 'o', text, is_object_path(text))?,
        Value::Signature(text) => push_text(out, 'g', text, is_signature(text))?,
        Value::Variant(inner) => {
            encode(inner, out)?;
            out.push(0);
            out.extend_from_slice(inner.ty().to_string().as_bytes());
        }
        Value::Maybe(ty, inner) => {
            if let Some(inner) = inner {
                expect_type(ty, inner)?;
                encode(inner, out)?;
                if ty.layout().fixed.is_none() {
                    out.push(0);
                }
            }
        }
        Value::Bytes(bytes) => out.extend_from_slice(bytes),
        Value::Array(ty, items) => encode_array(ty, items, out)?,
        Value::Tuple(items) => encode_members(&items.iter().collect::<Vec<_>>(), out)?,
        Value::DictEntry(key, value) => {
            if !key.ty().is_basic() {
                return Err(mismatch("a basic type", key));
            }
            encode_members(&[key, value], out)?;
        }
    }
    Ok(())
}

fn push_text(out: &mut Vec<u8>, ty: char, text: &str, valid: bool) -> Result<(), VariantError> {
    if !valid {
        return Err(VariantError::BadString {
            ty,
            text: text.chars().take(80).collect(),
        });
    }
    out.extend_from_slice(text.as_bytes());
    out.push(0);
    Ok(())
}

fn mismatch(expected: impl ToString, found: &Value) -> VariantError {
    VariantError::Mismatch {
        expected: expected.to_string(),
        found: found.ty().to_string(),
    }
}

fn expect_type(ty: &Type, value: &Value) -> Result<(), VariantError> {
    if value.has_type(ty) {
        Ok(())
    } else {
        Err(mismatch(ty, value))
    }
}

fn encode_array(ty: &Type, items: &[Value], out: &mut Vec<u8>) -> Result<(), VariantError> {
    let Member { align, fixed } = ty.layout();
    let start = out.len();
    let mut ends = Vec::new();
    if *ty == Type::Byte {
        return Err(VariantError::Mismatch {
            expected: "ay as bytes".into(),
            found: "ay as items".into(),
        });
    }
    for item in items {
        expect_type(ty, item)?;
        pad(out, align);
        encode(item, out)?;
        if fixed.is_none() {
            ends.push(out.len());
        }
    }
    push_frame(out, start, ends.into_iter());
    Ok(())
}

fn encode_members(members: &[&Value], out: &mut Vec<u8>) -> Result<(), VariantError> {
    let start = out.len();
    let mut ends = Vec::new();
    let mut widest = 1;
    let mut all_fixed = true;
    for (i, member) in members.iter().enumerate() {
        let Member { align, fixed } = member.layout();
        pad(out, align);
        encode(member, out)?;
        widest = widest.max(align);
        all_fixed &= fixed.is_some();
        if fixed.is_none() && i + 1 != members.len() {
            ends.push(out.len());
        }
    }
    if all_fixed {
        pad(out, widest);
        if members.is_empty() {
            out.push(0);
        }
    }
    push_frame(out, start, ends.into_iter().rev());
    Ok(())
}
