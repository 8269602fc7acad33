//! Attributes on methods: `#[message(…)]`, `#[started]`, `#[every("30s")]` and the like.
//!
//! Knows: their names and what each takes. Must not know the method below.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::quote;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Error, Meta, Path, Result, Token};

use super::block::Item;
use super::errors::{Errors, error};
use super::keys::{each_key_of, equals, unknown};
use super::values::{self, Time};

/// What a method is to its actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Message,
    Call,
    Frame,
    Body,
    Forwarded,
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
    ("body", Kind::Body),
    ("forwarded", Kind::Forwarded),
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
        matches!(
            self,
            Kind::Frame | Kind::Body | Kind::Forwarded | Kind::EndOfStream | Kind::Malformed | Kind::Idle
        )
    }
}

/// As variants of `MissedTicks`.
const MISSED: &[(&str, &str)] = &[("skip", "Skip"), ("burst", "Burst"), ("delay", "Delay")];

/// As variants of `Priority`.
const PRIORITIES: &[(&str, &str)] = &[("control", "Control"), ("user", "User")];

/// One of our attributes, read.
pub(crate) struct Mark {
    pub(crate) kind: Kind,
    /// What errors point at.
    pub(crate) path: Path,
    pub(crate) local: bool,
    pub(crate) concurrent: Option<Ident>,
    pub(crate) timeout: Option<(Ident, Time)>,
    /// True if it comes before others.
    pub(crate) control: bool,
    /// Of `#[every]` and `#[idle]`: an expression of type `Duration`.
    pub(crate) time: Option<TokenStream>,
    /// Of `#[every]`: the variant of `MissedTicks`.
    pub(crate) missed: Option<Ident>,
}

impl Mark {
    /// Never fails: what is wrong is left out, and put among the errors.
    fn of(kind: Kind, attribute: &Attribute, errors: &mut Errors) -> Mark {
        let path = attribute.path().clone();
        let mut mark = Mark {
            kind,
            path,
            local: false,
            concurrent: None,
            timeout: None,
            control: false,
            time: None,
            missed: None,
        };
        match &attribute.meta {
            Meta::List(list) if kind.is_asked() => {
                each_key_of(list.tokens.clone(), errors, |name, input, _| mark.take(name, input));
            }
            Meta::List(list) if kind.is_timed() => {
                let said = |input: ParseStream<'_>| mark.take_time(input);
                errors.take(said.parse2(list.tokens.clone()));
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
                equals(name, "priority = control", input)?;
                self.control = values::variant(input, PRIORITIES, "a priority")? == "Control";
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
            _ => {
                return Err(unknown(
                    name,
                    "known are `local`, `concurrent`, `timeout = \"1s\"` and `priority = control`",
                ));
            }
        }
        Ok(())
    }
}

impl Mark {
    /// How long, and of an interval what becomes of times that are missed.
    fn take_time(&mut self, input: ParseStream<'_>) -> Result<()> {
        self.time = Some(values::time(input)?);
        if self.kind == Kind::Every && input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let name: Ident = input.parse()?;
            if name != "missed" {
                return Err(unknown(&name, "known is `missed = burst`"));
            }
            equals(&name, "missed = burst", input)?;
            self.missed = Some(values::variant(input, MISSED, "what becomes of times that are missed")?);
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    }
}

fn takes_nothing(kind: Kind, attribute: &Attribute) -> Error {
    let name = kind.name();
    error(attribute, &format!("`#[{name}]` does not take this"), &format!("write `#[{name}]`"))
}

/// What others call them.
const MISNOMERS: &[(&[&str], &[Kind])] = &[
    (&["interval", "tick", "timer", "repeat", "periodic"], &[Kind::Every]),
    (&["start", "starting", "init", "on_start", "on_started"], &[Kind::Started]),
    (&["stop", "stopping", "on_stop", "on_stopped"], &[Kind::Stopped]),
    (&["handler", "handle", "receive", "on_message"], &[Kind::Message, Kind::Call, Kind::Frame]),
    (&["ask", "request", "query", "method"], &[Kind::Call]),
    (&["msg", "tell", "event"], &[Kind::Message]),
    (&["line", "on_frame", "on_line", "data"], &[Kind::Frame]),
    (&["eof", "half_close", "on_end_of_stream"], &[Kind::EndOfStream]),
    (&["idle_timeout", "on_idle"], &[Kind::Idle]),
];

/// What somebody may have meant who wrote one word that is none of ours.
fn meant(attribute: &Attribute) -> Option<Vec<Kind>> {
    let name = attribute.path().get_ident()?.to_string();
    if let Some((_, kinds)) = MISNOMERS.iter().find(|(words, _)| words.contains(&name.as_str())) {
        return Some(kinds.to_vec());
    }
    // One letter in a short word, two in a long one: `cold` is not `call`.
    let is_near = |known: &str| distance(&name, known) <= if known.len() < 6 { 1 } else { 2 };
    NAMES.iter().find(|(known, _)| is_near(known)).map(|(_, kind)| vec![*kind])
}

/// How many letters are to be put in, left out or changed to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.bytes().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], above + 1);
        for (left, known) in other.bytes().enumerate() {
            let changed = corner + usize::from(letter != known);
            corner = row[left + 1];
            row[left + 1] = changed.min(corner + 1).min(row[left] + 1);
        }
    }
    row[other.len()]
}

