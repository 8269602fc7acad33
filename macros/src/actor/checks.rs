//! What only shows when everything is looked at: what is there twice, and what needs something else.
//!
//! Knows: which handlers and keys go together. Must not know how each was read.

use quote::ToTokens;
use syn::ext::IdentExt;

use super::arguments::Arguments;
use super::errors::{Errors, error};
use super::handlers::{Handler, Handlers};
use super::marks::Kind;
use super::types::{first_argument, is_named};

/// Methods that every address has. A handler of that name could not be reached, or not without saying which is meant.
pub(crate) const TAKEN: &[&str] = &[
    "abort",
    "actor_id",
    "ask",
    "clone",
    "drain",
    "eq",
    "into",
    "local",
    "ne",
    "recipient",
    "send",
    "stop",
    "tell",
    "to_owned",
    "try_into",
];

pub(crate) fn together(arguments: &Arguments, handlers: &mut Handlers, errors: &mut Errors) {
    let mut rest = handlers.all.as_mut_slice();
    let mut before: Vec<&Handler> = Vec::new();
    while let Some((handler, behind)) = rest.split_first_mut() {
        refuse_second(handler, &before, errors);
        refuse_name(handler, errors);
        refuse_hook(handler, arguments, errors);
        refuse_flow(handler, errors);
        before.push(handler);
        rest = behind;
    }
    refuse_keys(arguments, &handlers.kinds, errors);
    handlers.all.retain(|handler| !handler.nameless);
}

fn refuse_hook(handler: &Handler, arguments: &Arguments, errors: &mut Errors) {
    if !arguments.has_codec && handler.kind.needs_codec() {
        let what = format!("`#[{}]` is for actors with a connection", handler.kind.name());
        let help = "say how bytes become frames: `#[actor(codec = Lines<8192>)]`";
        errors.push(error(&handler.mark, &what, help));
    }
}

/// A call answers what its method returns, all of it.
fn refuse_flow(handler: &Handler, errors: &mut Errors) {
    let answers =
        handler.kind == Kind::Call && handler.parameters.reply.is_none() && handler.parameters.complete;
    let Some(output) = handler.output.as_ref().filter(|_| answers && handler.returns_result()) else {
        return;
    };
    if first_argument(output).is_some_and(|first| is_named(first, "Flow")) {
        let what = "a call answers what its method returns: this `Flow` would be answered, and not followed";
        let help =
            "take `reply: Reply<…>` too: what answers is sent by it then, and what is returned is followed";
        errors.push(error(output, what, help));
    }
}

fn refuse_second(handler: &mut Handler, before: &[&Handler], errors: &mut Errors) {
    // Of those with conditions, no two may be there at once. The compiler sees if they are.
    let unconditional = |other: &&Handler| handler.cfgs.is_empty() || other.cfgs.is_empty();
    let others = || before.iter().copied().filter(unconditional);
    if let Some(first) = others().find(|other| handler.name.unraw() == other.name.unraw()) {
        let what = format!("this actor has a `#[{}]` of this name already", first.kind.name());
        let help =
            "give one of them another name: senders know handlers by their names, and methods share them";
        errors.push(error(&handler.name, &what, help));
        handler.repeated = true;
        handler.nameless = true;
        return;
    }
    let Some(first) = others().find(|other| is_same(handler, other)) else { return };
    let name = first.name.unraw();
    handler.repeated = true;
    match handler.kind {
        Kind::Message => {
            let what = format!("`{name}` handles this message already");
            let help = "handle it in one place, or make one of them a `#[call]`";
            errors.push(error(&handler.parameters.given[0].ty, &what, help));
        }
        kind => {
            let what = format!("`{name}` is the `#[{}]` of this actor already", kind.name());
            errors.push(error(&handler.mark, &what, "let one method call the other"));
        }
    }
}

/// True if no actor can have both.
fn is_same(one: &Handler, other: &Handler) -> bool {
    one.kind == other.kind
        && match one.kind {
            Kind::Call | Kind::Every => false,
            Kind::Message => message(one) == message(other),
            _ => true,
        }
}

fn message(handler: &Handler) -> String {
    handler.parameters.given[0].ty.to_token_stream().to_string()
}

fn refuse_name(handler: &Handler, errors: &mut Errors) {
    let name = handler.name.unraw().to_string();
    if handler.kind.is_asked() && TAKEN.contains(&name.as_str()) {
        let what = format!("addresses have a method `{name}`: this handler would not be reached by its name");
        errors.push(error(&handler.name, &what, "give it another name"));
    }
}

fn refuse_keys(arguments: &Arguments, kinds: &[Kind], errors: &mut Errors) {
    match &arguments.codec {
        Some(codec) if !kinds.contains(&Kind::Frame) => {
            let help = "add `#[frame] fn frame(&mut self, frame: …, cx: &mut Context<Self>)`";
            errors.push(error(codec, "nothing handles the frames that this codec makes", help));
        }
        _ => {}
    }
    if let (true, Some(word)) =
        (arguments.has_codec, arguments.on_panic.as_ref().filter(|word| *word == "Restart"))
    {
        let help =
            "leave it out: its peer connects again; or write `on_panic = abort`, if the process is to end";
        errors.push(error(word, "a connection is never begun again: its socket is gone with it", help));
    }
    if let (false, Some(outbox)) = (arguments.has_codec, &arguments.outbox) {
        let help = "leave it out, or say how bytes become frames: `codec = Lines<8192>`";
        errors.push(error(&outbox.key, "only actors with a connection have an outbox", help));
    }
    if let (false, Some(timeouts)) = (arguments.has_codec, &arguments.timeouts) {
        let help = "leave it out, or say how bytes become frames: `codec = Lines<8192>`";
        errors.push(error(&timeouts.key, "only actors with a connection have a peer that may be late", help));
    }
}
