//! The traits that put a method on the address for each handler.
//!
//! Knows: `Addr`, `LocalAddr`, and what they answer. Must not know how handlers run.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Lit, Meta};

use crate::actor::handlers::Handler;
use crate::actor::marks::Kind;
use crate::actor::parameters::Given;
use crate::actor::{Actor, braced, located, placed};

/// One of the two ways to reach an actor.
#[derive(Clone, Copy)]
struct Way {
    local: bool,
    /// The type of the address, and of the question.
    address: &'static str,
    ask: &'static str,
    /// How a call is asked.
    call: &'static str,
    reached: &'static str,
}

const WAYS: [Way; 2] = [
    Way { local: false, address: "Addr", ask: "Ask", call: "ask", reached: "from anywhere" },
    Way { local: true, address: "LocalAddr", ask: "LocalAsk", call: "ask_local", reached: "on its own core" },
];

/// The traits, where there is something to put into them.
pub(super) fn traits(actor: &Actor) -> TokenStream {
    WAYS.iter().map(|way| declaration(actor, *way)).collect()
}

/// Their implementations.
pub(super) fn implementations(actor: &Actor) -> TokenStream {
    WAYS.iter().map(|way| implementation(actor, *way)).collect()
}

fn reached(actor: &Actor, way: Way) -> Vec<&Handler> {
    actor.asked().filter(|handler| handler.local == way.local).collect()
}

/// `RoomAddr` and `RoomLocalAddr`, or what the attribute says: `LobbyAddr` and `LobbyLocalAddr`.
fn name(actor: &Actor, way: Way) -> Ident {
    if let Some(name) = &actor.arguments.address {
        let text = name.unraw().to_string();
        let text = match (way.local, text.strip_suffix("Addr")) {
            (false, _) => text,
            (true, Some(stem)) => format!("{stem}LocalAddr"),
            (true, None) => format!("{text}Local"),
        };
        return format_ident!("{}", text, span = located(name.span()));
    }
    format_ident!("{}{}", actor.block.name.unraw(), way.address, span = located(actor.block.name.span()))
}

