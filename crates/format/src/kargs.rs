//! Kernel arguments: an ordered list of `key` and `key=value`, in which a key may occur several times.
//!
//! Blanks separate arguments unless they are between double quotes, as the kernel itself reads them. An argument keeps its
//! exact text; only the blanks between arguments are normalised to one space.

#[cfg(test)]
mod tests;

use std::fmt;

/// The reason why an argument could not be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KargsError {
    /// No argument has this key.
    #[error("no kernel argument `{key}`")]
    NoKey {
        /// The key that was looked for.
        key: String,
    },
    /// The key is there, but not with this value.
    #[error("no kernel argument `{argument}`")]
    NoArgument {
        /// The argument that was looked for, as `key=value`.
        argument: String,
    },
    /// Only a key was given and it occurs with several values.
    #[error("kernel argument `{key}` occurs {count} times; say which one, as `{key}=VALUE`")]
    Several {
        /// The key.
        key: String,
        /// How often it occurs.
        count: usize,
    },
    /// The text is empty or holds more than one argument.
    #[error("`{text}` is not one kernel argument")]
    NotOne {
        /// The refused text.
        text: String,
    },
}

/// One kernel argument, with its exact text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Karg(String);

impl Karg {
    /// Takes one argument.
    ///
    /// # Errors
    /// [`KargsError::NotOne`] if the text is empty, or has a blank or control character outside quotes, or a line end anywhere.
    pub fn new(text: &str) -> Result<Self, KargsError> {
        let mut words = split(text);
        match (words.next(), words.next()) {
            (Some(word), None) if word == text => Ok(Self(text.to_owned())),
            _ => Err(KargsError::NotOne {
                text: text.chars().filter(|c| !c.is_control()).take(200).collect(),
            }),
        }
    }

    /// The text as the kernel gets it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first `=`, without an opening quote.
    pub fn key(&self) -> &str {
        self.halves().0
    }

    /// The part after the first `=`, or `None` if there is no `=`; quotes around the value are kept.
    pub fn value(&self) -> Option<&str> {
        self.halves().1
    }

    fn halves(&self) -> (&str, Option<&str>) {
        halves(&self.0)
    }
}

/// Key and value, without quotes around the whole.
fn halves(text: &str) -> (&str, Option<&str>) {
    let text = match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').unwrap_or(rest),
        None => text,
    };
    match text.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (text, None),
    }
}

/// Splits `OLD=NEW` at its first `=` outside of quotes.
fn old_and_new(value: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let at = value.find(|c| {
        quoted ^= c == '"';
        c == '=' && !quoted
    })?;
    Some((&value[..at], &value[at + 1..]))
}

impl fmt::Display for Karg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An ordered list of kernel arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct KernelArgs(Vec<Karg>);

impl KernelArgs {
    /// Makes an empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Splits a kernel command line.
    ///
    /// An unclosed quote reaches to the end of its line; control characters count as blanks, so that what is printed is
    /// always one line.
    pub fn parse(text: &str) -> Self {
        Self(split(text).map(|word| Karg(word.to_owned())).collect())
    }

    /// The arguments in order.
    pub fn iter(&self) -> impl Iterator<Item = &Karg> {
        self.0.iter()
    }

    /// Number of arguments.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether this very `key=value` or bare `key` is there.
    pub fn contains(&self, argument: &str) -> bool {
        let wanted = Wanted::parse(argument);
        self.0.iter().any(|arg| wanted.is(arg))
    }

    /// Says whether an argument has this key, with or without a value.
    pub fn contains_key(&self, key: &str) -> bool {
        self.0.iter().any(|arg| arg.key() == key)
    }

