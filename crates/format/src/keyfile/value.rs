//! The escapes and scalar forms of key file values.

/// Resolves escapes; `None` on an unknown one.
pub(super) fn unescape(raw: &str) -> Option<String> {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => unescape_one(chars.next()?)?,
            c => c,
        });
    }
    Some(out)
}

/// Splits at `;` and resolves escapes, `\;` among them; `None` on an unknown one.
pub(super) fn unescape_list(raw: &str) -> Option<Vec<String>> {
    let mut items = Vec::new();
    let mut item = String::new();
    let mut pending = false;
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        pending = true;
        match c {
            '\\' => match chars.next()? {
                ';' => item.push(';'),
                c => item.push(unescape_one(c)?),
            },
            ';' => {
                items.push(std::mem::take(&mut item));
                pending = false;
            }
            c => item.push(c),
        }
    }
    if pending {
        items.push(item);
    }
    Some(items)
}

fn unescape_one(c: char) -> Option<char> {
    Some(match c {
        's' => ' ',
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        '\\' => '\\',
        _ => return None,
    })
}

/// Escapes leading blanks, line ends and backslashes.
pub(super) fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    escape_into(&mut out, value, false);
    out
}

/// Escapes each item as [`escape`] does, and its `;`, and ends it with `;`.
pub(super) fn escape_list<S: AsRef<str>>(items: &[S]) -> String {
    let mut out = String::new();
    for item in items {
        escape_into(&mut out, item.as_ref(), true);
        out.push(';');
    }
    out
}

fn escape_into(out: &mut String, value: &str, in_list: bool) {
    let mut leading = true;
    for c in value.chars() {
        match c {
            ' ' if leading => out.push_str("\\s"),
            '\t' if leading => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            ';' if in_list => out.push_str("\\;"),
            c => out.push(c),
        }
        // GLib goes on escaping blanks after a line end in front.
        leading = leading && matches!(c, ' ' | '\t' | '\n' | '\r');
    }
}

pub(super) fn parse_bool(raw: &str) -> Option<bool> {
    match raw.trim_ascii_end() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

pub(super) fn parse_number<T: std::str::FromStr>(raw: &str) -> Option<T> {
    raw.trim_ascii_end().parse().ok()
}
