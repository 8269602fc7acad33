//! `#[message]`, `#[call]` and the like where no `#[actor]` has taken them away: what they are for.
//!
//! Knows: that `#[actor]` reads them. Must not know what they take.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;

/// The item, and an error that points at the attribute.
pub(crate) fn explain(name: &str, item: &TokenStream) -> TokenStream {
    let text = match is_type(item) {
        true if name == "message" => {
            "`#[message(…)]` on a type says what `#[derive(Message)]` is to make of it\n\
             help: write `#[derive(Message)]` above it"
                .to_owned()
        }
        true => {
            format!("`#[{name}]` belongs on a method\nhelp: write it within `#[actor] impl MyActor {{ … }}`")
        }
        false => format!(
            "`#[{name}]` says what a method is to an actor, and nobody reads it here\n\
             help: write `#[actor]` above the `impl` block of the actor"
        ),
    };
    quote!(#item ::core::compile_error! { #text })
}

/// True for a struct, an enum, or a union.
fn is_type(item: &TokenStream) -> bool {
    let is_body = |token: &TokenTree| matches!(token, TokenTree::Group(_));
    let mut words = item.clone().into_iter().filter(|token| !is_body(token)).map(|token| token.to_string());
    words
        .find(|word| ["struct", "enum", "union", "fn"].contains(&word.as_str()))
        .is_some_and(|word| word != "fn")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, item: TokenStream, part: &str) {
        let made = explain(name, &item).to_string();
        assert!(made.starts_with(&item.to_string()), "{made}");
        assert!(made.contains(part), "{made}");
    }

    #[test]
    fn the_item_stays_and_the_place_is_named() {
        check(
            "call",
            quote!(
                pub(crate) fn count(&self) -> u64 {
                    0
                }
            ),
            "write `#[actor]` above",
        );
        check("message", quote!(fn said(&mut self, said: Said)), "write `#[actor]` above");
        check(
            "message",
            quote!(
                #[doc = "fn"]
                pub struct Said(u64);
            ),
            "write `#[derive(Message)]` above",
        );
        check(
            "every",
            quote!(
                enum Colour {
                    Red,
                }
            ),
            "belongs on a method",
        );
    }
}
