//! Lists of keys in an attribute: `local, timeout = "1s", mailbox(capacity = 8)`.
//!
//! Knows: keys, commas, and how to go on behind a mistake. Must not know which keys there are.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Result, Token, parenthesized, token};

use super::errors::{Errors, error};

/// Hands each key to `take`, with what follows it. What `take` refuses is skipped up to the next comma.
pub(crate) fn each_key(
    input: ParseStream<'_>,
    errors: &mut Errors,
    mut take: impl FnMut(&Ident, ParseStream<'_>, &mut Errors) -> Result<()>,
) {
    let mut seen = Vec::new();
    while !input.is_empty() {
        let one = key(input, &mut seen).and_then(|name| take(&name, input, errors)).and_then(|()| end(input));
        if errors.take(one).is_none() {
            skip(input);
        }
        let comma: Option<Token![,]> = input.parse().ok();
        debug_assert!(comma.is_some() || input.is_empty(), "a key ends with a comma, or the list does");
    }
}

/// The same of what is in the parentheses of an attribute.
pub(crate) fn each_key_of(
    tokens: proc_macro2::TokenStream,
    errors: &mut Errors,
    take: impl FnMut(&Ident, ParseStream<'_>, &mut Errors) -> Result<()>,
) {
    let mut found = Errors::default();
    let read = |input: ParseStream<'_>| {
        each_key(input, &mut found, take);
        Ok(())
    };
    let read = read.parse2(tokens);
    errors.take(read);
    errors.append(found);
}

fn key(input: ParseStream<'_>, seen: &mut Vec<String>) -> Result<Ident> {
    let name = Ident::parse_any(input)?;
    let text = name.to_string();
    if seen.contains(&text) {
        return Err(error(&name, &format!("`{text}` is given twice"), "leave one of them out"));
    }
    seen.push(text);
    Ok(name)
}

fn end(input: ParseStream<'_>) -> Result<()> {
    match input.is_empty() || input.peek(Token![,]) {
        true => Ok(()),
        false => Err(input.error("expected `,`")),
    }
}

/// Skips to the next comma that is not between angle brackets.
fn skip(input: ParseStream<'_>) {
    let mut depth = 0_i32;
    while !(input.is_empty() || depth <= 0 && input.peek(Token![,])) {
        depth += i32::from(input.peek(Token![<])) - i32::from(input.peek(Token![>]));
        let skipped: Result<proc_macro2::TokenTree> = input.parse();
        debug_assert!(skipped.is_ok(), "there is one more");
    }
}

/// The `=` in front of a value.
pub(crate) fn equals(name: &Ident, example: &str, input: ParseStream<'_>) -> Result<()> {
    match input.parse::<Option<Token![=]>>()? {
        Some(_) => Ok(()),
        None => Err(error(name, &format!("`{name}` takes a value"), &format!("write `{example}`"))),
    }
}

/// Keys of a key: `mailbox(…)`.
pub(crate) fn nested(
    name: &Ident,
    example: &str,
    input: ParseStream<'_>,
    errors: &mut Errors,
    take: impl FnMut(&Ident, ParseStream<'_>, &mut Errors) -> Result<()>,
) -> Result<()> {
    if !input.peek(token::Paren) {
        let what = format!("`{name}` takes what it says in parentheses");
        return Err(error(name, &what, &format!("write `{example}`")));
    }
    let content;
    parenthesized!(content in input);
    if content.is_empty() {
        return Err(error(name, &format!("`{name}` says nothing"), &format!("write `{example}`")));
    }
    each_key(&content, errors, take);
    Ok(())
}

/// A key that nobody knows.
pub(crate) fn unknown(name: &Ident, known: &str) -> Error {
    error(name, &format!("unknown key `{name}`"), known)
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::Type;

    use super::*;

    /// The keys that are taken, and how many errors there are.
    fn read(tokens: proc_macro2::TokenStream) -> (Vec<String>, usize) {
        let mut taken = Vec::new();
        let mut errors = Errors::default();
        each_key_of(tokens, &mut errors, |name, input, _| {
            match name.to_string().as_str() {
                "flag" => {}
                "of" => {
                    equals(name, "of = Type", input)?;
                    input.parse::<Type>()?;
                }
                _ => return Err(unknown(name, "known are `flag` and `of = Type`")),
            }
            taken.push(name.to_string());
            Ok(())
        });
        (taken, errors.into_compile_errors().to_string().matches("compile_error").count())
    }

    fn check(tokens: proc_macro2::TokenStream, taken: &[&str], errors: usize) {
        let text = tokens.to_string();
        assert_eq!(read(tokens), (taken.iter().map(|&name| name.to_owned()).collect(), errors), "{text}");
    }

    #[test]
    fn keys_are_taken_in_order() {
        check(quote!(), &[], 0);
        check(quote!(flag), &["flag"], 0);
        check(quote!(of = Map<A, B>, flag,), &["of", "flag"], 0);
    }

    #[test]
    fn a_mistake_does_not_hide_what_follows() {
        check(quote!(what = Map<A, B>, flag), &["flag"], 1);
        check(quote!(of = "a", what, flag), &["flag"], 2);
        check(quote!(of, flag), &["flag"], 1);
        check(quote!(flag = 3, of = A), &["flag", "of"], 1);
        check(quote!(flag of = A, of = B), &["flag", "of"], 1);
        check(quote!(flag, flag), &["flag"], 1);
        check(quote!(3, flag), &["flag"], 1);
        check(quote!(, flag), &["flag"], 1);
    }
}
