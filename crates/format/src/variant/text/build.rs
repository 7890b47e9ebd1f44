use super::infer::infer;
use super::number::parse_number;
use super::tree::{Kind, Node};
use super::{TextError, error};
use crate::variant::types::{Type, is_object_path, is_signature};
use crate::variant::value::Value;

/// Makes the value of the type that the text itself tells.
pub(super) fn build_inferred(node: &Node<'_>) -> Result<Value, TextError> {
    build(node, &infer(node)?)
}

/// Makes a value of type `ty`; what is no maybe in the text becomes one where the type asks for it.
pub(super) fn build(node: &Node<'_>, ty: &Type) -> Result<Value, TextError> {
    match (&node.kind, ty) {
        (Kind::Typed(_, inner), _) => build(inner, ty),
        (Kind::Maybe(inner), Type::Maybe(content)) => {
            let inner = inner
                .as_deref()
                .map(|inner| build(inner, content).map(Box::new))
                .transpose()?;
            Ok(Value::Maybe(Type::clone(content), inner))
        }
        (_, Type::Maybe(content)) => Ok(Value::Maybe(
            Type::clone(content),
            Some(Box::new(build(node, content)?)),
        )),
        _ => build_plain(node, ty),
    }
}

fn build_plain(node: &Node<'_>, ty: &Type) -> Result<Value, TextError> {
    let unfit = || error(node.at, format!("it can't be of type `{ty}`"));
    match (&node.kind, ty) {
        (Kind::Bool(value), Type::Bool) => Ok(Value::Bool(*value)),
        (Kind::Number(token), _) => {
            parse_number(token, ty, node.at).unwrap_or_else(|| Err(unfit()))
        }
        (Kind::Text(text), Type::String) => Ok(Value::Str(text.clone())),
        (Kind::Text(text), Type::ObjectPath) if is_object_path(text) => {
            Ok(Value::ObjectPath(text.clone()))
        }
        (Kind::Text(text), Type::Signature) if is_signature(text) => {
            Ok(Value::Signature(text.clone()))
        }
        (Kind::Bytes(bytes), Type::Array(element)) if **element == Type::Byte => {
            Ok(Value::Bytes(bytes.clone()))
        }
        (Kind::Variant(inner), Type::Variant) => Ok(build_inferred(inner)?.boxed()),
        (Kind::Array(items), Type::Array(element)) if **element == Type::Byte => {
            let byte = |item: &Node<'_>| Ok(build(item, element)?.as_byte().unwrap_or_default());
            Ok(Value::Bytes(
                items.iter().map(byte).collect::<Result<_, TextError>>()?,
            ))
        }
        (Kind::Array(items), Type::Array(element)) => {
            let items = items
                .iter()
                .map(|item| build(item, element))
                .collect::<Result<_, _>>()?;
            Ok(Value::Array(Type::clone(element), items))
        }
        (Kind::Tuple(items), Type::Tuple(members)) if items.len() == members.types().len() => {
            let items = items
                .iter()
                .zip(members.types())
                .map(|(item, ty)| build(item, ty));
            Ok(Value::Tuple(items.collect::<Result<_, _>>()?))
        }
        (Kind::Dict(entries), Type::Array(element)) => match &**element {
            Type::DictEntry(members) => {
                let items = entries
                    .iter()
                    .map(|(key, value)| build_entry(key, value, members.types()));
                Ok(Value::Array(
                    Type::clone(element),
                    items.collect::<Result<_, _>>()?,
                ))
            }
            _ => Err(unfit()),
        },
        (Kind::Entry(entry), Type::DictEntry(members)) => {
            build_entry(&entry.0, &entry.1, members.types())
        }
        _ => Err(unfit()),
    }
}

fn build_entry(key: &Node<'_>, value: &Node<'_>, types: &[Type]) -> Result<Value, TextError> {
    match types {
        [k, v] => Ok(Value::DictEntry(
            Box::new(build(key, k)?),
            Box::new(build(value, v)?),
        )),
        _ => Err(error(key.at, "a dict entry has a key and a value")),
    }
}
