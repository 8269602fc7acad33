//! What is wrong with a block, all of it.
//!
//! Knows: how errors are gathered. Must not know what they are about.

use proc_macro2::TokenStream;
use syn::{Error, Result};

/// Errors that were found so far. One does not keep others from being found.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn append(&mut self, others: Errors) {
        others.0.into_iter().for_each(|error| self.push(error));
    }

    /// The value, or nothing, and what is wrong with it among the others.
    pub(crate) fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// One `compile_error!` for each.
    pub(crate) fn into_compile_errors(self) -> TokenStream {
        self.0.map(Error::into_compile_error).unwrap_or_default()
    }
}

/// An error at `tokens`, with its cure on a line of its own.
pub(crate) fn error(tokens: impl quote::ToTokens, what: &str, help: &str) -> Error {
    Error::new_spanned(tokens, format!("{what}\nhelp: {help}"))
}
