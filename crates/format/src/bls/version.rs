//! The version order of the UAPI group, which boot loaders use to sort entries.

use std::cmp::Ordering;

/// Compares two versions; `Less` means that `a` is older.
///
/// Digits compare as numbers of any length, letters as ASCII (big before small), and `~` < end < `-` < `^` < `.` < the rest;
/// all other characters only separate.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        a = skip_separators(a);
        b = skip_separators(b);
        if let Some(order) = tilde(&mut a, &mut b) {
            return order;
        }
        if a.is_empty() || b.is_empty() {
            return (!a.is_empty()).cmp(&!b.is_empty());
        }
        let mut marked = false;
        for mark in *b"-^." {
            match mark_order(&mut a, &mut b, mark) {
                Some(Ordering::Equal) => marked = true,
                Some(order) => return order,
                None => continue,
            }
            break;
        }
        if marked {
            continue;
        }
        let order = if a[0].is_ascii_digit() || b[0].is_ascii_digit() {
            digits(&mut a, &mut b)
        } else {
            letters(&mut a, &mut b)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn skip_separators(text: &[u8]) -> &[u8] {
    let known = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'~' | b'-' | b'^' | b'.');
    let start = text.iter().position(known).unwrap_or(text.len());
    &text[start..]
}

/// A `~` sorts before everything, the end too; two of them are passed over.
fn tilde(a: &mut &[u8], b: &mut &[u8]) -> Option<Ordering> {
    loop {
        match (a.first() == Some(&b'~'), b.first() == Some(&b'~')) {
            (true, true) => {
                *a = skip_separators(&a[1..]);
                *b = skip_separators(&b[1..]);
            }
            (true, false) => return Some(Ordering::Less),
            (false, true) => return Some(Ordering::Greater),
            (false, false) => return None,
        }
    }
}

/// Who has the mark is older; both having it, it is passed over (`Equal`).
fn mark_order(a: &mut &[u8], b: &mut &[u8], mark: u8) -> Option<Ordering> {
    match (a.first() == Some(&mark), b.first() == Some(&mark)) {
        (true, true) => {
            *a = &a[1..];
            *b = &b[1..];
            Some(Ordering::Equal)
        }
        (true, false) => Some(Ordering::Less),
        (false, true) => Some(Ordering::Greater),
        (false, false) => None,
    }
}

fn take_while<'a>(text: &mut &'a [u8], of: impl Fn(&u8) -> bool) -> &'a [u8] {
    let end = text.iter().position(|b| !of(b)).unwrap_or(text.len());
    let (head, rest) = text.split_at(end);
    *text = rest;
    head
}

/// Compares the digits in front as numbers; none counts as an empty number, below all others.
fn digits(a: &mut &[u8], b: &mut &[u8]) -> Ordering {
    let a = take_while(a, u8::is_ascii_digit);
    let b = take_while(b, u8::is_ascii_digit);
    let significant = |text: &[u8]| text.iter().position(|b| *b != b'0').unwrap_or(text.len());
    let (short_a, short_b) = (&a[significant(a)..], &b[significant(b)..]);
    (!a.is_empty())
        .cmp(&!b.is_empty())
        .then(short_a.len().cmp(&short_b.len()))
        .then(short_a.cmp(short_b))
}

fn letters(a: &mut &[u8], b: &mut &[u8]) -> Ordering {
    let a = take_while(a, u8::is_ascii_alphabetic);
    let b = take_while(b, u8::is_ascii_alphabetic);
    a.cmp(b)
}
