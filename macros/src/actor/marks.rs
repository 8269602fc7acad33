//! Attributes on methods: `#[message(…)]`, `#[started]`, `#[every("30s")]` and the like.
//!
//! Knows: their names and what each takes. Must not know the method below.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Error, Meta, Path, Result};

use super::block::Item;
use super::errors::{Errors, error};
use super::keys::{each_key_of, equals, not_yet, unknown};
use super::values::{self, Time};

/// What a method is to its actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Message,
    Call,
    Frame,
    Started,
    Stopped,
    EndOfStream,
    Malformed,
    Every,
    Idle,
}

const NAMES: &[(&str, Kind)] = &[
    ("message", Kind::Message),
    ("call", Kind::Call),
    ("frame", Kind::Frame),
    ("started", Kind::Started),
    ("stopped", Kind::Stopped),
    ("end_of_stream", Kind::EndOfStream),
    ("malformed", Kind::Malformed),
    ("every", Kind::Every),
    ("idle", Kind::Idle),
];

impl Kind {
    /// The attribute's name.
    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, kind)| *kind == self).expect("each kind has a name").0
    }

    fn of(path: &Path) -> Option<Kind> {
        // By whatever name the crate goes.
        Kind::named(&path.segments.last()?.ident)
    }

    fn named(name: &Ident) -> Option<Kind> {
        NAMES.iter().find(|(text, _)| name == text).map(|(_, kind)| *kind)
    }

    /// True if others ask for it, by message or by call.
    pub(crate) fn is_asked(self) -> bool {
        matches!(self, Kind::Message | Kind::Call)
    }

    /// True if it says a time.
    fn is_timed(self) -> bool {
        matches!(self, Kind::Every | Kind::Idle)
    }

    /// True if only a connection has it.
    pub(crate) fn needs_codec(self) -> bool {
        matches!(self, Kind::Frame | Kind::EndOfStream | Kind::Malformed | Kind::Idle)
    }
}

/// One of our attributes, read.
pub(crate) struct Mark {
    pub(crate) kind: Kind,
    /// What errors point at.
    pub(crate) path: Path,
    pub(crate) local: bool,
    pub(crate) concurrent: Option<Ident>,
    pub(crate) timeout: Option<(Ident, Time)>,
    /// Of `#[every]` and `#[idle]`: an expression of type `Duration`.
    pub(crate) time: Option<TokenStream>,
}

impl Mark {
    /// Never fails: what is wrong is left out, and put among the errors.
    fn of(kind: Kind, attribute: &Attribute, errors: &mut Errors) -> Mark {
        let path = attribute.path().clone();
        let mut mark = Mark { kind, path, local: false, concurrent: None, timeout: None, time: None };
        match &attribute.meta {
            Meta::List(list) if kind.is_asked() => {
                each_key_of(list.tokens.clone(), errors, |name, input, _| mark.take(name, input));
            }
            Meta::List(list) if kind.is_timed() => {
                mark.time = errors.take(values::time.parse2(list.tokens.clone()));
            }
            _ if kind.is_timed() => {
                let what = format!("`#[{}]` does not say how long", kind.name());
                errors.push(error(attribute, &what, &format!("write `#[{}(\"30s\")]`", kind.name())));
            }
            Meta::Path(_) => {}
            Meta::List(_) | Meta::NameValue(_) => errors.push(takes_nothing(kind, attribute)),
        }
        mark
    }

    fn take(&mut self, name: &Ident, input: ParseStream<'_>) -> Result<()> {
        match name.to_string().as_str() {
            "local" => self.local = true,
            "concurrent" => self.concurrent = Some(name.clone()),
            "timeout" => {
                equals(name, "timeout = \"1s\"", input)?;
                self.timeout = Some((name.clone(), values::time_or_never(input)?));
            }
            "priority" => {
                let help = "`stop` and `abort` of an address come before what waits in the mailbox";
                return Err(not_yet(name, "messages are handled in the order in which they arrive", help));
            }
            "reply" if self.kind == Kind::Message => {
                let help =
                    "write it above the type of the message: `#[derive(Message)] #[message(reply = u64)]`";
                return Err(error(name, "what is answered belongs to the message, not to its handler", help));
            }
            "reply" => {
                return Err(error(
                    name,
                    "a call answers what its method returns",
                    "write `-> u64`, or whatever type the answer has",
                ));
            }
            _ => return Err(unknown(name, "known are `local`, `concurrent` and `timeout = \"1s\"`")),
        }
        Ok(())
    }
}

fn takes_nothing(kind: Kind, attribute: &Attribute) -> Error {
    let name = kind.name();
    error(attribute, &format!("`#[{name}]` does not take this"), &format!("write `#[{name}]`"))
}

/// Takes our attributes off an item; the others stay. One is enough: more are an error.
pub(crate) fn take(item: &mut Item, errors: &mut Errors) -> Option<Mark> {
    let attributes = std::mem::take(&mut item.attributes);
    let mut marks: Vec<Mark> = Vec::new();
    for attribute in attributes {
        if let Some(hidden) = hidden(&attribute) {
            let what = format!("`#[{hidden}]` is not seen within `#[cfg_attr]`");
            errors.push(error(&hidden, &what, "write two methods, each with a `#[cfg(…)]` of its own"));
            continue;
        }
        let Some(kind) = Kind::of(attribute.path()) else {
            item.attributes.push(attribute);
            continue;
        };
        if let Some(first) = marks.first() {
            let what = format!("this method is a `#[{}]` already", first.kind.name());
            errors.push(error(&attribute, &what, "write a method for each, and let one call the other"));
            continue;
        }
        marks.push(Mark::of(kind, &attribute, errors));
    }
    marks.pop()
}

/// One of our attributes that stands in `#[cfg_attr(…, message)]`.
fn hidden(attribute: &Attribute) -> Option<Ident> {
    let Meta::List(list) = &attribute.meta else { return None };
    if !list.path.is_ident("cfg_attr") {
        return None;
    }
    let tokens: Vec<TokenTree> = list.tokens.clone().into_iter().collect();
    tokens.windows(2).find_map(|pair| match pair {
        [TokenTree::Punct(comma), TokenTree::Ident(name)] if comma.as_char() == ',' => {
            Kind::named(name).map(|_| name.clone())
        }
        _ => None,
    })
}
