//! Methods with one of our attributes.
//!
//! Knows: which methods can be handlers. Must not know what is made of them.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{Attribute, GenericParam, ReturnType, Type};

use super::block::{Block, Item};
use super::errors::{Errors, error};
use super::marks::{self, Kind, Mark};
use super::method::Method;
use super::parameters::{Given, Parameters};
use super::types::{is_named, owned, refuse_borrowed, without_self};
use super::values::Time;

/// A method that the runtime calls.
pub(crate) struct Handler {
    pub(crate) kind: Kind,
    /// What errors point at.
    pub(crate) mark: TokenStream,
    pub(crate) name: Ident,
    /// Conditions under which it exists.
    pub(crate) cfgs: Vec<Attribute>,
    /// Its documentation, and whether it is deprecated.
    pub(crate) docs: Vec<Attribute>,
    pub(crate) run: Run,
    pub(crate) local: bool,
    /// True if it comes before others.
    pub(crate) control: bool,
    /// True if another handles the same message, which has been said.
    pub(crate) repeated: bool,
    /// True if another has its name, which has been said.
    pub(crate) nameless: bool,
    pub(crate) timeout: Option<Time>,
    /// Of `#[every]` and `#[idle]`.
    pub(crate) time: Option<TokenStream>,
    /// Of `#[every]`.
    pub(crate) missed: Option<Ident>,
    pub(crate) parameters: Parameters,
    /// What it returns, `Self` spelled out; none for `()`.
    pub(crate) output: Option<Type>,
}

/// How a handler runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    /// Synchronously.
    AtOnce,
    /// `async fn(&mut self)`: nothing else runs meanwhile.
    Exclusive,
    /// `async fn(Handle<Self>)`: beside others.
    Concurrent,
}

/// The handlers of a block.
#[derive(Default)]
pub(crate) struct Handlers {
    pub(crate) all: Vec<Handler>,
    /// Also of those that are left out because of a mistake: they are not missing.
    pub(crate) kinds: Vec<Kind>,
}

/// Takes our attributes off the block, and makes handlers of their methods.
pub(crate) fn take(block: &mut Block, errors: &mut Errors) -> Handlers {
    let actor = block.actor.clone();
    let mut handlers = Handlers::default();
    for item in &mut block.items {
        if let Some(mark) = marks::take(item, errors) {
            handlers.kinds.push(mark.kind);
            handlers.all.extend(of_item(mark, item, &actor, errors));
        }
    }
    handlers
}

fn of_item(mark: Mark, item: &Item, actor: &Type, errors: &mut Errors) -> Option<Handler> {
    match &item.method {
        Some(method) => Handler::of(mark, method, &item.attributes, actor, errors),
        None => {
            let what = format!("`#[{}]` belongs on a method", mark.kind.name());
            errors.push(error(&mark.path, &what, "write it above the `fn` that handles this"));
            None
        }
    }
}

impl Handler {
    fn of(
        mark: Mark,
        method: &Method,
        attributes: &[Attribute],
        actor: &Type,
        errors: &mut Errors,
    ) -> Option<Handler> {
        let run = run(&mark, method, errors);
        refuse_receiver(run, method, errors);
        refuse_modifiers(&mark, method, errors);
        let parameters = Parameters::of(mark.kind, run, method, actor, errors);
        let output = output(mark.kind, method, actor, errors);
        let is_one_of =
            |attribute: &&Attribute, names: &[&str]| names.iter().any(|name| attribute.path().is_ident(name));
        let parameters = parameters?;
        let kind = match (mark.kind, parameters.given.as_slice()) {
            (Kind::Message, [Given { refused: false, .. }]) => Kind::Message,
            // It has no message, or too many, which has been said. Those who ask for it call it by its name.
            (Kind::Message, _) => Kind::Call,
            (kind, _) => kind,
        };
        Some(Handler {
            kind,
            mark: mark.path.to_token_stream(),
            name: method.name.clone(),
            cfgs: attributes.iter().filter(|one| is_one_of(one, &["cfg"])).cloned().collect(),
            docs: attributes.iter().filter(|one| is_one_of(one, &["doc", "deprecated"])).cloned().collect(),
            run,
            local: mark.local,
            control: mark.control,
            repeated: false,
            nameless: false,
            timeout: mark.timeout.map(|(_, time)| time),
            time: mark.time,
            missed: mark.missed,
            parameters,
            output,
        })
    }
}

