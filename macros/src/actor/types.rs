//! Types of the user's that are written once more elsewhere.
//!
//! Knows: what may stand in an enum and in a trait. Must not know where the types come from.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{GenericArgument, PathArguments, Result, Type, parse_quote};

use super::block::path_of;
use super::errors::error;

const OWNED: &str = "what is sent to an actor, or answered by it, is owned: it waits, and its sender goes on";

/// The tokens with the actor's type for `Self`, which means something else in a trait and in an enum.
pub(crate) fn without_self(tokens: impl ToTokens, actor: &Type) -> TokenStream {
    let mut tokens = tokens.into_token_stream().into_iter().peekable();
    let mut out = TokenStream::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(name) if name == "Self" => {
                let begins_path =
                    matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
                out.extend(spelled_out(&name, actor, begins_path));
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), without_self(group.stream(), actor));
                inner.set_span(group.span());
                out.extend([TokenTree::Group(inner)]);
            }
            token => out.extend([token]),
        }
    }
    out
}

fn spelled_out(name: &Ident, actor: &Type, begins_path: bool) -> TokenStream {
    let there = name.span();
    match begins_path {
        true => quote_spanned!(there=> <#actor>),
        false => actor.to_token_stream(),
    }
}

/// The type of a parameter, as it is written in a body: lifetimes that the method names are not known there. `None` if it cannot be.
pub(crate) fn within_body(ty: &Type) -> Option<TokenStream> {
    let tokens = ty.to_token_stream();
    let names_lifetimes_of_its_own = |word: &str| ["impl", "dyn", "for"].contains(&word);
    match words(&tokens).iter().any(|word| names_lifetimes_of_its_own(word)) {
        true => None,
        false => Some(without_lifetimes(tokens)),
    }
}

fn words(tokens: &TokenStream) -> Vec<String> {
    let words = tokens.clone().into_iter().flat_map(|token| match token {
        TokenTree::Ident(word) => vec![word.to_string()],
        TokenTree::Group(group) => words(&group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => Vec::new(),
    });
    words.collect()
}

fn without_lifetimes(tokens: TokenStream) -> TokenStream {
    let mut is_lifetime = false;
    let tokens = tokens.into_iter().map(|token| {
        let after_tick = std::mem::replace(
            &mut is_lifetime,
            matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '\''),
        );
        match token {
            TokenTree::Ident(name) if after_tick && name != "static" => Ident::new("_", name.span()).into(),
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), without_lifetimes(group.stream()));
                inner.set_span(group.span());
                inner.into()
            }
            token => token,
        }
    });
    tokens.collect()
}

/// Refuses what cannot lie in a mailbox after its sender has gone on.
pub(crate) fn refuse_borrowed(ty: &Type) -> Result<()> {
    match ty {
        Type::Reference(lent) if lent.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static") => {
            let help = "write `String`, `Vec<u8>` or an `Arc`; only `&mut Context<Self>` is lent, and known by this name";
            Err(error(ty, OWNED, help))
        }
        Type::Reference(lent) => refuse_borrowed(&lent.elem),
        Type::ImplTrait(_) => {
            let what = "what is sent to an actor, or answered by it, has a type that can be written down";
            Err(error(ty, what, "name the type, or box it: `Box<dyn Trait + Send>`"))
        }
        Type::Tuple(tuple) => tuple.elems.iter().try_for_each(refuse_borrowed),
        Type::Array(array) => refuse_borrowed(&array.elem),
        Type::Slice(slice) => refuse_borrowed(&slice.elem),
        Type::Group(group) => refuse_borrowed(&group.elem),
        Type::Paren(paren) => refuse_borrowed(&paren.elem),
        Type::Path(path) => {
            path.path.segments.iter().try_for_each(|segment| refuse_arguments(&segment.arguments))
        }
        _ => Ok(()),
    }
}

/// What stands for a type that has been refused, so that whoever asks is not told of it once more: it borrows for ever, and is nothing
/// where it cannot be written down, or declares lifetimes of its own, which could not be told from those that it borrows for.
pub(crate) fn owned(ty: Type) -> Type {
    let tokens = ty.into_token_stream();
    let type_of = |tokens| syn::parse2(tokens).ok();
    let has_none = |word: &String| ["impl", "for"].contains(&word.as_str());
    let tokens = if words(&tokens).iter().any(has_none) { None } else { Some(for_ever(tokens)) };
    tokens.and_then(type_of).unwrap_or_else(|| parse_quote!(()))
}

fn for_ever(tokens: TokenStream) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut out = TokenStream::new();
    while let Some(token) = tokens.next() {
        let is_tick = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '\'');
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '&' => {
                punct.to_tokens(&mut out);
                if tokens.next_if(is_tick).is_some() {
                    tokens.next();
                }
                out.extend(quote!('static));
            }
            token if is_tick(&token) => {
                tokens.next();
                out.extend(quote!('static));
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), for_ever(group.stream()));
                inner.set_span(group.span());
                inner.to_tokens(&mut out);
            }
            token => token.to_tokens(&mut out),
        }
    }
    out
}

