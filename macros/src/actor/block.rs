//! The impl block under the attribute: its head and its items.
//!
//! Knows: the outer grammar of an impl block. Must not know actors, nor what stands in bodies.
//!
//! Bodies stay what they are: tokens. They need not be looked at, which is quicker, wants less of `syn`, and leaves a body
//! that is being typed alone.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::buffer::Cursor;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Generics, Path, Result, Token, Type, WherePredicate, braced, parse_quote, token,
};

use super::errors::error;
use super::method::Method;

const PLACE: &str = "write it above `impl MyActor { … }`";

/// `impl<T> Cache<T> where … { … }`
pub(crate) struct Block {
    pub(crate) attributes: Vec<Attribute>,
    /// With the `where` clause, and `'static` for each type: an actor is.
    pub(crate) generics: Generics,
    pub(crate) actor: Type,
    /// The last part of the type's path.
    pub(crate) name: Ident,
    pub(crate) items: Vec<Item>,
    /// What keeps it from being the block of an actor.
    pub(crate) refused: Option<Error>,
    /// From `impl` to the opening brace, with these bounds.
    head: TokenStream,
    /// Attributes that stand within the braces.
    inner: Vec<Attribute>,
}

/// Something in the block.
pub(crate) struct Item {
    /// Those that the attribute does not know are handed on.
    pub(crate) attributes: Vec<Attribute>,
    /// None for what is no function.
    pub(crate) method: Option<Method>,
    /// Everything behind the attributes.
    pub(crate) tokens: TokenStream,
}

