//! Errors as a person reads them.

use std::fmt::Display;
use std::io;

use ostler_store::StoreError;
use ostler_store::media::MediaError;
use ostler_store::pull::PullError;
use ostler_store::sign::SignError;

use crate::context::Context;
use crate::exit::Exit;
use crate::personality::Personality;

/// An error with the way out of it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Hinted {
    message: String,
    hint: String,
    source: Option<anyhow::Error>,
}

/// A command line that parses but asks for something that can't be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// Returns an error that shows the verb's usage and exits as usage errors do.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    UsageError(message.into()).into()
}

/// Returns an error with a hint.
pub(crate) fn hinted(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Hinted {
        message: message.into(),
        hint: hint.into(),
        source: None,
    }
    .into()
}

/// Adds a hint to an error.
pub(crate) trait WithHint<T> {
    /// Adds `hint` without changing the message.
    fn with_hint<H: Display>(self, hint: impl FnOnce() -> H) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> WithHint<T> for Result<T, E> {
    fn with_hint<H: Display>(self, hint: impl FnOnce() -> H) -> anyhow::Result<T> {
        self.map_err(|error| {
            let error = error.into();
            let message = one_line(&error);
            Hinted {
                message,
                hint: hint().to_string(),
                source: Some(error),
            }
            .into()
        })
    }
}

/// Prints `error` and returns the exit code that goes with it.
pub(crate) fn report(context: &Context, error: &anyhow::Error) -> Exit {
    if is_broken_pipe(error) {
        return Exit::Failed;
    }
    context.printer.error(one_line(error));
    // Programs that read `ostree`'s stderr know of no second line.
    if context.personality != Personality::Ostree {
        let mut hints: Vec<_> = error.chain().filter_map(hint_of).collect();
        // A wrapping error may pass on the hint of the one inside.
        hints.dedup();
        hints.iter().for_each(|hint| context.printer.hint(hint));
    }
    Exit::Failed
}

/// Returns the way out that an error knows of.
fn hint_of(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(hinted) = cause.downcast_ref::<Hinted>() {
        return Some(hinted.hint.clone());
    }
    if let Some(error) = cause.downcast_ref::<PullError>() {
        return error.hint();
    }
    if let Some(error) = cause.downcast_ref::<MediaError>() {
        return error.hint();
    }
    if let Some(error) = cause.downcast_ref::<Box<StoreError>>() {
        return error.hint();
    }
    cause
        .downcast_ref::<StoreError>()
        .and_then(StoreError::hint)
        .or_else(|| cause.downcast_ref::<SignError>().and_then(SignError::hint))
        .or_else(|| ostler_deploy::hint(cause))
}

/// Joins an error and its causes, leaving out a cause that the text before it already tells.
fn one_line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let message = cause.to_string();
        if text.is_empty() {
            text = message;
        } else if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
    }
    text
}

/// Whether the reader of stdout went away, which is its own affair (`ostler log | head`).
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    // Only an unadorned error: libraries wrap theirs, and a broken connection must be told.
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_cause_that_is_already_told_is_not_repeated() {
        let inner = io::Error::other("no space");
        let error = anyhow::Error::from(inner)
            .context("writing `x`: no space")
            .context("commit");
        assert_eq!(one_line(&error), "commit: writing `x`: no space");
    }

    #[test]
    fn a_hint_leaves_the_message_alone() {
        let result: Result<(), _> = Err(io::Error::other("disk on fire")).context("pull");
        let error = result.with_hint(|| "use water").unwrap_err();
        assert_eq!(one_line(&error), "pull: disk on fire");
        let hint = error
            .chain()
            .find_map(|c| c.downcast_ref::<Hinted>())
            .map(|h| h.hint.as_str());
        assert_eq!(hint, Some("use water"));
    }
}