fn refuse_arguments(arguments: &PathArguments) -> Result<()> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return Ok(()) };
    arguments.args.iter().try_for_each(|argument| match argument {
        GenericArgument::Type(ty) => refuse_borrowed(ty),
        GenericArgument::AssocType(assoc) => refuse_borrowed(&assoc.ty),
        GenericArgument::Lifetime(lifetime) if lifetime.ident != "static" => {
            Err(error(lifetime, OWNED, "write a type that owns what it carries"))
        }
        _ => Ok(()),
    })
}

/// The last name of a type's path: `Reply` of `odeon::Reply<u8>`.
pub(crate) fn last_name(ty: &Type) -> Option<&Ident> {
    path_of(ty)?.segments.last().map(|segment| &segment.ident)
}

pub(crate) fn is_named(ty: &Type, name: &str) -> bool {
    last_name(ty).is_some_and(|last| last == name)
}

/// The `T` of `Reply<T>` and `Result<T, E>`.
pub(crate) fn first_argument(ty: &Type) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &path_of(ty)?.segments.last()?.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(first) => Some(first),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_without_self(tokens: TokenStream, expected: &str) {
        let made = without_self(tokens, &parse_quote!(Cache<T>)).to_string();
        assert_eq!(made.replace(' ', ""), expected);
    }

    #[test]
    fn the_actor_is_spelled_out() {
        check_without_self(quote!(Self), "Cache<T>");
        check_without_self(quote!(Vec<(Self, Addr<Self>)>), "Vec<(Cache<T>,Addr<Cache<T>>)>");
        check_without_self(quote!([u8; Self::N]), "[u8;<Cache<T>>::N]");
        check_without_self(quote!(Selfish), "Selfish");
    }

    #[test]
    fn lifetimes_that_a_method_names_are_not_known_in_a_body() {
        let check = |ty: Type, expected: Option<&str>| {
            let written = within_body(&ty).map(|ty| ty.to_string().replace(' ', ""));
            assert_eq!(written.as_deref(), expected);
        };
        check(parse_quote!(&str), Some("&str"));
        check(parse_quote!(&'a [Part<'b>]), Some("&'_[Part<'_>]"));
        check(parse_quote!((&'static str, Head<'_>)), Some("(&'staticstr,Head<'_>)"));
        check(parse_quote!(impl AsRef<str>), None);
        check(parse_quote!(&dyn Debug), None);
    }

    fn may_be_sent(ty: Type) -> bool {
        refuse_borrowed(&ty).is_ok()
    }

    #[test]
    fn what_is_borrowed_is_found_wherever_it_is() {
        for ty in [
            parse_quote!(&str),
            parse_quote!(&'a str),
            parse_quote!(Option<&str>),
            parse_quote!((u8, [&str; 2])),
            parse_quote!(a::B<C<&'a mut [u8]>>),
            parse_quote!(Cow<'_, str>),
            parse_quote!(&'static [&'a str]),
            parse_quote!(Box<impl Fn()>),
        ] {
            assert!(!may_be_sent(ty));
        }
    }

    #[test]
    fn what_is_owned_may_be_sent() {
        for ty in [
            parse_quote!(String),
            parse_quote!(&'static str),
            parse_quote!(Cow<'static, str>),
            parse_quote!(Box<dyn Fn(&str) -> &str + Send>),
            parse_quote!(fn(&u8)),
            parse_quote!([u8; 3]),
            parse_quote!(()),
        ] {
            assert!(may_be_sent(ty));
        }
    }

    #[test]
    fn what_is_refused_has_a_type_that_stands_for_it() {
        let check = |ty: Type, expected: &str| {
            assert_eq!(owned(ty).to_token_stream().to_string().replace(' ', ""), expected);
        };
        check(parse_quote!(&str), "&'staticstr");
        check(parse_quote!(&'a mut [&str]), "&'staticmut[&'staticstr]");
        check(parse_quote!(Option<Cow<'a, str>>), "Option<Cow<'static,str>>");
        check(parse_quote!(Vec<impl Clone>), "()");
        check(parse_quote!((&'a str, Box<dyn for<'b> Fn(&'b u8)>)), "()");
        check(parse_quote!((&str, for<'b> fn(&'b u8))), "()");
    }

    #[test]
    fn types_are_known_by_their_last_name() {
        assert!(is_named(&parse_quote!(Reply<u8>), "Reply"));
        assert!(is_named(&parse_quote!(::odeon::Reply<u8>), "Reply"));
        assert!(!is_named(&parse_quote!(&Reply<u8>), "Reply"));
        assert!(!is_named(&parse_quote!(<A as B>::Reply), "Reply"));
        let first = |ty: Type| first_argument(&ty).map(|first| first.to_token_stream().to_string());
        assert_eq!(first(parse_quote!(odeon::Reply<u8>)), Some("u8".to_owned()));
        assert_eq!(first(parse_quote!(Reply)), None);
        assert_eq!(first(parse_quote!(Lines<80>)), None);
    }
}
