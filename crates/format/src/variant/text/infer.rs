use super::number::is_double;
use super::tree::{Kind, Node};
use super::{TextError, error};
use crate::variant::types::Type;

/// What is known of a type before the rest of the text is seen.
#[derive(Clone)]
pub(super) struct Pattern {
    /// Any number of maybes may lie around it.
    loose: bool,
    shape: Shape,
}

#[derive(Clone)]
enum Shape {
    Any,
    AnyNumber,
    AnyText,
    Simple(Type),
    Maybe(Box<Pattern>),
    Array(Box<Pattern>),
    Tuple(Vec<Pattern>),
    Entry(Box<(Pattern, Pattern)>),
}

/// Finds the type that `node` has where nothing around it says one.
pub(super) fn infer(node: &Node<'_>) -> Result<Type, TextError> {
    resolve(&pattern(node)?)
        .ok_or_else(|| error(node.at, "its type can't be told; name it with `@`"))
}

fn strict(shape: Shape) -> Pattern {
    Pattern {
        loose: false,
        shape,
    }
}

fn loose(shape: Shape) -> Pattern {
    Pattern { loose: true, shape }
}

fn pattern(node: &Node<'_>) -> Result<Pattern, TextError> {
    Ok(match &node.kind {
        Kind::Bool(_) => loose(Shape::Simple(Type::Bool)),
        Kind::Number(token) if is_double(token) => loose(Shape::Simple(Type::Double)),
        Kind::Number(_) => loose(Shape::AnyNumber),
        Kind::Text(_) => loose(Shape::AnyText),
        Kind::Bytes(_) => loose(Shape::Array(Box::new(strict(Shape::Simple(Type::Byte))))),
        Kind::Variant(_) => loose(Shape::Simple(Type::Variant)),
        Kind::Maybe(inner) => {
            let inner = inner.as_deref().map_or(Ok(strict(Shape::Any)), pattern)?;
            strict(Shape::Maybe(Box::new(inner)))
        }
        Kind::Array(items) => loose(Shape::Array(Box::new(common(items.iter())?))),
        Kind::Tuple(items) => loose(Shape::Tuple(
            items.iter().map(pattern).collect::<Result<_, _>>()?,
        )),
        Kind::Dict(entries) => {
            let entry = match entries.first() {
                Some((_, value)) => (
                    key_pattern(entries.iter().map(|(key, _)| key), node.at)?,
                    pattern(value)?,
                ),
                None => (strict(Shape::Any), strict(Shape::Any)),
            };
            loose(Shape::Array(Box::new(strict(Shape::Entry(Box::new(
                entry,
            ))))))
        }
        Kind::Entry(entry) => {
            let key = key_pattern([&entry.0].into_iter(), node.at)?;
            loose(Shape::Entry(Box::new((key, pattern(&entry.1)?))))
        }
        Kind::Typed(ty, _) => exact(ty),
    })
}

/// The pattern of a dict's keys, which are of a basic type and never maybes.
fn key_pattern<'n, 't: 'n>(
    keys: impl Iterator<Item = &'n Node<'t>>,
    at: usize,
) -> Result<Pattern, TextError> {
    match common(keys)?.shape {
        shape @ (Shape::AnyNumber | Shape::AnyText) => Ok(strict(shape)),
        Shape::Simple(ty) if ty.is_basic() => Ok(strict(Shape::Simple(ty))),
        _ => Err(error(at, "a dict's keys must be of a basic type")),
    }
}

/// The pattern that all nodes fit.
fn common<'n, 't: 'n>(nodes: impl Iterator<Item = &'n Node<'t>>) -> Result<Pattern, TextError> {
    let mut all = None;
    for node in nodes {
        let next = pattern(node)?;
        all = Some(match all {
            None => next,
            Some(before) => unify(&before, &next)
                .ok_or_else(|| error(node.at, "its type differs from the ones before it"))?,
        });
    }
    Ok(all.unwrap_or_else(|| strict(Shape::Any)))
}

fn exact(ty: &Type) -> Pattern {
    strict(match ty {
        Type::Maybe(content) => Shape::Maybe(Box::new(exact(content))),
        Type::Array(element) => Shape::Array(Box::new(exact(element))),
        Type::Tuple(members) => Shape::Tuple(members.types().iter().map(exact).collect()),
        Type::DictEntry(members) => match members.types() {
            [key, value] => Shape::Entry(Box::new((exact(key), exact(value)))),
            _ => Shape::Any,
        },
        simple => Shape::Simple(simple.clone()),
    })
}

/// The pattern of everything that fits both.
fn unify(a: &Pattern, b: &Pattern) -> Option<Pattern> {
    match (&a.shape, &b.shape) {
        (Shape::Any, _) => return Some(b.clone()),
        (_, Shape::Any) => return Some(a.clone()),
        (_, Shape::Maybe(inner)) if a.loose => {
            return Some(strict(Shape::Maybe(Box::new(unify(a, inner)?))));
        }
        (Shape::Maybe(inner), _) if b.loose => {
            return Some(strict(Shape::Maybe(Box::new(unify(inner, b)?))));
        }
        _ => {}
    }
    let shape = match (&a.shape, &b.shape) {
        (Shape::AnyNumber, Shape::AnyNumber) => Shape::AnyNumber,
        (Shape::AnyText, Shape::AnyText) => Shape::AnyText,
        (Shape::AnyNumber, Shape::Simple(ty)) | (Shape::Simple(ty), Shape::AnyNumber)
            if is_number(ty) =>
        {
            Shape::Simple(ty.clone())
        }
        (Shape::AnyText, Shape::Simple(ty)) | (Shape::Simple(ty), Shape::AnyText)
            if is_text(ty) =>
        {
            Shape::Simple(ty.clone())
        }
        (Shape::Simple(s), Shape::Simple(t)) if s == t => Shape::Simple(s.clone()),
        (Shape::Maybe(s), Shape::Maybe(t)) => Shape::Maybe(Box::new(unify(s, t)?)),
        (Shape::Array(s), Shape::Array(t)) => Shape::Array(Box::new(unify(s, t)?)),
        (Shape::Tuple(s), Shape::Tuple(t)) if s.len() == t.len() => Shape::Tuple(
            s.iter()
                .zip(t)
                .map(|(s, t)| unify(s, t))
                .collect::<Option<_>>()?,
        ),
        (Shape::Entry(s), Shape::Entry(t)) => {
            Shape::Entry(Box::new((unify(&s.0, &t.0)?, unify(&s.1, &t.1)?)))
        }
        _ => return None,
    };
    Some(Pattern {
        loose: a.loose && b.loose,
        shape,
    })
}

fn is_number(ty: &Type) -> bool {
    ty.is_basic() && !is_text(ty) && *ty != Type::Bool
}

fn is_text(ty: &Type) -> bool {
    matches!(ty, Type::String | Type::ObjectPath | Type::Signature)
}

/// The type that a pattern stands for: `i` for any number, `s` for any text, no maybe that need not be.
fn resolve(pattern: &Pattern) -> Option<Type> {
    Some(match &pattern.shape {
        Shape::Any => return None,
        Shape::AnyNumber => Type::Int32,
        Shape::AnyText => Type::String,
        Shape::Simple(ty) => ty.clone(),
        Shape::Maybe(inner) => Type::maybe(resolve(inner)?),
        Shape::Array(inner) => Type::array(resolve(inner)?),
        Shape::Tuple(members) => Type::tuple(members.iter().map(resolve).collect::<Option<_>>()?),
        Shape::Entry(entry) => Type::dict_entry(resolve(&entry.0)?, resolve(&entry.1)?)?,
    })
}
