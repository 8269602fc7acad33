//! The signature of a method.
//!
//! Knows: the grammar of signatures. Must not know handlers.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Error, Generics, Lifetime, LitStr, Result, ReturnType, Token, Type, Visibility, parenthesized,
};

use super::block::path_of;

/// Everything of a method but its body.
pub(crate) struct Method {
    pub(crate) name: Ident,
    /// The word, for errors to point at.
    pub(crate) is_async: Option<Ident>,
    pub(crate) is_unsafe: Option<Ident>,
    pub(crate) generics: Generics,
    pub(crate) receiver: Option<Receiver>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) output: ReturnType,
}

/// How a method takes the actor.
pub(crate) struct Receiver {
    pub(crate) tokens: TokenStream,
    /// True for `&self` and `&mut self`.
    pub(crate) is_lent: bool,
}

/// `pattern: Type`
pub(crate) struct Parameter {
    pub(crate) pattern: TokenStream,
    pub(crate) ty: Type,
}

impl Method {
    /// True if a function comes next, whatever stands before `fn`.
    pub(crate) fn begins(input: ParseStream<'_>) -> bool {
        let ahead = input.fork();
        ahead.parse::<Visibility>().is_ok() && ahead.parse::<Qualifiers>().is_ok()
    }
}

impl Parse for Method {
    fn parse(input: ParseStream<'_>) -> Result<Method> {
        input.parse::<Visibility>()?;
        let Qualifiers { is_async, is_unsafe } = input.parse()?;
        input.parse::<Token![fn]>()?;
        let name = input.parse()?;
        let mut generics: Generics = input.parse()?;
        let content;
        parenthesized!(content in input);
        let receiver = Receiver::of(&content)?;
        let parameters = content.parse_terminated(Parameter::parse, Token![,])?.into_iter().collect();
        let output = input.parse()?;
        generics.where_clause = input.parse()?;
        Ok(Method { name, is_async, is_unsafe, generics, receiver, parameters, output })
    }
}

/// What stands before `fn`.
#[derive(Default)]
struct Qualifiers {
    is_async: Option<Ident>,
    is_unsafe: Option<Ident>,
}

impl Parse for Qualifiers {
    fn parse(input: ParseStream<'_>) -> Result<Qualifiers> {
        let mut qualifiers = Qualifiers::default();
        while !input.peek(Token![fn]) {
            if input.parse::<Option<LitStr>>()?.is_some() {
                // What follows `extern`.
                continue;
            }
            let word = Ident::parse_any(input)?;
            match word.to_string().as_str() {
                "async" => qualifiers.is_async = Some(word),
                "unsafe" => qualifiers.is_unsafe = Some(word),
                "const" | "extern" | "safe" | "default" => {}
                _ => return Err(Error::new(word.span(), "expected `fn`")),
            }
        }
        Ok(qualifiers)
    }
}

impl Receiver {
    fn of(input: ParseStream<'_>) -> Result<Option<Receiver>> {
        input.call(Attribute::parse_outer)?;
        let ahead = input.fork();
        let is_reference = ahead.parse::<Option<Token![&]>>()?.is_some();
        ahead.parse::<Option<Lifetime>>()?;
        ahead.parse::<Option<Token![mut]>>()?;
        if !ahead.peek(Token![self]) || ahead.peek2(Token![::]) {
            return Ok(None);
        }
        let this: Token![self] = ahead.parse()?;
        let mut tokens = this.to_token_stream();
        let mut is_lent = is_reference;
        if let Some(colon) = ahead.parse::<Option<Token![:]>>()? {
            let ty: Type = ahead.parse()?;
            is_lent = matches!(&ty, Type::Reference(lent) if path_of(&lent.elem).is_some_and(|path| path.is_ident("Self")));
            colon.to_tokens(&mut tokens);
            ty.to_tokens(&mut tokens);
        }
        ahead.parse::<Option<Token![,]>>()?;
        input.advance_to(&ahead);
        Ok(Some(Receiver { tokens, is_lent }))
    }
}

