use super::token::Tokens;
use super::{TextError, error};
use crate::variant::types::{MAX_DEPTH, Type};

/// What the text says, before its types are known.
pub(super) struct Node<'t> {
    /// Where it begins in the text.
    pub(super) at: usize,
    pub(super) kind: Kind<'t>,
}

pub(super) enum Kind<'t> {
    Bool(bool),
    Number(&'t str),
    Text(String),
    /// Holds its NUL.
    Bytes(Vec<u8>),
    Maybe(Option<Box<Node<'t>>>),
    Array(Vec<Node<'t>>),
    Tuple(Vec<Node<'t>>),
    Variant(Box<Node<'t>>),
    Dict(Vec<(Node<'t>, Node<'t>)>),
    Entry(Box<(Node<'t>, Node<'t>)>),
    Typed(Type, Box<Node<'t>>),
}

pub(super) fn parse(text: &str) -> Result<Node<'_>, TextError> {
    let mut tokens = Tokens::new(text);
    let node = parse_node(&mut tokens, 0)?;
    let at = tokens.position();
    match tokens.peek() {
        "" => Ok(node),
        rest => Err(error(at, format!("`{rest}` follows the value"))),
    }
}

fn parse_node<'t>(tokens: &mut Tokens<'t>, depth: usize) -> Result<Node<'t>, TextError> {
    let at = tokens.position();
    if depth > MAX_DEPTH {
        return Err(error(
            at,
            format!("values are nested deeper than {MAX_DEPTH}"),
        ));
    }
    let token = tokens.peek();
    let first = token.bytes().next();
    if !matches!(first, Some(b'[' | b'(' | b'<' | b'{')) && !is_value_start(token) {
        return Err(error(
            at,
            if token.is_empty() {
                "a value is missing".into()
            } else {
                format!("`{token}` is not a value")
            },
        ));
    }
    tokens.advance();
    let kind = match (token, first) {
        ("[", _) => Kind::Array(parse_array(tokens, depth)?),
        ("(", _) => Kind::Tuple(parse_tuple(tokens, depth)?),
        ("{", _) => parse_dict(tokens, depth)?,
        ("<", _) => {
            let inner = parse_node(tokens, depth + 1)?;
            tokens.require(">")?;
            Kind::Variant(Box::new(inner))
        }
        ("true", _) => Kind::Bool(true),
        ("false", _) => Kind::Bool(false),
        ("nothing", _) => Kind::Maybe(None),
        ("just", _) => Kind::Maybe(Some(Box::new(parse_node(tokens, depth + 1)?))),
        ("inf" | "nan", _) | (_, Some(b'0'..=b'9' | b'-' | b'+' | b'.')) => Kind::Number(token),
        (_, Some(b'\'' | b'"')) => Kind::Text(unescape(token, at)?),
        (_, Some(b'@')) => {
            let ty = Type::parse(&token[1..]).map_err(|problem| error(at, problem.to_string()))?;
            Kind::Typed(ty, Box::new(parse_node(tokens, depth + 1)?))
        }
        _ if token.starts_with("b'") || token.starts_with("b\"") => {
            Kind::Bytes(unescape_bytes(&token[1..], at + 1)?)
        }
        _ => match keyword(token) {
            Some(ty) => Kind::Typed(ty, Box::new(parse_node(tokens, depth + 1)?)),
            None => return Err(error(at, format!("`{token}` is not a keyword"))),
        },
    };
    Ok(Node { at, kind })
}

fn is_value_start(token: &str) -> bool {
    token.starts_with(|first: char| {
        first.is_ascii_digit() || first.is_ascii_lowercase() || "-+.'\"@".contains(first)
    })
}

fn keyword(word: &str) -> Option<Type> {
    Some(match word {
        "boolean" => Type::Bool,
        "byte" => Type::Byte,
        "int16" => Type::Int16,
        "uint16" => Type::Uint16,
        "int32" => Type::Int32,
        "handle" => Type::Handle,
        "uint32" => Type::Uint32,
        "int64" => Type::Int64,
        "uint64" => Type::Uint64,
        "double" => Type::Double,
        "string" => Type::String,
        "objectpath" => Type::ObjectPath,
        "signature" => Type::Signature,
        _ => return None,
    })
}

fn parse_array<'t>(tokens: &mut Tokens<'t>, depth: usize) -> Result<Vec<Node<'t>>, TextError> {
    let mut items = Vec::new();
    while !tokens.take("]") {
        if !items.is_empty() {
            tokens.require(",")?;
        }
        items.push(parse_node(tokens, depth + 1)?);
    }
    Ok(items)
}

