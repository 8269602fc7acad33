//! How messages get into the mailbox, and that they may.
//!
//! Knows: `Accepts` and `AcceptsLocal`. Must not know handlers' bodies.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;

use crate::actor::handlers::Handler;
use crate::actor::marks::Kind;
use crate::actor::{Actor, placed};

pub(super) fn all(actor: &Actor) -> TokenStream {
    let accepts = actor
        .of_kind(Kind::Message)
        .filter(|handler| !handler.repeated)
        .map(|handler| accepts(actor, handler));
    let sendable = sendable(actor);
    quote!(#(#accepts)* #sendable)
}

fn accepts(actor: &Actor, handler: &Handler) -> TokenStream {
    let root = &actor.arguments.root;
    let (declared, _, bounds) = actor.block.generics.split_for_impl();
    let bounds = bounds.map(|bounds| &bounds.predicates).into_iter().flatten();
    let (this, outer, inner) = (&actor.block.actor, actor.message_type(), actor.inner_type());
    let (cfgs, message, reply) = (&handler.cfgs, handler.message(), handler.reply(actor));
    let (told, asked) = (handler.told(), handler.asked());
    let accepts = match handler.local {
        false => quote!(Accepts),
        true => quote!(AcceptsLocal),
    };
    let head = quote!(impl #declared #root::#accepts<#message> for #this);
    let priority =
        handler.control.then(|| quote!(const PRIORITY: #root::Priority = #root::Priority::Control;));
    let body = quote! {
        #priority

        fn accept(message: #message) -> Self::Message {
            #outer(#inner::#told(message))
        }

        fn accept_ask(message: #message, reply: #reply) -> Self::Message {
            #outer(#inner::#asked(message, reply))
        }
    };
    let given = given(actor, handler);
    let implementation = placed(quote!(#head where #(#bounds,)* #given { #body }), message.span());
    quote!(#(#cfgs)* #[automatically_derived] #implementation)
}

/// That a type is a message, as a condition: where it is none, that has been said of the mailbox, and nothing that follows from it need be. With a
/// lifetime, because the compiler looks at conditions without any where they are written.
pub(super) fn given(actor: &Actor, handler: &Handler) -> TokenStream {
    let (root, message) = (&actor.arguments.root, handler.message());
    quote!(for<'any> #message: #root::Message)
}

/// Refuses, at the type, what cannot be sent although its handler is not local.
fn sendable(actor: &Actor) -> TokenStream {
    let root = &actor.arguments.root;
    let (declared, _, bounds) = actor.block.generics.split_for_impl();
    let mut handlers = actor.asked().filter(|handler| !handler.local).peekable();
    if handlers.peek().is_none() {
        return TokenStream::new();
    }
    let checks = handlers.map(|handler| {
        let cfgs = &handler.cfgs;
        let given = handler.sent_types();
        let answer = handler.answer(actor);
        quote!(#(#cfgs)* { #(sendable::<#given>();)* sendable::<#answer>(); })
    });
    quote! {
        fn check #declared () #bounds {
            fn sendable<T: #root::Sendable>() {}
            #(#checks)*
        }
    }
}
