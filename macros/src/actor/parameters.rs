//! Parameters of handlers: what is handed to each.
//!
//! Knows: the names by which parameters are recognised. Must not know how they are filled.

use proc_macro2::{Ident, Span};
use syn::{Result, Type, parse_quote};

use super::errors::{Errors, error};
use super::handlers::Run;
use super::marks::Kind;
use super::method::{Method, Parameter};
use super::types::{first_argument, is_named, last_name, owned, refuse_borrowed, without_self};

/// What a handler takes beside the actor.
pub(crate) struct Parameters {
    /// In the order in which the method has them.
    pub(crate) all: Vec<(Role, Type)>,
    /// What is sent to it: the message, the frame, the arguments of a call, the reason.
    pub(crate) given: Vec<Given>,
    /// The `T` of `Reply<T>`.
    pub(crate) reply: Option<Type>,
    /// False if one of them is refused, which has been said.
    pub(crate) complete: bool,
}

/// What a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Context,
    Handle,
    Reply,
    /// One of those that are given, by its index.
    Given(usize),
}

/// Something that is sent to a handler.
pub(crate) struct Given {
    pub(crate) name: Ident,
    /// `Self` spelled out.
    pub(crate) ty: Type,
    /// True if it cannot be sent, which has been said: then whoever calls may give anything.
    pub(crate) refused: bool,
}

impl Parameters {
    /// What a method takes. What is wrong is put among the errors, and left out or replaced if others ask for the method, who would be
    /// told that there is none otherwise. Nothing, if they do not.
    pub(crate) fn of(
        kind: Kind,
        run: Run,
        method: &Method,
        actor: &Type,
        errors: &mut Errors,
    ) -> Option<Parameters> {
        let mut parameters = Parameters { all: Vec::new(), given: Vec::new(), reply: None, complete: true };
        for parameter in &method.parameters {
            let added = parameters.add(kind, run, parameter, actor);
            parameters.complete &= errors.take(added).is_some();
        }
        if parameters.complete {
            let counted = parameters.count(kind, method);
            parameters.complete &= errors.take(counted).is_some();
        }
        (parameters.complete || kind.is_asked()).then_some(parameters)
    }

    fn add(&mut self, kind: Kind, run: Run, parameter: &Parameter, actor: &Type) -> Result<()> {
        let role = match special(kind, run, &parameter.ty)? {
            Some(role) => role,
            None => Role::Given(self.given.len()),
        };
        if self.all.iter().any(|(other, _)| *other == role) {
            return Err(error(&parameter.ty, "there is one of these already", "leave one of them out"));
        }
        let ty: Type = syn::parse2(without_self(&parameter.ty, actor))?;
        match role {
            Role::Given(_) => {
                let (given, fits) = given(kind, parameter, ty.clone());
                self.given.push(given);
                fits?;
            }
            Role::Reply => {
                let (answer, fits) = reply(&ty);
                self.reply = Some(answer);
                fits?;
            }
            Role::Context | Role::Handle => {}
        }
        self.all.push((role, ty));
        Ok(())
    }

    fn count(&self, kind: Kind, method: &Method) -> Result<()> {
        let what = match (kind, self.given.len()) {
            (Kind::Message, 0) => "this handler takes no message",
            (Kind::Message, 2..) => "this handler takes more than one message",
            (Kind::Frame, 0) => "this handler takes no frame",
            (Kind::Frame, 2..) => "this handler takes more than one frame",
            (Kind::Body, 0) => "this handler takes no body",
            (Kind::Body, 2..) => "this handler takes more than one body",
            (Kind::Forwarded, 0) => "this handler takes nothing of what was forwarded",
            (Kind::Forwarded, 2..) => "this handler takes more than was forwarded",
            _ => return Ok(()),
        };
        let help = match kind {
            Kind::Message => {
                "one parameter has the type of the message; `#[call]` takes any number of arguments"
            }
            Kind::Body => "one parameter is a `Result<Vec<u8>, BodyError>`",
            Kind::Forwarded => "one parameter is a `ForwardedFile`",
            _ => "one parameter has the type that the codec makes, `&str` for `Lines`",
        };
        match self.given.get(1) {
            Some(second) => Err(error(&second.ty, what, help)),
            None => Err(error(&method.name, what, help)),
        }
    }
}

