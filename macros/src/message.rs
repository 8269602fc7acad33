//! `#[derive(Message)]`: a type that actors can be sent.
//!
//! Knows: the shape of `odeon::Message` (one associated type, `Reply`). Must not know actors.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::meta::ParseNestedMeta;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, Fields, Generics, Meta, Path, Result, Type, parse_quote,
};

const ARGUMENTS: &str =
    "`#[message(…)]` on a type takes `reply = Type`, `heap_bytes = self.text.len()` and `crate = path`";

/// What `#[message(…)]` on the type says.
#[derive(Default)]
struct Arguments {
    reply: Option<Type>,
    heap_bytes: Option<Expr>,
    root: Option<Path>,
}

/// The implementation of `Message` for the type, or what is wrong with it.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    refuse_shape(input)?;
    let arguments = Arguments::of(&input.attrs)?;
    let reply = arguments.reply.unwrap_or_else(|| parse_quote!(()));
    let heap_bytes = arguments.heap_bytes.map(|bytes| {
        quote! {
            fn heap_bytes(&self) -> ::core::primitive::usize {
                #bytes
            }
        }
    });
    let root = arguments.root.unwrap_or_else(|| parse_quote!(::odeon));
    let name = &input.ident;
    let generics = with_static_bounds(input.generics.clone());
    let (parameters, names, bounds) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #parameters #root::Message for #name #names #bounds {
            type Reply = #reply;
            #heap_bytes
        }
    })
}

