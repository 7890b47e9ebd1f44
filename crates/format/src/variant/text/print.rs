use std::fmt::Write as _;

use super::printable::is_printable;
use crate::variant::types::Type;
use crate::variant::value::Value;

/// Appends `value`; `types` asks for annotations.
pub(super) fn print(value: &Value, types: bool, out: &mut String) {
    match value {
        Value::Bool(v) => out.push_str(if *v { "true" } else { "false" }),
        Value::Byte(v) => number("byte ", types, format_args!("0x{v:02x}"), out),
        Value::Int16(v) => number("int16 ", types, format_args!("{v}"), out),
        Value::Uint16(v) => number("uint16 ", types, format_args!("{v}"), out),
        Value::Int32(v) => number("", types, format_args!("{v}"), out),
        Value::Uint32(v) => number("uint32 ", types, format_args!("{v}"), out),
        Value::Int64(v) => number("int64 ", types, format_args!("{v}"), out),
        Value::Uint64(v) => number("uint64 ", types, format_args!("{v}"), out),
        Value::Handle(v) => number("handle ", types, format_args!("{v}"), out),
        Value::Double(v) => out.push_str(&super::number::print_double(*v)),
        Value::Str(text) => print_text(text, out),
        Value::ObjectPath(text) => number("objectpath ", types, format_args!("'{text}'"), out),
        Value::Signature(text) => number("signature ", types, format_args!("'{text}'"), out),
        Value::Variant(inner) => {
            out.push('<');
            print(inner, true, out);
            out.push('>');
        }
        Value::Maybe(_, inner) => {
            declare(value, types, out);
            print_maybe(inner.as_deref(), out);
        }
        Value::Bytes(bytes) => print_bytes(bytes, types, out),
        Value::Array(Type::DictEntry(_), items) => {
            if items.is_empty() {
                declare(value, types, out);
            }
            print_items(items, types, ('{', '}'), out);
        }
        Value::Array(_, items) => {
            if items.is_empty() {
                declare(value, types, out);
            }
            print_items(items, types, ('[', ']'), out);
        }
        Value::Tuple(items) => {
            out.push('(');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                print(item, types, out);
            }
            out.push_str(if items.len() == 1 { ",)" } else { ")" });
        }
        Value::DictEntry(key, value) => {
            out.push('{');
            print(key, types, out);
            out.push_str(", ");
            print(value, types, out);
            out.push('}');
        }
    }
}

fn number(name: &str, types: bool, text: std::fmt::Arguments<'_>, out: &mut String) {
    if types {
        out.push_str(name);
    }
    let _ = out.write_fmt(text);
}

fn declare(value: &Value, types: bool, out: &mut String) {
    if types {
        let _ = write!(out, "@{} ", value.ty());
    }
}

/// Only the first item of an array carries types; the others must have the same.
fn print_items(items: &[Value], types: bool, (open, close): (char, char), out: &mut String) {
    out.push(open);
    for (i, item) in items.iter().enumerate() {
        out.push_str(if i == 0 { "" } else { ", " });
        let types = types && i == 0;
        match item {
            Value::DictEntry(key, value) => {
                print(key, types, out);
                out.push_str(": ");
                print(value, types, out);
            }
            _ => print(item, types, out),
        }
    }
    out.push(close);
}

/// A maybe's content needs no `just` unless it ends in `nothing` itself.
fn print_maybe(inner: Option<&Value>, out: &mut String) {
    let mut ends_in_nothing = inner;
    while let Some(Value::Maybe(_, next)) = ends_in_nothing {
        ends_in_nothing = next.as_deref();
    }
    match inner {
        None => out.push_str("nothing"),
        Some(inner) => {
            out.push_str(if ends_in_nothing.is_none() {
                "just "
            } else {
                ""
            });
            print(inner, false, out);
        }
    }
}

/// Bytes whose only NUL is the last print as text, others as numbers.
fn print_bytes(bytes: &[u8], types: bool, out: &mut String) {
    match bytes.split_last() {
        None => out.push_str(if types { "@ay []" } else { "[]" }),
        Some((0, text)) if !text.contains(&0) => {
            let quote = if text.contains(&b'\'') { '"' } else { '\'' };
            out.push('b');
            out.push(quote);
            text.iter().for_each(|&byte| print_byte_of_text(byte, out));
            out.push(quote);
        }
        Some(_) => {
            for (i, byte) in bytes.iter().enumerate() {
                out.push_str(match i {
                    0 if types => "[byte ",
                    0 => "[",
                    _ => ", ",
                });
                let _ = write!(out, "0x{byte:02x}");
            }
            out.push(']');
        }
    }
}

fn print_byte_of_text(byte: u8, out: &mut String) {
    match short_escape(char::from(byte)) {
        _ if byte == 7 => out.push_str("\\007"),
        Some(letter) => out.extend(['\\', letter]),
        None if byte == b'\\' || byte == b'"' => out.extend(['\\', char::from(byte)]),
        None if (b' '..=b'~').contains(&byte) => out.push(char::from(byte)),
        None => {
            let _ = write!(out, "\\{byte:03o}");
        }
    }
}

fn short_escape(character: char) -> Option<char> {
    Some(match character {
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\u{b}' => 'v',
        _ => return None,
    })
}

fn print_text(text: &str, out: &mut String) {
    let quote = if text.contains('\'') { '"' } else { '\'' };
    out.push(quote);
    for character in text.chars() {
        if character == quote || character == '\\' {
            out.extend(['\\', character]);
        } else if is_printable(character) {
            out.push(character);
        } else if let Some(letter) = short_escape(character) {
            out.extend(['\\', letter]);
        } else {
            let code = u32::from(character);
            let _ = if code < 0x10000 {
                write!(out, "\\u{code:04x}")
            } else {
                write!(out, "\\U{code:08x}")
            };
        }
    }
    out.push(quote);
}
