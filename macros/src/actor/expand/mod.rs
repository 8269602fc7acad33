//! What a block becomes.
//!
//! Knows: the parts, and what they have in common. Must not know what makes each.

mod accepts;
mod address;
mod calls;
mod hooks;
mod messages;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{GenericParam, Type, parse_quote};

use super::handlers::Handler;
use super::marks::Kind;
use super::{Actor, braced, located, placed};

/// Everything but the block itself.
pub(super) fn actor(actor: &Actor, tokens: &mut TokenStream) {
    let messages = messages::all(actor);
    let implementation = hooks::actor(actor);
    let connection = hooks::connection(actor);
    let accepts = accepts::all(actor);
    let (cfgs, only) = (actor.cfgs(), only(actor));
    tokens.extend(address::traits(actor));
    let addresses = address::implementations(actor);
    tokens.extend(quote! {
        #(#cfgs)*
        #[allow(deprecated, clippy::type_complexity)]
        const _: () = {
            #only
            #messages
            #implementation
            #connection
            #accepts
            #addresses
        };
    });
}

/// Two blocks of one type would have two of this: what the compiler says of that names what is wrong.
fn only(actor: &Actor) -> TokenStream {
    let (declared, _, bounds) = actor.block.generics.split_for_impl();
    let (this, there) = (&actor.block.actor, actor.block.name.span());
    let head = placed(quote!(impl #declared #this), there);
    let name = Ident::new("_ALL_HANDLERS_OF_A_TYPE_STAND_IN_ONE_ACTOR_BLOCK", located(there));
    let body = braced(placed(quote!(const #name: () = ();), there), there);
    quote!(#[automatically_derived] #head #bounds #body)
}

impl Actor {
    /// The conditions under which the block exists.
    fn cfgs(&self) -> Vec<&syn::Attribute> {
        self.block.attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect()
    }

    /// The opaque type of its messages. Types of the user's are written beside it, so it takes no name that they may have.
    fn message_type(&self) -> Ident {
        format_ident!("__{}Message", self.block.name.unraw(), span = Span::call_site())
    }

    /// The enum within.
    fn inner_type(&self) -> Ident {
        format_ident!("__{}Inner", self.block.name.unraw(), span = Span::call_site())
    }

    fn asked(&self) -> impl Iterator<Item = &Handler> {
        self.handlers.iter().filter(|handler| handler.kind.is_asked())
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Handler> {
        self.handlers.iter().filter(move |handler| handler.kind == kind)
    }

    /// `Session::line`, as counts and warnings have it.
    fn full_name(&self, handler: &Handler) -> String {
        format!("{}::{}", self.block.name.unraw(), handler.name.unraw())
    }

    /// True if an enum has to mention what the actor is generic over.
    fn has_type_parameters(&self) -> bool {
        self.block.generics.params.iter().any(|parameter| matches!(parameter, GenericParam::Type(_)))
    }
}

impl Handler {
    /// The variant of a message that was told. Prefixes keep variants apart whatever the handlers are called.
    fn told(&self) -> Ident {
        format_ident!("told_{}", self.name.unraw(), span = Span::call_site())
    }

    /// The variant of a question.
    fn asked(&self) -> Ident {
        format_ident!("asked_{}", self.name.unraw(), span = Span::call_site())
    }

    /// The type of the message that it handles.
    fn message(&self) -> &Type {
        &self.parameters.given[0].ty
    }

    /// The types of what is sent.
    fn sent_types(&self) -> impl Iterator<Item = &Type> {
        self.parameters.given.iter().filter(|given| !given.refused).map(|given| &given.ty)
    }

    /// The tuple of a call's arguments.
    fn arguments(&self) -> Type {
        let types = self.sent_types();
        parse_quote!((#(#types,)*))
    }

    /// What is sent: the message, or the arguments.
    fn sent(&self) -> Type {
        match self.kind {
            Kind::Message => self.message().clone(),
            _ => self.arguments(),
        }
    }

    /// The way of the answer to whoever asked.
    fn reply(&self, actor: &Actor) -> TokenStream {
        let (root, answer) = (&actor.arguments.root, self.answer(actor));
        placed(quote!(#root::Reply<#answer>), answer.span())
    }

    /// The type of its answer.
    fn answer(&self, actor: &Actor) -> TokenStream {
        let root = &actor.arguments.root;
        match (self.kind, &self.parameters.reply, &self.output) {
            (Kind::Message, ..) => {
                let message = self.message();
                placed(quote!(<#message as #root::Message>::Reply), message.span())
            }
            (_, Some(reply), _) => quote!(#reply),
            (_, None, Some(output)) if !self.returns_flow() => quote!(#output),
            _ => quote!(()),
        }
    }
}