/// A message is `'static`, and it is if everything that it is generic over is.
fn with_static_bounds(mut generics: Generics) -> Generics {
    let parameters: Vec<_> = generics.type_params().map(|parameter| parameter.ident.clone()).collect();
    if !parameters.is_empty() {
        let bounds = &mut generics.make_where_clause().predicates;
        bounds.extend(
            parameters
                .into_iter()
                .map(|parameter| -> syn::WherePredicate { parse_quote!(#parameter: 'static) }),
        );
    }
    generics
}

impl Arguments {
    fn of(attributes: &[Attribute]) -> Result<Arguments> {
        let mut arguments = Arguments::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("message")) {
            let Meta::List(list) = &attribute.meta else {
                return Err(Error::new_spanned(attribute, format!("nothing is said here: {ARGUMENTS}")));
            };
            if list.tokens.is_empty() {
                return Err(Error::new_spanned(attribute, format!("nothing is said here: {ARGUMENTS}")));
            }
            attribute.parse_nested_meta(|meta| arguments.take(&meta))?;
        }
        Ok(arguments)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("reply") {
            let reply = meta.value()?.parse().map_err(|error| {
                Error::new(error.span(), "`reply` takes a type, without quotes: `reply = Option<String>`")
            })?;
            set(&mut self.reply, reply, meta)
        } else if meta.path.is_ident("heap_bytes") {
            let bytes = meta.value()?.parse().map_err(|error| {
                let help = "`heap_bytes` takes an expression of `self`: `heap_bytes = self.text.len()`";
                Error::new(error.span(), help)
            })?;
            set(&mut self.heap_bytes, bytes, meta)
        } else if meta.path.is_ident("crate") {
            let root = meta.value()?.call(Path::parse_mod_style).map_err(|error| {
                Error::new(
                    error.span(),
                    "`crate` takes a path, without quotes: `crate = crate::vendored::odeon`",
                )
            })?;
            set(&mut self.root, root, meta)
        } else {
            let name = meta.path.to_token_stream();
            Err(meta.error(format!("unknown argument `{name}`: {ARGUMENTS}")))
        }
    }
}

fn set<T>(place: &mut Option<T>, value: T, meta: &ParseNestedMeta<'_>) -> Result<()> {
    if place.replace(value).is_some() {
        let name = meta.path.to_token_stream();
        return Err(meta.error(format!("`{name}` is given twice")));
    }
    Ok(())
}

/// Refuses what cannot be a message, and attributes in places where they would mean nothing.
fn refuse_shape(input: &DeriveInput) -> Result<()> {
    if let Some(lifetime) = input.generics.lifetimes().next() {
        let text = "a message owns what it carries, for it waits in a mailbox after its sender has gone on: \
                    it cannot have a lifetime parameter\n\
                    help: carry `String`, `Vec<u8>` or an `Arc` instead of a reference";
        return Err(Error::new_spanned(lifetime, text));
    }
    match &input.data {
        Data::Struct(data) => refuse_attributes_on_fields(&data.fields),
        Data::Enum(data) => data.variants.iter().try_for_each(|variant| {
            refuse_attributes(&variant.attrs)?;
            refuse_attributes_on_fields(&variant.fields)
        }),
        Data::Union(data) => {
            let text = "a union cannot be a message: nobody knows how to drop what it carries\n\
                        help: use an enum";
            Err(Error::new_spanned(data.union_token, text))
        }
    }
}

fn refuse_attributes_on_fields(fields: &Fields) -> Result<()> {
    fields.iter().try_for_each(|field| refuse_attributes(&field.attrs))
}

fn refuse_attributes(attributes: &[Attribute]) -> Result<()> {
    match attributes.iter().find(|attribute| attribute.path().is_ident("message")) {
        None => Ok(()),
        Some(attribute) => Err(Error::new_spanned(
            attribute,
            "`#[message(…)]` belongs on the type, not on its fields or variants",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: DeriveInput, expected: TokenStream) {
        let made = expand(&input).map(|tokens| tokens.to_string());
        assert_eq!(made.map_err(|error| error.to_string()), Ok(expected.to_string()));
    }

    fn check_refused(input: DeriveInput, part: &str) {
        let error = expand(&input).expect_err("this is not a message").to_string();
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }

    #[test]
    fn a_message_is_answered_with_nothing_unless_it_says_so() {
        check(
            parse_quote!(
                struct Ping(u32);
            ),
            quote!(
                #[automatically_derived]
                impl ::odeon::Message for Ping {
                    type Reply = ();
                }
            ),
        );
        check(
            parse_quote!(
                #[message(reply = Vec<u8>)]
                enum Read {
                    All,
                    Some(u32),
                }
            ),
            quote!(
                #[automatically_derived]
                impl ::odeon::Message for Read {
                    type Reply = Vec<u8>;
                }
            ),
        );
    }

    #[test]
    fn a_message_may_say_what_it_holds() {
        check(
            parse_quote!(
                #[message(heap_bytes = self.0.len() + 1)]
                struct Said(String);
            ),
            quote!(
                #[automatically_derived]
                impl ::odeon::Message for Said {
                    type Reply = ();
                    fn heap_bytes(&self) -> ::core::primitive::usize {
                        self.0.len() + 1
                    }
                }
            ),
        );
    }

    #[test]
    fn generics_are_kept_and_bounded() {
        check(
            parse_quote!(
                struct Put<T: Clone = u8, const N: usize = 3>([T; N])
                where
                    T: Send;
            ),
            quote! {
                #[automatically_derived]
                impl<T: Clone, const N: usize> ::odeon::Message for Put<T, N> where T: Send, T: 'static {
                    type Reply = ();
                }
            },
        );
    }

    #[test]
    fn the_path_to_odeon_can_be_named() {
        check(
            parse_quote!(
                #[message(crate = crate::vendored::odeon)]
                #[message(reply = u8)]
                struct Ping;
            ),
            quote! {
                #[automatically_derived]
                impl crate::vendored::odeon::Message for Ping { type Reply = u8; }
            },
        );
    }

    #[test]
    fn what_cannot_be_a_message_is_refused() {
        check_refused(parse_quote!(union Either { one: u8, other: i8 }), "help: use an enum");
        check_refused(
            parse_quote!(
                struct Line<'a>(&'a str);
            ),
            "help: carry `String`",
        );
    }

    #[test]
    fn attributes_that_mean_nothing_are_refused() {
        check_refused(
            parse_quote!(
                #[message(answer = u8)]
                struct Ping;
            ),
            "unknown argument `answer`",
        );
        check_refused(
            parse_quote!(
                #[message(reply = u8, reply = u8)]
                struct Ping;
            ),
            "`reply` is given twice",
        );
        check_refused(
            parse_quote!(
                #[message]
                struct Ping;
            ),
            "nothing is said here",
        );
        check_refused(
            parse_quote!(
                #[message()]
                struct Ping;
            ),
            "nothing is said here",
        );
        check_refused(
            parse_quote!(
                #[message = 3]
                struct Ping;
            ),
            "nothing is said here",
        );
        check_refused(
            parse_quote!(
                struct Ping {
                    #[message(reply = u8)]
                    field: u8,
                }
            ),
            "belongs on the type",
        );
        check_refused(
            parse_quote!(
                enum Ping {
                    #[message(reply = u8)]
                    Now,
                }
            ),
            "belongs on the type",
        );
        check_refused(
            parse_quote!(
                enum Ping {
                    Now(#[message] u8),
                }
            ),
            "belongs on the type",
        );
    }
}