fn run(mark: &Mark, method: &Method, errors: &mut Errors) -> Run {
    if let (Some(concurrent), None) = (&mark.concurrent, &method.is_async) {
        let what = "only an `async fn` can be concurrent: others are over before anything else runs";
        errors.push(error(concurrent, what, "write `async fn`, or leave out `concurrent`"));
    }
    if let (Some((timeout, _)), None) = (&mark.timeout, &method.is_async) {
        let what = "only an `async fn` can be ended by a timeout: others run to their end at once";
        errors.push(error(
            timeout,
            what,
            "leave it out; whoever asks may say how long to wait: `.timeout(…)`",
        ));
    }
    if let (Some(is_async), false) = (&method.is_async, mark.kind.is_asked()) {
        let what = format!("a method with `#[{}]` is synchronous", mark.kind.name());
        let help = "leave out `async`; begin what takes time by `cx.exclusive(…)` or `cx.concurrent(…)`, ask for it with \
                    `.then(cx, …)`, or let the actor send itself a message whose handler is `async`";
        errors.push(error(is_async, &what, help));
    }
    match (&method.is_async, &mark.concurrent) {
        (_, Some(_)) => Run::Concurrent,
        (Some(_), None) if mark.kind.is_asked() => Run::Exclusive,
        _ => Run::AtOnce,
    }
}

fn refuse_receiver(run: Run, method: &Method, errors: &mut Errors) {
    match (&method.receiver, run) {
        (Some(receiver), Run::Concurrent) => {
            let what = "a concurrent handler runs beside others, and cannot hold the actor";
            let help = "take `me: Handle<Self>` instead, and `me.with(|me, cx| …)` where the state is needed";
            errors.push(error(&receiver.tokens, what, help));
        }
        (Some(receiver), _) if !receiver.is_lent => {
            let what = "the actor goes on after this method: `self` is lent to it";
            errors.push(error(&receiver.tokens, what, "write `&mut self`, or `&self`"));
        }
        (None, Run::AtOnce | Run::Exclusive) => {
            let what = "a handler is a method of the actor";
            errors.push(error(&method.name, what, "take `&mut self`, or `&self`, first"));
        }
        _ => {}
    }
}

fn refuse_modifiers(mark: &Mark, method: &Method, errors: &mut Errors) {
    if let Some(is_unsafe) = &method.is_unsafe {
        let what = "the runtime calls handlers, and does not know what an `unsafe` one asks of it";
        errors.push(error(is_unsafe, what, "leave out `unsafe`"));
    }
    let is_free = |parameter: &&GenericParam| {
        mark.kind != Kind::Frame || !matches!(parameter, GenericParam::Lifetime(_))
    };
    if let Some(free) = method.generics.params.iter().find(is_free) {
        let what = "nobody says what a handler is generic over";
        let help = "write the types that are meant, or make the actor generic: `impl<T> MyActor<T>`";
        errors.push(error(free, what, help));
    }
}

/// What a method returns; none for `()`.
fn output(kind: Kind, method: &Method, actor: &Type, errors: &mut Errors) -> Option<Type> {
    let ReturnType::Type(_, ty) = &method.output else { return None };
    let fits = if kind.is_asked() { errors.take(refuse_borrowed(ty)) } else { Some(()) };
    match errors.take(syn::parse2(without_self(ty, actor)))? {
        Type::Tuple(tuple) if tuple.elems.is_empty() => None,
        ty => Some(if fits.is_some() { ty } else { owned(ty) }),
    }
}

impl Handler {
    /// True if what it returns is a `Result`, by its name.
    pub(crate) fn returns_result(&self) -> bool {
        self.output.as_ref().is_some_and(|output| is_named(output, "Result"))
    }

    /// True if what it returns says how the actor goes on, and answers nothing.
    pub(crate) fn returns_flow(&self) -> bool {
        self.output.as_ref().is_some_and(|output| is_named(output, "Flow"))
    }
}