    /// The value of the last argument with this key; `None` if there is none or it has no value.
    pub fn last_value(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|arg| arg.key() == key)?.value()
    }

    /// Values of all arguments with this key, in order.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = Option<&'a str>> {
        self.0
            .iter()
            .filter(move |arg| arg.key() == key)
            .map(Karg::value)
    }

    /// Adds the arguments of a text (often just one) at the end, whatever is there already.
    pub fn append(&mut self, text: &str) {
        self.0.extend(split(text).map(|word| Karg(word.to_owned())));
    }

    /// Adds those arguments of a text whose `key=value` is not there yet, as `rpm-ostree kargs --append-if-missing` does.
    pub fn append_if_missing(&mut self, text: &str) {
        for word in split(text) {
            if !self.contains(word) {
                self.0.push(Karg(word.to_owned()));
            }
        }
    }

    /// Adds those arguments of a text whose key is not there yet with any value, as
    /// `ostree admin kargs edit-in-place --append-if-missing` does.
    pub fn append_if_key_missing(&mut self, text: &str) {
        for word in split(text) {
            let arg = Karg(word.to_owned());
            if !self.contains_key(arg.key()) {
                self.0.push(arg);
            }
        }
    }

    /// Sets `key` or `key=value` as the only argument of its key, at the place of the first one, else at the end; this is what
    /// `ostree admin instutil set-kargs --replace` does.
    ///
    /// # Errors
    /// [`KargsError::NotOne`].
    pub fn set(&mut self, argument: &str) -> Result<(), KargsError> {
        let new = Karg::new(argument)?;
        let Some(first) = self.0.iter().position(|arg| arg.key() == new.key()) else {
            self.0.push(new);
            return Ok(());
        };
        let key = new.key().to_owned();
        self.0[first] = new;
        let mut index = 0;
        self.0.retain(|arg| {
            index += 1;
            index - 1 == first || arg.key() != key
        });
        Ok(())
    }

    /// Changes one argument in its place: `KEY=NEW` if the key occurs once, or `KEY=OLD=NEW`, as `rpm-ostree kargs --replace`
    /// does.
    ///
    /// The text after the first `=` is split at its first `=`, so that a value with a `=` in it can only be given after its old
    /// value.
    ///
    /// # Errors
    /// [`KargsError::NoKey`], [`KargsError::NoArgument`] if `OLD` is not there, [`KargsError::Several`],
    /// [`KargsError::NotOne`]. Nothing is changed then.
    pub fn replace(&mut self, argument: &str) -> Result<(), KargsError> {
        let given = Karg::new(argument)?;
        let key = given.key();
        let count = self.count(key)?;
        let (at, text) = match given.value().and_then(old_and_new) {
            Some((old, new)) => {
                let old = format!("{key}={old}");
                let wanted = Wanted::parse(&old);
                let at = self.0.iter().position(|arg| wanted.is(arg));
                let at = at.ok_or(KargsError::NoArgument {
                    argument: old.clone(),
                })?;
                (at, format!("{key}={new}"))
            }
            None if count > 1 => {
                return Err(KargsError::Several {
                    key: key.to_owned(),
                    count,
                });
            }
            None => {
                let at = self.0.iter().position(|arg| arg.key() == key);
                (at.expect("the key was counted"), argument.to_owned())
            }
        };
        self.0[at] = Karg::new(&text)?;
        Ok(())
    }

    /// Removes one argument: this `key=value`, or the one argument with this key.
    ///
    /// A bare `key` among several arguments of that key removes the one that has no value.
    ///
    /// # Errors
    /// [`KargsError::NoKey`], [`KargsError::NoArgument`], [`KargsError::Several`]. Nothing is changed then.
    pub fn delete(&mut self, argument: &str) -> Result<(), KargsError> {
        let wanted = Wanted::parse(argument);
        let count = self.count(wanted.key)?;
        let at = match self.0.iter().position(|arg| wanted.is(arg)) {
            Some(at) => at,
            None if wanted.value.is_some() => {
                return Err(KargsError::NoArgument {
                    argument: argument.to_owned(),
                });
            }
            None if count > 1 => {
                return Err(KargsError::Several {
                    key: wanted.key.to_owned(),
                    count,
                });
            }
            None => {
                let at = self.0.iter().position(|arg| arg.key() == wanted.key);
                at.expect("the key was counted")
            }
        };
        self.0.remove(at);
        Ok(())
    }

    /// As [`KernelArgs::delete`], but an argument that is not there is no error; says whether one was removed.
    ///
    /// # Errors
    /// [`KargsError::Several`].
    pub fn delete_if_present(&mut self, argument: &str) -> Result<bool, KargsError> {
        match self.delete(argument) {
            Ok(()) => Ok(true),
            Err(KargsError::NoKey { .. } | KargsError::NoArgument { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes all arguments with this key and returns how many there were.
    pub fn delete_key(&mut self, key: &str) -> usize {
        let before = self.0.len();
        self.0.retain(|arg| arg.key() != key);
        before - self.0.len()
    }

    /// Removes all arguments that `stays` does not say of.
    pub fn retain(&mut self, stays: impl FnMut(&Karg) -> bool) {
        self.0.retain(stays);
    }

    /// The bootlink that the initramfs follows, the value of the last `ostree=`.
    pub fn ostree(&self) -> Option<&str> {
        self.last_value("ostree")
    }

    /// Sets `ostree=` in the place of the old one, else at the end.
    ///
    /// # Errors
    /// [`KargsError::NotOne`] if the value has a blank in it.
    pub fn set_ostree(&mut self, bootlink: &str) -> Result<(), KargsError> {
        self.set(&format!("ostree={bootlink}"))
    }

    /// The same list without what a boot loader or a deployment adds by itself: `ostree=`, `initrd=`, `BOOT_IMAGE=`.
    ///
    /// This is what may be taken over from `/proc/cmdline` into a new deployment.
    pub fn without_boot_loader_args(&self) -> Self {
        let own = |arg: &&Karg| !matches!(arg.key(), "ostree" | "initrd" | "BOOT_IMAGE");
        Self(self.0.iter().filter(own).cloned().collect())
    }

    fn count(&self, key: &str) -> Result<usize, KargsError> {
        match self.0.iter().filter(|arg| arg.key() == key).count() {
            0 => Err(KargsError::NoKey {
                key: key.to_owned(),
            }),
            count => Ok(count),
        }
    }
}

impl fmt::Display for KernelArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, arg) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&arg.0)?;
        }
        Ok(())
    }
}

/// An argument to look for.
struct Wanted<'a> {
    key: &'a str,
    value: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn parse(text: &'a str) -> Self {
        let (key, value) = halves(text);
        Self { key, value }
    }

    fn is(&self, arg: &Karg) -> bool {
        arg.key() == self.key && arg.value() == self.value
    }
}

/// Splits at blanks and control characters outside of double quotes; a line end ends a quote too.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c: char| {
        if c == '"' {
            quoted = !quoted;
        }
        let line_end = c.is_ascii_control() && c != '\t';
        if line_end {
            quoted = false;
        }
        line_end || (!quoted && (c == ' ' || c == '\t'))
    })
    .filter(|word| !word.is_empty())
}