/// A tuple of one needs a comma after it, longer ones must not have one.
fn parse_tuple<'t>(tokens: &mut Tokens<'t>, depth: usize) -> Result<Vec<Node<'t>>, TextError> {
    let mut items = Vec::new();
    while !tokens.take(")") {
        if items.len() > 1 {
            tokens.require(",")?;
        }
        items.push(parse_node(tokens, depth + 1)?);
        if items.len() == 1 {
            tokens.require(",")?;
        }
    }
    Ok(items)
}

/// `{key: value, ...}` is a dict, `{key, value}` one entry.
fn parse_dict<'t>(tokens: &mut Tokens<'t>, depth: usize) -> Result<Kind<'t>, TextError> {
    let mut entries = Vec::new();
    while !tokens.take("}") {
        if !entries.is_empty() {
            tokens.require(",")?;
        }
        let key = parse_node(tokens, depth + 1)?;
        if entries.is_empty() && tokens.take(",") {
            let value = parse_node(tokens, depth + 1)?;
            tokens.require("}")?;
            return Ok(Kind::Entry(Box::new((key, value))));
        }
        tokens.require(":")?;
        entries.push((key, parse_node(tokens, depth + 1)?));
    }
    Ok(Kind::Dict(entries))
}

/// The part of quoted text between its quotes.
fn unquote(token: &str, at: usize) -> Result<&str, TextError> {
    let mut escaped = false;
    for (i, byte) in token.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == token.as_bytes()[0] => return Ok(&token[1..i]),
            _ => {}
        }
    }
    Err(error(at, "quoted text does not end"))
}

fn unescape(token: &str, at: usize) -> Result<String, TextError> {
    let mut rest = unquote(token, at)?;
    let mut out = String::with_capacity(rest.len());
    while let Some(next) = rest.chars().next() {
        rest = &rest[next.len_utf8()..];
        if next != '\\' {
            if next == '\0' {
                return Err(error(at, "NUL in text"));
            }
            out.push(next);
            continue;
        }
        let Some(letter) = rest.chars().next() else {
            break;
        };
        rest = &rest[letter.len_utf8()..];
        let digits = match letter {
            'u' => 4,
            'U' => 8,
            '\n' => continue,
            '\0' => return Err(error(at, "NUL in text")),
            _ => {
                out.push(short_escape(letter));
                continue;
            }
        };
        let code = rest
            .get(..digits)
            .filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let character = code
            .and_then(|code| u32::from_str_radix(code, 16).ok())
            .and_then(char::from_u32);
        match character {
            Some(character) if character != '\0' => out.push(character),
            _ => {
                return Err(error(
                    at,
                    format!("`\\{letter}` is not followed by {digits} digits of a character"),
                ));
            }
        }
        rest = &rest[digits..];
    }
    Ok(out)
}

/// The character that a backslash and this letter stand for; others stand for themselves.
fn short_escape(letter: char) -> char {
    match letter {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        other => other,
    }
}

/// As C does, it ends at the first NUL, however that came in.
fn unescape_bytes(token: &str, at: usize) -> Result<Vec<u8>, TextError> {
    let mut bytes = unquote(token, at)?.bytes().peekable();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(first @ b'0'..=b'3') => {
                let mut number = first - b'0';
                for _ in 0..2 {
                    if let Some(digit) = bytes.next_if(|byte| (b'0'..=b'7').contains(byte)) {
                        number = number << 3 | (digit - b'0');
                    }
                }
                out.push(number);
            }
            Some(b'\n') | None => {}
            Some(letter) if letter.is_ascii() => out.push(short_escape(char::from(letter)) as u8),
            Some(other) => out.push(other),
        }
    }
    out.truncate(out.iter().position(|&byte| byte == 0).unwrap_or(out.len()));
    out.push(0);
    Ok(out)
}