fn declaration(actor: &Actor, way: Way) -> TokenStream {
    let handlers = reached(actor, way);
    if handlers.is_empty() {
        return TokenStream::new();
    }
    let (visibility, name, cfgs) = (&actor.arguments.visibility, name(actor, way), actor.cfgs());
    let head = placed(quote!(#visibility trait #name), name.span());
    let (declared, _, bounds) = actor.block.generics.split_for_impl();
    let about =
        format!(" What a `{}` can be asked {}, by methods of its address.", actor.block.name, way.reached);
    let methods = handlers.into_iter().map(|handler| {
        let names: Vec<_> = handler.parameters.given.iter().map(|given| unlinted(&given.name)).collect();
        let signature = signature(actor, handler, way, &names);
        let (cfgs, docs) = (&handler.cfgs, docs(actor, handler));
        quote!(#(#cfgs)* #docs #signature;)
    });
    let body = braced(quote!(#(#methods)*), name.span());
    let once = once(&name);
    quote! {
        #(#cfgs)*
        #once
        #(#cfgs)*
        #[doc = #about]
        #[allow(clippy::type_complexity)]
        #head #declared #bounds #body
    }
}

/// Two blocks whose traits have one name would have two of this, too, and the compiler speaks of it first, by a name that says what
/// to do.
fn once(name: &Ident) -> TokenStream {
    let there = name.span();
    let told = format_ident!(
        "_{}_IS_OF_ONE_BLOCK_WITH_ALL_HANDLERS__BLOCKS_FOR_OTHER_TYPES_SAY_address",
        name,
        span = there
    );
    let told = placed(quote!(const #told: () = ();), there);
    quote!(#[doc(hidden)] #[allow(non_upper_case_globals)] #told)
}

fn implementation(actor: &Actor, way: Way) -> TokenStream {
    let handlers = reached(actor, way);
    if handlers.is_empty() {
        return TokenStream::new();
    }
    let (root, this, name) = (&actor.arguments.root, &actor.block.actor, name(actor, way));
    let (declared, names, bounds) = actor.block.generics.split_for_impl();
    let address = format_ident!("{}", way.address);
    let methods = handlers.into_iter().map(|handler| {
        let names = placed_names(handler);
        let signature = signature(actor, handler, way, &names);
        let (cfgs, body) = (&handler.cfgs, question(actor, handler, way, &names));
        quote!(#(#cfgs)* #signature { #body })
    });
    let head =
        placed(quote!(impl #declared #name #names for #root::#address<#this>), actor.block.name.span());
    let body = braced(quote!(#(#methods)*), actor.block.name.span());
    quote!(#[automatically_derived] #head #bounds #body)
}

/// A name that lints have seen where the user wrote it.
fn unlinted(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(located(name.span()));
    name
}

/// Names for what is sent, each placed at its type: errors about it point there.
fn placed_names(handler: &Handler) -> Vec<Ident> {
    let given = handler.parameters.given.iter().enumerate();
    given.map(|(index, given)| format_ident!("given_{index}", span = located(given.ty.span()))).collect()
}

/// `fn stats(&self, more: u32) -> Ask<Session, Call<Session, (u32,), Stats>>`
fn signature(actor: &Actor, handler: &Handler, way: Way, names: &[Ident]) -> TokenStream {
    let (root, this) = (&actor.arguments.root, &actor.block.actor);
    let (name, ask) = (unlinted(&handler.name), format_ident!("{}", way.ask));
    let parameters = names.iter().zip(&handler.parameters.given).map(|(name, given)| match given {
        Given { refused: true, .. } => quote!(_: impl ::core::marker::Sized),
        Given { ty, .. } => quote!(#name: #ty),
    });
    let (sent, answer) = (handler.sent(), handler.answer(actor));
    let question = match handler.kind {
        Kind::Message => sent.into_token_stream(),
        _ if handler.control => quote!(#root::Call<#this, #sent, #answer, true>),
        _ => quote!(#root::Call<#this, #sent, #answer>),
    };
    let bounds = (handler.kind == Kind::Message).then(|| super::accepts::given(actor, handler));
    let bounds = bounds.iter();
    quote!(fn #name(&self, #(#parameters),*) -> #root::#ask<#this, #question> #(where #bounds)*)
}

fn question(actor: &Actor, handler: &Handler, way: Way, names: &[Ident]) -> TokenStream {
    let (root, this) = (&actor.arguments.root, &actor.block.actor);
    let address = format_ident!("{}", way.address);
    if handler.kind == Kind::Message {
        return quote!(<#root::#address<#this>>::ask(*self, #(#names)*));
    }
    let (outer, inner, asked) = (actor.message_type(), actor.inner_type(), handler.asked());
    let call = format_ident!("{}", way.call);
    let there = handler.result_type().span();
    let arguments = names.first().map_or(there, Ident::span);
    let sent = names.iter().zip(&handler.parameters.given).filter(|(_, given)| !given.refused);
    let names = sent.map(|(name, _)| name);
    let arguments = quote_spanned!(arguments=> (#(#names,)*));
    // Whoever makes a message looks at all variants. Where one of them is no message, the compiler says so of each closure, and of
    // those that stand at one place, the attribute, once.
    let into = braced(quote!(|arguments, reply| #outer(#inner::#asked(arguments, reply))), there);
    let call = placed(quote!(#root::Call::#call), there);
    quote!(#call(*self, #arguments, #into))
}

/// The handler's documentation, or a sentence where it has none.
fn docs(actor: &Actor, handler: &Handler) -> TokenStream {
    if handler.docs.iter().any(|attribute| attribute.path().is_ident("doc")) {
        return handler.docs.iter().map(|attribute| retold(actor, attribute)).collect();
    }
    let (name, deprecated) = (format!(" Is answered by `{}`.", actor.full_name(handler)), &handler.docs);
    quote!(#[doc = #name] #(#deprecated)*)
}

/// Links to `Self` would lead to the trait.
fn retold(actor: &Actor, attribute: &Attribute) -> TokenStream {
    if let Meta::NameValue(pair) = &attribute.meta
        && let Expr::Lit(literal) = &pair.value
        && let Lit::Str(text) = &literal.lit
        && text.value().contains("Self::")
    {
        let text = text.value().replace("Self::", &format!("{}::", actor.block.name));
        return quote!(#[doc = #text]);
    }
    attribute.to_token_stream()
}