impl Parse for Block {
    fn parse(input: ParseStream<'_>) -> Result<Block> {
        let attributes = input.call(Attribute::parse_outer)?;
        let begin = input.cursor();
        let mut generics = generics(input)?;
        let (actor, of_trait) = actor(input)?;
        generics.where_clause = input.parse()?;
        let head = between(begin, input.cursor());
        let content;
        braced!(content in input);
        let inner = content.call(Attribute::parse_inner)?;
        let mut items = Vec::new();
        while !content.is_empty() {
            items.push(content.parse()?);
        }
        let last = path_of(&actor).and_then(|path| path.segments.last()).map(|last| last.ident.clone());
        let refused = of_trait.or_else(|| refused(&generics, &actor, last.as_ref()));
        let name = last.unwrap_or_else(|| Ident::new("Actor", actor.span()));
        let is_plain = refused.is_none() && head.to_string().starts_with("impl");
        let generics = with_static_bounds(generics);
        let head = match generics.type_params().next() {
            Some(_) if is_plain => {
                let (declared, _, bounds) = generics.split_for_impl();
                quote!(impl #declared #actor #bounds)
            }
            _ => head,
        };
        Ok(Block { attributes, generics, actor, name, items, refused, head, inner })
    }
}

/// `impl<T>`
fn generics(input: ParseStream<'_>) -> Result<Generics> {
    let item = input.fork();
    // A qualifier is refused by the compiler.
    while !input.peek(Token![impl]) {
        if Ident::parse_any(input).is_err() {
            let what = "`#[actor]` belongs on the block with the actor's handlers";
            return Err(error(item.parse::<TokenStream>()?, what, PLACE));
        }
    }
    input.parse::<Token![impl]>()?;
    // `impl <T as Trait>::Type { … }` is not generic, and no actor either.
    input.parse()
}

/// The type, and an error if the block is one of a trait.
fn actor(input: ParseStream<'_>) -> Result<(Type, Option<Error>)> {
    let first: Type = input.parse()?;
    if input.parse::<Option<Token![for]>>()?.is_none() {
        return Ok((first, None));
    }
    let what = "`#[actor]` implements `Actor` itself: it does not go with an implementation of a trait";
    Ok((input.parse()?, Some(error(first, what, PLACE))))
}

/// An actor is `'static`, and it is if everything that it is generic over is. Each bound stands where
/// the parameter has others already: lints look for those that stand in two places.
fn with_static_bounds(mut generics: Generics) -> Generics {
    let mut bounds = generics.where_clause.take();
    for parameter in generics.type_params_mut() {
        let name = &parameter.ident;
        let elsewhere =
            bounds.iter_mut().flat_map(|bounds| &mut bounds.predicates).find_map(|bound| match bound {
                WherePredicate::Type(bound)
                    if path_of(&bound.bounded_ty).is_some_and(|path| path.is_ident(name)) =>
                {
                    Some(&mut bound.bounds)
                }
                _ => None,
            });
        match elsewhere {
            Some(elsewhere) if parameter.bounds.is_empty() => elsewhere.push(parse_quote!('static)),
            _ => parameter.bounds.push(parse_quote!('static)),
        }
    }
    generics.where_clause = bounds;
    generics
}

fn refused(generics: &Generics, actor: &Type, name: Option<&Ident>) -> Option<Error> {
    if name.is_none() {
        return Some(error(actor, "an actor is a type of your own", "make it a struct or an enum"));
    }
    let lifetime = generics.lifetimes().next()?;
    let what = "an actor owns its state, for it lives as long as it likes: it has no lifetime parameter";
    Some(error(lifetime, what, "hold `String`, `Vec<u8>` or an `Arc` instead of a reference"))
}

/// The path of a type that is one.
pub(crate) fn path_of(ty: &Type) -> Option<&Path> {
    match ty {
        Type::Path(path) if path.qself.is_none() => Some(&path.path),
        // What a declarative macro has matched.
        Type::Group(group) => path_of(&group.elem),
        Type::Paren(paren) => path_of(&paren.elem),
        _ => None,
    }
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> Result<Item> {
        let attributes = input.call(Attribute::parse_outer)?;
        let begin = input.cursor();
        let method = match Method::begins(input) {
            true => Some(input.parse()?),
            false => None,
        };
        match &method {
            Some(_) => rest_of_function(input)?,
            None => rest_of_item(input)?,
        }
        Ok(Item { attributes, method, tokens: between(begin, input.cursor()) })
    }
}

/// A body, or the semicolon where there is none, which the compiler refuses.
fn rest_of_function(input: ParseStream<'_>) -> Result<()> {
    input.parse::<TokenTree>().map(drop)
}

/// Constants and types end with a semicolon, macros also with braces.
fn rest_of_item(input: ParseStream<'_>) -> Result<()> {
    let mut called = false;
    while !input.is_empty() {
        if input.parse::<Option<Token![;]>>()?.is_some() {
            break;
        }
        let braces = called && input.peek(token::Brace);
        called |= input.peek(Token![!]);
        input.parse::<TokenTree>()?;
        if braces {
            break;
        }
    }
    Ok(())
}

/// The tokens from one place to another.
fn between(begin: Cursor<'_>, end: Cursor<'_>) -> TokenStream {
    let mut tokens = TokenStream::new();
    let mut cursor = begin;
    while cursor != end {
        let Some((token, next)) = cursor.token_tree() else { break };
        tokens.extend([token]);
        cursor = next;
    }
    tokens
}

impl ToTokens for Block {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Block { attributes, items, head, inner, .. } = self;
        tokens.extend(quote!(#(#attributes)* #head { #(#inner)* #(#items)* }));
    }
}

impl ToTokens for Item {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Item { attributes, tokens: rest, .. } = self;
        tokens.extend(quote!(#(#attributes)* #rest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens, however they stick together.
    fn dense(tokens: &TokenStream) -> String {
        tokens.to_string().replace(char::is_whitespace, "")
    }

    /// Reads a block, and looks that nothing of it is lost.
    fn block(text: &str) -> Block {
        let block: Block = syn::parse_str(text).expect("it is a block");
        let tokens: TokenStream = text.parse().expect("these are tokens");
        let made = dense(&block.to_token_stream()).replace("+'static", "").replace("Send{", "Send,{");
        assert_eq!(made, dense(&tokens));
        block
    }

    #[test]
    fn a_block_is_kept_as_it_is() {
        let block = block(
            r#"#[doc = "A room."]
            #[cfg(a)]
            impl<T: Clone, const N: usize> rooms::Room<T, { N + 1 }> where T: Send, {
                #![allow(b)]
                pub const A: [u8; { 1 }] = { [1] };
                type B = u8;
                c! { d }
                e!(f);
                #[g]
                pub(in crate::h) fn i<'a>(&'a self, j: &str) -> Lines<{ 8 * 1024 }> where T: Clone { anything at all }
                #[k] async fn l() {}
                unsafe extern "C" fn m(self) {}
            }"#,
        );
        assert_eq!(block.name, "Room");
        assert!(block.refused.is_none());
        let name = |item: &Item| item.method.as_ref().map(|method| method.name.to_string());
        let names: Vec<_> = block.items.iter().map(name).collect();
        let expected = [None, None, None, None, Some("i"), Some("l"), Some("m")];
        assert_eq!(names, expected.map(|name| name.map(str::to_owned)));
    }

    #[test]
    fn blocks_that_are_no_actors_are_refused_and_kept() {
        for text in [
            "impl A for B {}",
            "unsafe impl<T> A<T> for B<T> where T: C { fn d() {} }",
            "impl<'a> B<'a> {}",
            "impl [u8] {}",
            "impl dyn A {}",
            "impl &B {}",
        ] {
            assert!(block(text).refused.is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_no_block_is_an_error() {
        for text in ["struct A;", "pub fn a() {}", "mod a { impl B {} }", ""] {
            assert!(syn::parse_str::<Block>(text).is_err(), "{text}");
        }
    }
}