fn misnamed(attribute: &Attribute, kinds: Vec<Kind>) -> Error {
    let one = |kind: Kind| match kind.is_timed() {
        true => format!("`#[{}(\"30s\")]`", kind.name()),
        false => format!("`#[{}]`", kind.name()),
    };
    let meant = kinds.into_iter().map(one).collect::<Vec<_>>().join(" or ");
    let known = NAMES.iter().map(|(known, _)| format!("`{known}`")).collect::<Vec<_>>().join(", ");
    let path = attribute.path();
    let what = format!("`#[{}]` is no attribute of an actor's method: {known} are", quote!(#path));
    let help = format!("write {meant}; an attribute of somebody else's is written with its path here");
    error(path, &what, &help)
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
            match meant(&attribute) {
                Some(kinds) if item.method.is_some() => errors.push(misnamed(&attribute, kinds)),
                _ => item.attributes.push(attribute),
            }
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

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn words_are_as_far_apart_as_there_are_letters_to_change() {
        for (one, other, expected) in [
            ("call", "call", 0),
            ("calls", "call", 1),
            ("cold", "call", 2),
            ("mesage", "message", 1),
            ("", "idle", 4),
            ("idle", "", 4),
            ("massages", "message", 2),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }

    fn check(attribute: Attribute, expected: Option<&[Kind]>) {
        assert_eq!(meant(&attribute).as_deref(), expected);
    }

    #[test]
    fn what_is_meant_is_guessed() {
        check(parse_quote!(#[mesage]), Some(&[Kind::Message]));
        check(parse_quote!(#[freme]), Some(&[Kind::Frame]));
        check(parse_quote!(#[tick("1s")]), Some(&[Kind::Every]));
        check(parse_quote!(#[handler]), Some(&[Kind::Message, Kind::Call, Kind::Frame]));
    }

    #[test]
    fn attributes_of_others_are_left_alone() {
        for name in [
            "cfg",
            "cold",
            "inline",
            "doc",
            "deny",
            "allow",
            "warn",
            "expect",
            "test",
            "must_use",
            "instrument",
        ] {
            let name = quote::format_ident!("{name}");
            check(parse_quote!(#[#name]), None);
        }
        check(parse_quote!(#[deprecated]), None);
        check(parse_quote!(#[track_caller]), None);
        check(parse_quote!(#[others::handler]), None);
    }
}
