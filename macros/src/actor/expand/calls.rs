//! How the runtime calls a handler.
//!
//! Knows: the three ways in which handlers run, and what becomes of their results. Must not know mailboxes.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use crate::actor::handlers::{Handler, Run};
use crate::actor::marks::Kind;
use crate::actor::parameters::Role;
use crate::actor::types::{first_argument, within_body};
use crate::actor::values::Time;
use crate::actor::{Actor, located, placed};

/// The arms of a message or call.
pub(super) fn arms(actor: &Actor, handler: &Handler) -> TokenStream {
    let root = &actor.arguments.root;
    let (inner, asked, cfgs, given) = (actor.inner_type(), handler.asked(), &handler.cfgs, pattern(handler));
    let told = (handler.kind == Kind::Message).then(|| {
        let (told, run) = (handler.told(), run(actor, handler, false));
        match handler.parameters.reply.is_some() {
            false => quote!(#(#cfgs)* #inner::#told(#given) => #run,),
            true => quote!(#(#cfgs)* #inner::#told(#given) => { let reply = #root::Reply::nobody(); #run }),
        }
    });
    let run = run(actor, handler, true);
    let there = handler.parameters.given.first().map_or(handler.name.span(), |given| given.ty.span());
    let take = match handler.parameters.reply.is_some() {
        false => quote!(open),
        true => quote!(keep),
    };
    let asked = placed(quote!(#inner::#asked(#given, reply) => match #root::Reply::#take(reply)), there);
    quote! {
        #told
        #(#cfgs)*
        #asked {
            ::core::option::Option::Some(reply) => #run,
            ::core::option::Option::None => #root::Flow::Continue,
        },
    }
}

/// What was sent, bound to names that no parameter has.
fn pattern(handler: &Handler) -> TokenStream {
    let given: Vec<_> =
        (0..handler.parameters.given.len()).map(|index| format_ident!("given_{index}")).collect();
    match handler.kind {
        Kind::Call => quote!((#(#given,)*)),
        _ => quote!(#(#given),*),
    }
}

/// Runs a handler: at once, or by a future.
fn run(actor: &Actor, handler: &Handler, is_asked: bool) -> TokenStream {
    let root = &actor.arguments.root;
    let (name, timeout) = (actor.full_name(handler), timeout(actor, handler));
    match handler.run {
        Run::AtOnce => respond(actor, handler, is_asked, call(actor, handler, Some(quote!(self)))),
        Run::Exclusive => {
            let call = call(actor, handler, Some(quote!(me)));
            let flow = respond(actor, handler, is_asked, quote!(#call.await));
            quote! {
                #root::Context::exclusive(cx, #name, #timeout, async move |me: &mut Self, cx: &mut #root::Context<Self>| {
                    #flow
                })
            }
        }
        Run::Concurrent => {
            let call = call(actor, handler, None);
            let flow = respond(actor, handler, is_asked, quote!(#call.await));
            quote! {{
                let me = #root::Context::handle(cx);
                #root::Context::concurrent(cx, #name, #timeout, async move { #flow })
            }}
        }
    }
}

fn timeout(actor: &Actor, handler: &Handler) -> TokenStream {
    let root = &actor.arguments.root;
    match &handler.timeout {
        None => quote!(#root::Timeout::Default),
        Some(Time::Never) => quote!(#root::Timeout::Never),
        Some(Time::After(time)) => quote!(#root::Timeout::After(#time)),
    }
}

/// What the result of a handler becomes: an answer, if somebody asked, and how the actor goes on.
fn respond(actor: &Actor, handler: &Handler, is_asked: bool, result: TokenStream) -> TokenStream {
    let root = &actor.arguments.root;
    let name = actor.full_name(handler);
    if handler.parameters.reply.is_some() {
        return into_flow(actor, handler, result);
    }
    let answer = handler.answer(actor);
    let this = handler.result_type();
    if is_asked {
        return quote!(<#this as #root::Respond<#answer>>::answer(#result, reply, #name));
    }
    if handler.output.is_none() || handler.returns_flow() {
        return quote!(<#this as #root::Respond<#answer>>::told(#result, #name));
    }
    // If it is a `Result`, and that is itself the answer, nobody looks at it. By whatever name: the compiler knows.
    quote! {{
        let result = #result;
        #root::Unheard::<#answer, _>::of(&result).tell(#name);
        <#this as #root::Respond<#answer>>::told(result, #name)
    }}
}

/// How the actor goes on after a handler that answers nothing by what it returns.
pub(super) fn into_flow(actor: &Actor, handler: &Handler, result: TokenStream) -> TokenStream {
    let (root, name, this) = (&actor.arguments.root, actor.full_name(handler), handler.result_type());
    quote!(<#this as #root::IntoFlow>::into_flow(#result, #name))
}

/// The same of a hook behind which the actor ends, whatever that returns.
pub(super) fn into_end(actor: &Actor, handler: &Handler, result: TokenStream) -> TokenStream {
    let (root, name, this) = (&actor.arguments.root, actor.full_name(handler), handler.result_type());
    quote!(<#this as #root::IntoFlow>::into_end(#result, #name))
}

/// `Self::name(me, …)`. Errors about an argument point at the parameter's type.
pub(super) fn call(actor: &Actor, handler: &Handler, me: Option<TokenStream>) -> TokenStream {
    let there = located(handler.name.span());
    let mut name = handler.name.clone();
    name.set_span(there);
    let arguments = handler.parameters.all.iter().map(|(role, ty)| {
        let argument = argument(*role, located(ty.span()));
        match is_checked(actor, handler, *role, ty) {
            true => checked(actor, ty, argument),
            false => argument,
        }
    });
    let all = me.into_iter().chain(arguments);
    quote_spanned!(there=> Self::#name(#(#all),*))
}

fn argument(role: Role, there: Span) -> TokenStream {
    let name = match role {
        Role::Context => Ident::new("cx", there),
        Role::Handle => Ident::new("me", there),
        Role::Reply => Ident::new("reply", there),
        Role::Given(index) => format_ident!("given_{index}", span = there),
    };
    name.into_token_stream()
}

/// True if what the user has written may be another type than the one that there is.
fn is_checked(actor: &Actor, handler: &Handler, role: Role, ty: &Type) -> bool {
    match (role, ty) {
        (Role::Reply, _) => handler.kind == Kind::Message,
        (Role::Context, Type::Reference(lent)) => {
            let of = first_argument(&lent.elem).map(|of| of.to_token_stream().to_string());
            of != Some(actor.block.actor.to_token_stream().to_string())
        }
        _ => false,
    }
}

/// An argument, of which the compiler says at the parameter's type what that should be.
fn checked(actor: &Actor, ty: &Type, argument: TokenStream) -> TokenStream {
    let root = &actor.arguments.root;
    let taken = within_body(ty);
    let checked =
        taken.map(|taken| quote_spanned!(located(ty.span())=> #root::tell_hook::<#taken, _>(#argument)));
    checked.unwrap_or(argument)
}

impl Handler {
    /// What errors about its result point at: its type, or its name if it says none.
    pub(super) fn result_type(&self) -> TokenStream {
        let there = self.output.as_ref().map_or(self.name.span(), Spanned::span);
        quote_spanned!(located(there)=> _)
    }
}