impl Parse for Parameter {
    fn parse(input: ParseStream<'_>) -> Result<Parameter> {
        input.call(Attribute::parse_outer)?;
        let mut pattern = TokenStream::new();
        while !input.peek(Token![:]) || input.peek(Token![::]) {
            if input.peek(Token![::]) {
                input.parse::<Token![::]>()?.to_tokens(&mut pattern);
            } else {
                pattern.extend([input.parse::<TokenTree>()?]);
            }
        }
        input.parse::<Token![:]>()?;
        Ok(Parameter { pattern, ty: input.parse()? })
    }
}

impl Parameter {
    /// The name, of a parameter that is one: `name` or `mut name`.
    pub(crate) fn name(&self) -> Option<Ident> {
        let mut tokens = self.pattern.clone().into_iter().peekable();
        tokens.next_if(|token| token.to_string() == "mut");
        match (tokens.next(), tokens.next()) {
            (Some(TokenTree::Ident(name)), None) if name != "_" => Some(name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use syn::parse::Parser;

    use super::*;

    fn method(text: &str) -> Method {
        syn::parse_str(text).expect("it is a signature")
    }

    #[test]
    fn what_stands_before_fn_is_read() {
        let check = |text, is_async, is_unsafe| {
            let method = method(text);
            assert_eq!(
                (method.is_async.is_some(), method.is_unsafe.is_some()),
                (is_async, is_unsafe),
                "{text}"
            );
        };
        check("fn a()", false, false);
        check("pub(crate) async fn a()", true, false);
        check("pub const unsafe extern \"C\" fn a()", false, true);
        check("pub async unsafe fn a()", true, true);
    }

    #[test]
    fn functions_are_told_from_other_items() {
        let check = |text: &str, expected| {
            let begins = |input: ParseStream<'_>| {
                let begins = Method::begins(input);
                input.parse::<TokenStream>().map(|_| begins)
            };
            assert_eq!(begins.parse_str(text).ok(), Some(expected), "{text}");
        };
        check("pub const fn a() {}", true);
        check("const A: u8 = 1;", false);
        check("pub type A = u8;", false);
        check("a! { fn b() {} }", false);
        check("", false);
    }

    #[test]
    fn receivers_are_told_apart() {
        let check = |text, is_lent| {
            let receiver = method(&format!("fn a({text})")).receiver;
            assert_eq!(receiver.map(|receiver| receiver.is_lent), is_lent, "{text}");
        };
        check("&self", Some(true));
        check("&mut self, a: u8", Some(true));
        check("&'a mut self", Some(true));
        check("self: &mut Self,", Some(true));
        check("#[a] &self", Some(true));
        check("self", Some(false));
        check("mut self, a: u8", Some(false));
        check("self: Box<Self>", Some(false));
        check("self: &Rc<Self>", Some(false));
        check("", None);
        check("me: Handle<Self>", None);
        check("self::A { b }: self::A", None);
    }

    #[test]
    fn parameters_are_patterns_and_types() {
        let check = |text, name: Option<&str>, ty| {
            let method = method(&format!("fn a(&self, {text}) -> A where B: C"));
            let [parameter] = method.parameters.as_slice() else { panic!("there is one: {text}") };
            assert_eq!(parameter.name().map(|name| name.to_string()).as_deref(), name, "{text}");
            assert_eq!(parameter.ty.to_token_stream().to_string(), ty, "{text}");
        };
        check("b: u8", Some("b"), "u8");
        check("mut c: &str,", Some("c"), "& str");
        check("_: ::d::E", None, ":: d :: E");
        check("d::F(g, h): d::F<{ 1 }>", None, "d :: F < { 1 } >");
        check("r#i: [u8; 3]", Some("r#i"), "[u8 ; 3]");
        check("#[j] (k, l): (u8, u8)", None, "(u8 , u8)");
        check("mut (k, l): (u8, u8)", None, "(u8 , u8)");
    }
}
