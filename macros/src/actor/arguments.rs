//! What `#[actor(…)]` says.
//!
//! Knows: its keys. Must not know the block.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Path, Result, Token, Type, Visibility, parse_quote};

use super::errors::{Errors, error};
use super::keys::{each_key, equals, nested, unknown};
use super::values::{self, Time};

const KEYS: &str = "known are a visibility, `codec = Type`, `mailbox(capacity = 256)`, `outbox(bytes = \"256k\")`, `timeouts(frame = \"30s\")`, \
                    `on_panic = restart`, `address = Name` and `crate = path`";
/// What can become of output, as variants of `Overflow`.
const OVERFLOWS: &[(&str, &str)] = &[("close", "Close"), ("refuse", "Refuse"), ("drop_oldest", "DropOldest")];
/// What can become of messages, as variants of `MailboxOverflow`.
const MAILBOX_OVERFLOWS: &[(&str, &str)] =
    &[("refuse", "Refuse"), ("drop_newest", "DropNewest"), ("drop_oldest", "DropOldest"), ("stop", "Stop")];
/// What can follow a panic, as variants of `OnPanic`.
const ON_PANICS: &[(&str, &str)] = &[("restart", "Restart"), ("stop", "Stop"), ("abort", "Abort")];

/// What `#[actor(…)]` says.
pub(crate) struct Arguments {
    /// That of the traits by which the actor is called.
    pub(crate) visibility: Visibility,
    /// The name of the first of them, if it has one of its own.
    pub(crate) address: Option<Ident>,
    pub(crate) codec: Option<Type>,
    /// Also if what it says makes no sense.
    pub(crate) has_codec: bool,
    /// Of type `u32`.
    pub(crate) capacity: Option<TokenStream>,
    /// Of type `usize`.
    pub(crate) mailbox_bytes: Option<TokenStream>,
    /// A variant of `MailboxOverflow`.
    pub(crate) mailbox_overflow: Option<Ident>,
    pub(crate) outbox: Option<Outbox>,
    pub(crate) timeouts: Option<Timeouts>,
    /// A variant of `OnPanic`.
    pub(crate) on_panic: Option<Ident>,
    /// Where Odeon is.
    pub(crate) root: Path,
}

pub(crate) struct Outbox {
    /// The key, for errors to point at.
    pub(crate) key: Ident,
    /// Of type `usize`; none if it was wrong.
    pub(crate) bytes: Option<TokenStream>,
    /// Of type `Duration`.
    pub(crate) grace: Option<TokenStream>,
    /// A variant of `Overflow`.
    pub(crate) overflow: Option<Ident>,
}

/// How long the peer of a connection may take.
pub(crate) struct Timeouts {
    /// The key, for errors to point at.
    pub(crate) key: Ident,
    /// Of type `Duration`.
    pub(crate) first_byte: Option<TokenStream>,
    /// Of type `Duration`.
    pub(crate) frame: Option<TokenStream>,
}

impl Arguments {
    /// Never fails: what is wrong is left out, and put among the errors.
    pub(crate) fn of(tokens: TokenStream, errors: &mut Errors) -> Arguments {
        let mut arguments = Arguments {
            visibility: Visibility::Inherited,
            address: None,
            codec: None,
            has_codec: false,
            capacity: None,
            mailbox_bytes: None,
            mailbox_overflow: None,
            outbox: None,
            timeouts: None,
            on_panic: None,
            root: parse_quote!(::odeon),
        };
        let mut found = Errors::default();
        let read = |input: ParseStream<'_>| arguments.read(input, &mut found);
        let read = read.parse2(tokens);
        errors.take(read);
        errors.append(found);
        arguments
    }

