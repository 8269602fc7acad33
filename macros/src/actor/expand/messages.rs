//! What lies in the mailbox: one enum in an opaque type.
//!
//! Knows: variants. Must not know what is done with them.

use proc_macro2::TokenStream;
use quote::quote;
use syn::GenericParam;

use crate::actor::Actor;
use crate::actor::handlers::Handler;
use crate::actor::marks::Kind;

pub(super) fn all(actor: &Actor) -> TokenStream {
    let (outer, inner) = (actor.message_type(), actor.inner_type());
    let (declared, names, bounds) = actor.block.generics.split_for_impl();
    let variants = actor.asked().map(|handler| variants(actor, handler));
    let marker = actor.has_type_parameters().then(|| marker(actor));
    quote! {
        pub struct #outer #declared (#inner #names) #bounds;

        enum #inner #declared #bounds {
            #(#variants)*
            #marker
        }
    }
}

fn variants(actor: &Actor, handler: &Handler) -> TokenStream {
    let (cfgs, sent, reply) = (&handler.cfgs, handler.sent(), handler.reply(actor));
    let asked = handler.asked();
    let told = (handler.kind == Kind::Message).then(|| {
        let told = handler.told();
        quote!(#(#cfgs)* #told(#sent),)
    });
    quote! {
        #told
        #(#cfgs)* #asked(#sent, #reply),
    }
}

/// A variant that is never made, and mentions what the actor is generic over.
fn marker(actor: &Actor) -> TokenStream {
    let types = actor.block.generics.params.iter().filter_map(|parameter| match parameter {
        GenericParam::Type(parameter) => Some(&parameter.ident),
        _ => None,
    });
    quote!(never(::core::convert::Infallible, ::core::marker::PhantomData<fn() -> (#(*const #types,)*)>),)
}