/// The role of a parameter that is known by its type's name.
fn special(kind: Kind, run: Run, ty: &Type) -> Result<Option<Role>> {
    if let Type::Reference(lent) = ty
        && is_named(&lent.elem, "Context")
    {
        let what = "a concurrent handler waits while others run: no context can be lent to it";
        let help = "take `me: Handle<Self>`: `me.with(|me, cx| …)` lends both";
        return if run == Run::Concurrent { Err(error(ty, what, help)) } else { Ok(Some(Role::Context)) };
    }
    if is_named(ty, "Context") {
        let help = "write `&mut Context<Self>`; another type of this name needs another: `use … as …`";
        return Err(error(ty, "the context is lent, and cannot be taken", help));
    }
    match kind {
        Kind::Message | Kind::Call => special_of_asked(run, ty),
        Kind::Frame | Kind::Body | Kind::Forwarded => Ok(None),
        Kind::Stopped if is_named(ty, "StopReason") => Ok(None),
        Kind::Malformed if is_named(ty, "FrameError") => Ok(None),
        Kind::Stopped => Err(surplus(kind, ty, "`StopReason` and `&mut Context<Self>`")),
        Kind::Malformed => Err(surplus(kind, ty, "`FrameError` and `&mut Context<Self>`")),
        Kind::Started | Kind::EndOfStream | Kind::Every | Kind::Idle => {
            Err(surplus(kind, ty, "`&mut Context<Self>`"))
        }
    }
}

fn special_of_asked(run: Run, ty: &Type) -> Result<Option<Role>> {
    if is_named(ty, "Reply") {
        return Ok(Some(Role::Reply));
    }
    if !is_named(ty, "Handle") {
        return Ok(None);
    }
    if run == Run::Concurrent {
        return Ok(Some(Role::Handle));
    }
    let what = "a `Handle` is for concurrent handlers: this one holds the actor itself";
    let help =
        "take `&mut self`, or make it `concurrent`; another type of this name needs another: `use … as …`";
    Err(error(ty, what, help))
}

fn surplus(kind: Kind, ty: &Type, known: &str) -> syn::Error {
    let what = format!("nothing of this type is handed to `#[{}]`", kind.name());
    error(ty, &what, &format!("it may take {known}, by these names"))
}

/// What is sent, and what is wrong with it.
fn given(kind: Kind, parameter: &Parameter, ty: Type) -> (Given, Result<()>) {
    let fits = if kind.is_asked() { refuse_borrowed(&parameter.ty) } else { Ok(()) };
    let (name, named) = match (kind, parameter.name()) {
        (_, Some(name)) => (name, Ok(())),
        (Kind::Call, None) => {
            let what = "an argument of a call has a name: the method on the address has it too";
            let help = "give it a name, and take it apart in the body: `let Point { x, y } = point;`";
            (unnamed(), Err(error(&parameter.pattern, what, help)))
        }
        _ => (unnamed(), Ok(())),
    };
    match meant(&ty).filter(|_| kind == Kind::Message && fits.is_err()) {
        Some(meant) => (Given { name, ty: meant, refused: false }, fits),
        None => (Given { name, ty, refused: fits.is_err() }, fits.and(named)),
    }
}

fn unnamed() -> Ident {
    Ident::new("message", Span::call_site())
}

/// The `T` of `&T`, if it may be a message.
fn meant(ty: &Type) -> Option<Type> {
    let Type::Reference(reference) = ty else { return None };
    let meant = &*reference.elem;
    let may_be = last_name(meant).is_some_and(|name| name != "str") && refuse_borrowed(meant).is_ok();
    may_be.then(|| meant.clone())
}

/// What is answered by a reply, and what is wrong with it.
fn reply(ty: &Type) -> (Type, Result<()>) {
    let Some(answer) = first_argument(ty) else {
        let what = "this does not say what is answered";
        let help = "write `Reply<u64>`, or whatever type the answer has";
        return (parse_quote!(()), Err(error(ty, what, help)));
    };
    match refuse_borrowed(answer) {
        Ok(()) => (answer.clone(), Ok(())),
        refused => (owned(answer.clone()), refused),
    }
}