    fn read(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> Result<()> {
        self.visibility = input.parse()?;
        if !matches!(self.visibility, Visibility::Inherited) && !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        each_key(input, errors, |name, input, errors| self.take(name, input, errors));
        Ok(())
    }

    fn take(&mut self, name: &Ident, input: ParseStream<'_>, errors: &mut Errors) -> Result<()> {
        match name.unraw().to_string().as_str() {
            "address" => {
                equals(name, "address = LobbyAddr", input)?;
                let help = "`address` takes the name of a trait, without quotes: `address = LobbyAddr`";
                self.address = Some(input.parse().map_err(|error| Error::new(error.span(), help))?);
            }
            "codec" => {
                self.has_codec = true;
                equals(name, "codec = Lines<8192>", input)?;
                let help = "`codec` takes a type, without quotes: `codec = Lines<8192>`";
                self.codec = Some(input.parse().map_err(|error| Error::new(error.span(), help))?);
            }
            "crate" => {
                equals(name, "crate = crate::vendored::odeon", input)?;
                let help = "`crate` takes a path, without quotes: `crate = crate::vendored::odeon`";
                self.root =
                    input.call(Path::parse_mod_style).map_err(|error| Error::new(error.span(), help))?;
            }
            "mailbox" => {
                let example = "mailbox(capacity = 256)";
                nested(name, example, input, errors, |name, input, _| self.take_of_mailbox(name, input))?;
            }
            "outbox" => {
                let outbox = self.outbox.insert(Outbox {
                    key: name.clone(),
                    bytes: None,
                    grace: None,
                    overflow: None,
                });
                let example = "outbox(bytes = \"256k\")";
                nested(name, example, input, errors, |name, input, _| outbox.take(name, input))?;
            }
            "timeouts" => {
                let timeouts =
                    self.timeouts.insert(Timeouts { key: name.clone(), first_byte: None, frame: None });
                let example = "timeouts(first_byte = \"10s\", frame = \"30s\")";
                nested(name, example, input, errors, |name, input, _| timeouts.take(name, input))?;
            }
            "on_panic" => {
                equals(name, "on_panic = stop", input)?;
                self.on_panic = Some(values::variant(input, ON_PANICS, "what can follow a panic")?);
            }
            "pub" => return Err(error(name, "the visibility comes first", "write `#[actor(pub, …)]`")),
            _ => return Err(unknown(name, KEYS)),
        }
        Ok(())
    }

    fn take_of_mailbox(&mut self, name: &Ident, input: ParseStream<'_>) -> Result<()> {
        match name.to_string().as_str() {
            "capacity" => {
                equals(name, "capacity = 256", input)?;
                self.capacity = Some(values::count(input)?);
                Ok(())
            }
            "bytes" => {
                equals(name, "bytes = \"1m\"", input)?;
                let of_nothing = "a mailbox without room would refuse everything";
                self.mailbox_bytes = Some(values::bytes(input, of_nothing)?);
                Ok(())
            }
            "overflow" => {
                equals(name, "overflow = drop_oldest", input)?;
                let what = "what can become of a message";
                self.mailbox_overflow = Some(values::variant(input, MAILBOX_OVERFLOWS, what)?);
                Ok(())
            }
            _ => Err(unknown(
                name,
                "known is `mailbox(capacity = 256, bytes = \"1m\", overflow = drop_oldest)`",
            )),
        }
    }
}

impl Timeouts {
    fn take(&mut self, name: &Ident, input: ParseStream<'_>) -> Result<()> {
        let (place, example) = match name.to_string().as_str() {
            "first_byte" => (&mut self.first_byte, "first_byte = \"10s\""),
            "frame" => (&mut self.frame, "frame = \"30s\""),
            _ => return Err(unknown(name, "known is `timeouts(first_byte = \"10s\", frame = \"30s\")`")),
        };
        equals(name, example, input)?;
        *place = Some(match values::time_or_never(input)? {
            Time::Never => quote!(::core::time::Duration::MAX),
            Time::After(time) => time,
        });
        Ok(())
    }
}

impl Outbox {
    fn take(&mut self, name: &Ident, input: ParseStream<'_>) -> Result<()> {
        match name.to_string().as_str() {
            "bytes" => {
                equals(name, "bytes = \"256k\"", input)?;
                self.bytes = Some(values::bytes(input, "an outbox without room could send nothing")?);
                Ok(())
            }
            "grace" => {
                equals(name, "grace = \"2s\"", input)?;
                self.grace = Some(values::time(input)?);
                Ok(())
            }
            "overflow" => {
                equals(name, "overflow = drop_oldest", input)?;
                let what = "what can become of output";
                self.overflow = Some(values::variant(input, OVERFLOWS, what)?);
                Ok(())
            }
            _ => Err(unknown(
                name,
                "known is `outbox(bytes = \"256k\", grace = \"2s\", overflow = drop_oldest)`",
            )),
        }
    }
}
