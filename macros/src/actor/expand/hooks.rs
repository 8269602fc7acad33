//! The implementations of `Actor` and `Connection`.
//!
//! Knows: their hooks and constants. Must not know addresses.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::calls;
use crate::actor::handlers::Handler;
use crate::actor::marks::Kind;
use crate::actor::types::within_body;
use crate::actor::{Actor, braced, located, placed};

pub(super) fn actor(actor: &Actor) -> TokenStream {
    let root = &actor.arguments.root;
    let (declared, names, bounds) = actor.block.generics.split_for_impl();
    let (this, outer) = (&actor.block.actor, actor.message_type());
    let capacity = actor.arguments.capacity.iter();
    let overflow = actor.arguments.mailbox_overflow.iter();
    let bytes = bytes(actor);
    let on_panic = actor.arguments.on_panic.iter();
    let intervals = intervals(actor);
    let started = simple(actor, Kind::Started, "started");
    let handle = handle(actor);
    let name_of = name_of(actor);
    let stopped = last(actor, Kind::Stopped, "stopped", &quote!(#root::StopReason));
    let head = placed(quote!(impl #declared #root::Actor for #this), actor.block.name.span());
    let body = quote! {
        type Message = #outer #names;
        #(const MAILBOX_CAPACITY: ::core::primitive::u32 = #capacity;)*
        #bytes
        #(const MAILBOX_OVERFLOW: #root::MailboxOverflow = #root::MailboxOverflow::#overflow;)*
        #(const ON_PANIC: #root::OnPanic = #root::OnPanic::#on_panic;)*
        #intervals
        #started
        #handle
        #name_of
        #stopped
    };
    let body = braced(body, actor.block.name.span());
    quote!(#[automatically_derived] #head #bounds #body)
}

/// The bound in bytes, and what is counted: where somebody wants to know.
fn bytes(actor: &Actor) -> TokenStream {
    let Some(bytes) = &actor.arguments.mailbox_bytes else { return TokenStream::new() };
    let (root, inner) = (&actor.arguments.root, actor.inner_type());
    let arms = actor.of_kind(Kind::Message).map(|handler| {
        let (cfgs, told, asked) = (&handler.cfgs, handler.told(), handler.asked());
        let heap_bytes = placed(quote!(#root::Message::heap_bytes(given_0)), handler.message().span());
        quote!(#(#cfgs)* #inner::#told(given_0) | #inner::#asked(given_0, _) => #heap_bytes,)
    });
    quote! {
        const MAILBOX_BYTES: ::core::primitive::usize = #bytes;

        fn heap_bytes_of(message: &Self::Message) -> ::core::primitive::usize {
            #[allow(unreachable_patterns)]
            match &message.0 {
                #(#arms)*
                _ => 0,
            }
        }
    }
}

/// What each message is called where it is told that it was not delivered.
fn name_of(actor: &Actor) -> TokenStream {
    let (outer, inner) = (actor.message_type(), actor.inner_type());
    let (_, names, _) = actor.block.generics.split_for_impl();
    let arms = actor.asked().map(|handler| {
        let (cfgs, told, asked) = (&handler.cfgs, handler.told(), handler.asked());
        match handler.kind {
            Kind::Message => {
                let message = handler.message();
                let name = placed(quote!(::core::any::type_name::<#message>()), message.span());
                quote!(#(#cfgs)* #inner::#told(..) | #inner::#asked(..) => #name,)
            }
            _ => {
                let name = actor.full_name(handler);
                quote!(#(#cfgs)* #inner::#asked(..) => #name,)
            }
        }
    });
    quote! {
        fn name_of(message: &#outer #names) -> &'static ::core::primitive::str {
            #[allow(unreachable_patterns)]
            match &message.0 {
                #(#arms)*
                _ => ::core::any::type_name::<Self::Message>(),
            }
        }
    }
}

fn handle(actor: &Actor) -> TokenStream {
    let (root, outer, inner) = (&actor.arguments.root, actor.message_type(), actor.inner_type());
    let (_, names, _) = actor.block.generics.split_for_impl();
    let body = match actor.sound {
        false => quote!(#root::Flow::Continue),
        true => {
            let arms = actor.asked().map(|handler| calls::arms(actor, handler));
            let marker =
                actor.has_type_parameters().then(|| quote!(#inner::never(never, _) => match never {},));
            quote!(match message.0 { #(#arms)* #marker })
        }
    };
    quote! {
        fn handle(&mut self, message: #outer #names, cx: &mut #root::Context<Self>) -> #root::Flow {
            #body
        }
    }
}

/// A hook that takes nothing but the context.
fn simple(actor: &Actor, kind: Kind, hook: &str) -> TokenStream {
    let root = &actor.arguments.root;
    let hook = format_ident!("{hook}");
    let hooks = actor.hooks(kind).map(|handler| {
        let (cfgs, flow) = (&handler.cfgs, flow(actor, handler));
        quote! {
            #(#cfgs)*
            fn #hook(&mut self, cx: &mut #root::Context<Self>) -> #root::Flow {
                #flow
            }
        }
    });
    quote!(#(#hooks)*)
}

/// The call of a hook, and how the actor goes on.
fn flow(actor: &Actor, handler: &Handler) -> TokenStream {
    calls::into_flow(actor, handler, calls::call(actor, handler, Some(quote!(self))))
}

/// A hook that is told something, and after which the actor does not go on.
fn last(actor: &Actor, kind: Kind, hook: &str, given: &TokenStream) -> TokenStream {
    let root = &actor.arguments.root;
    let hook = format_ident!("{hook}");
    let hooks = actor.hooks(kind).map(|handler| {
        let (cfgs, told) = (&handler.cfgs, told(actor, handler));
        let end = calls::into_end(actor, handler, calls::call(actor, handler, Some(quote!(self))));
        quote! {
            #(#cfgs)*
            fn #hook(&mut self, given_0: #given, cx: &mut #root::Context<Self>) {
                #told
                #end;
            }
        }
    });
    quote!(#(#hooks)*)
}

/// What the hook is told, as it takes it: where that is something else, the compiler says so at the user's type.
fn told(actor: &Actor, handler: &Handler) -> TokenStream {
    let root = &actor.arguments.root;
    let taken = handler.parameters.given.first().and_then(|given| {
        let taken = within_body(&given.ty)?;
        Some(quote_spanned!(located(given.ty.span())=> #root::tell_hook::<#taken, _>(given_0)))
    });
    taken.map_or_else(TokenStream::new, |taken| quote!(let given_0 = #taken;))
}

fn intervals(actor: &Actor) -> TokenStream {
    let root = &actor.arguments.root;
    let timed: Vec<_> = actor.hooks(Kind::Every).collect();
    if timed.is_empty() {
        return TokenStream::new();
    }
    let cfgs: Vec<_> = timed.iter().map(|handler| &handler.cfgs).collect();
    let intervals = timed.iter().map(|handler| {
        let time = &handler.time;
        let missed = handler.missed.iter().map(|missed| quote!(.missed(#root::MissedTicks::#missed)));
        quote!(#root::Interval::every(#time) #(#missed)*)
    });
    let flows = timed.iter().map(|handler| flow(actor, handler));
    let numbers: Vec<_> = (0..timed.len()).collect();
    // Where some may be missing, the n-th that is there need not be the n-th that is written.
    let which = match cfgs.iter().all(|cfgs| cfgs.is_empty()) {
        true => quote!(index),
        false => quote!([#(#(#cfgs)* #numbers,)*][index]),
    };
    quote! {
        const INTERVALS: &'static [#root::Interval] = &[#(#(#cfgs)* #intervals,)*];

        fn interval(&mut self, index: ::core::primitive::usize, cx: &mut #root::Context<Self>) -> #root::Flow {
            match #which {
                #(#(#cfgs)* #numbers => #flows,)*
                _ => #root::Flow::Continue,
            }
        }
    }
}

pub(super) fn connection(actor: &Actor) -> TokenStream {
    let needed = actor.handlers.iter().any(|handler| handler.kind.needs_codec());
    let root = &actor.arguments.root;
    let codec = match &actor.arguments.codec {
        Some(codec) => quote!(#codec),
        // It is missing, which has been said. What follows from its absence need not be.
        None if needed => quote!(#root::net::codec::Raw),
        None => return TokenStream::new(),
    };
    let (declared, _, bounds) = actor.block.generics.split_for_impl();
    let this = &actor.block.actor;
    let constants = constants_of_connection(actor);
    let frame = frame(actor);
    let body = asked_for(
        actor,
        Kind::Body,
        &quote!(::core::result::Result<::std::vec::Vec<::core::primitive::u8>, #root::BodyError>),
    );
    // What is only there under a condition may be.
    let takes_bodies = (actor.of_kind(Kind::Body).next().is_none() && actor.sound).then(|| {
        quote!(
            const TAKES_BODIES: ::core::primitive::bool = false;
        )
    });
    let forwarded = asked_for(actor, Kind::Forwarded, &quote!(#root::ForwardedFile));
    let end_of_stream = simple(actor, Kind::EndOfStream, "end_of_stream");
    let idle = simple(actor, Kind::Idle, "idle");
    let malformed = last(actor, Kind::Malformed, "malformed", &quote!(#root::net::codec::FrameError));
    quote! {
        #[automatically_derived]
        impl #declared #root::Connection for #this #bounds {
            type Codec = #codec;
            #constants
            #takes_bodies
            #frame
            #body
            #forwarded
            #end_of_stream
            #malformed
            #idle
        }
    }
}

fn constants_of_connection(actor: &Actor) -> TokenStream {
    let idle = actor.hooks(Kind::Idle).map(|handler| {
        let (cfgs, time) = (&handler.cfgs, &handler.time);
        quote! {
            #(#cfgs)*
            const IDLE_TIMEOUT: ::core::option::Option<::core::time::Duration> = ::core::option::Option::Some(#time);
        }
    });
    let root = &actor.arguments.root;
    let outbox = actor.arguments.outbox.iter();
    let bytes = outbox.clone().filter_map(|outbox| outbox.bytes.as_ref());
    let grace = outbox.clone().filter_map(|outbox| outbox.grace.as_ref());
    let overflow = outbox.filter_map(|outbox| outbox.overflow.as_ref());
    let timeouts = actor.arguments.timeouts.iter();
    let first_byte = timeouts.clone().filter_map(|timeouts| timeouts.first_byte.as_ref());
    let frame = timeouts.filter_map(|timeouts| timeouts.frame.as_ref());
    quote! {
        #(#idle)*
        #(const FIRST_BYTE_TIMEOUT: ::core::option::Option<::core::time::Duration> = ::core::option::Option::Some(#first_byte);)*
        #(const FRAME_TIMEOUT: ::core::option::Option<::core::time::Duration> = ::core::option::Option::Some(#frame);)*
        #(const OUTBOX_GRACE: ::core::option::Option<::core::time::Duration> = ::core::option::Option::Some(#grace);)*
        #(const OUTBOX_OVERFLOW: #root::Overflow = #root::Overflow::#overflow;)*
        #(const OUTBOX_BYTES_MAX: ::core::option::Option<::core::primitive::usize> = ::core::option::Option::Some(#bytes);)*
    }
}

fn frame(actor: &Actor) -> TokenStream {
    let root = &actor.arguments.root;
    let head = quote! {
        fn frame(
            &mut self,
            given_0: <Self::Codec as #root::net::codec::Decode>::Frame<'_>,
            cx: &mut #root::Context<Self>,
        ) -> #root::Flow
    };
    let head = placed(head, actor.arguments.codec.as_ref().map_or_else(Span::call_site, Spanned::span));
    let hooks = actor.hooks(Kind::Frame).map(|handler| {
        let (cfgs, flow) = (&handler.cfgs, flow(actor, handler));
        let taken = &handler.parameters.given[0].ty;
        let there = located(taken.span());
        // A handler that does not name its type takes the frame as it is.
        let given = within_body(taken).map(|taken| {
            let frame = quote_spanned!(there=> #root::net::codec::hand_over::<#taken, _>(given_0));
            quote!(let given_0 = #frame;)
        });
        quote!(#(#cfgs)* #head { #given #flow })
    });
    match actor.sound {
        true => quote!(#(#hooks)*),
        false => quote!(#head { #root::Flow::Continue }),
    }
}

/// A hook for what was asked for, which is always taken.
fn asked_for(actor: &Actor, kind: Kind, taken: &TokenStream) -> TokenStream {
    let (root, name) = (&actor.arguments.root, format_ident!("{}", kind.name()));
    let hooks = actor.hooks(kind).map(|handler| {
        let (cfgs, told, flow) = (&handler.cfgs, told(actor, handler), flow(actor, handler));
        quote! {
            #(#cfgs)*
            fn #name(&mut self, given_0: #taken, cx: &mut #root::Context<Self>) -> #root::Flow {
                #told
                #flow
            }
        }
    });
    quote!(#(#hooks)*)
}

impl Actor {
    /// The hooks of a kind; none if something is wrong with the block.
    fn hooks(&self, kind: Kind) -> impl Iterator<Item = &Handler> {
        self.of_kind(kind).filter(|_| self.sound)
    }
}
