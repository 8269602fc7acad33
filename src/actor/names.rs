//! Actors that are found by a name.
//!
//! Knows: names, types, what may be wrong with either. Must not know where names are kept.

use std::any::{TypeId, type_name};
use std::fmt;

use super::{Actor, Addr, Context};
use crate::executor::names::{self, Named, Unnamed};
use crate::executor::{CoreId, RawAddress};

/// Why a name was not given, or leads to nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// This name stands for another actor.
    Taken(String),
    /// The system has as many names as [`Config::names_max`](crate::Config::names_max) allows.
    Full,
    /// A name has at most 255 bytes.
    TooLong,
    /// The actor that was to have it has ended.
    Ended,
    /// This name stands for nobody: it was not given, or its actor has ended.
    Unknown(String),
    /// It stands for an actor of another type: this one.
    OtherType(&'static str),
}

/// Bytes of a name.
const NAME_BYTES_MAX: usize = 255;

impl fmt::Display for NameError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Taken(name) => write!(out, "the name `{name}` is taken"),
            NameError::Full => out.write_str("the system has as many names as Config::names_max allows"),
            NameError::TooLong => write!(out, "a name has at most {NAME_BYTES_MAX} bytes"),
            NameError::Ended => out.write_str("the actor that was to have the name has ended"),
            NameError::Unknown(name) => write!(out, "nobody has the name `{name}`"),
            NameError::OtherType(name) => write!(out, "this is the name of an actor of another type: {name}"),
        }
    }
}

impl std::error::Error for NameError {}

/// Gives an actor a name in a system.
pub(crate) fn register<A: Actor>(
    system: CoreId,
    names_max: usize,
    name: &str,
    address: RawAddress,
) -> Result<(), NameError> {
    if name.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong);
    }
    let named = Named { address, actor: TypeId::of::<A>(), type_name: type_name::<A>() };
    names::register(system, name, named, names_max).map_err(|unnamed| match unnamed {
        Unnamed::Taken => NameError::Taken(name.to_owned()),
        Unnamed::Full => NameError::Full,
        Unnamed::Ended => NameError::Ended,
    })
}

/// The actor of this name in a system.
pub(crate) fn lookup<A: Actor>(system: CoreId, name: &str) -> Result<Addr<A>, NameError> {
    let named = names::find(system, name).ok_or_else(|| NameError::Unknown(name.to_owned()))?;
    if named.actor != TypeId::of::<A>() {
        return Err(NameError::OtherType(named.type_name));
    }
    Ok(Addr::from_raw(named.address))
}

impl<A: Actor> Context<A> {
    /// Gives an actor a name, by which everybody in this system finds it: see [`System::register`](crate::System::register). Who does so
    /// as it starts may be [begun again](crate::manual::supervision), and has its name still.
    ///
    /// ```
    /// use odeon::prelude::*;
    ///
    /// #[derive(Default)]
    /// struct Clerk(u64);
    ///
    /// #[actor]
    /// impl Clerk {
    ///     #[started]
    ///     fn open(&mut self, cx: &mut Context<Self>) -> Result<(), NameError> {
    ///         cx.register("clerk", cx.me())
    ///     }
    ///
    ///     #[call]
    ///     fn number(&mut self) -> u64 {
    ///         self.0 += 1;
    ///         self.0
    ///     }
    /// }
    ///
    /// struct Client;
    ///
    /// #[actor]
    /// impl Client {
    ///     #[call]
    ///     async fn queue(&mut self, cx: &mut Context<Self>) -> Option<u64> {
    ///         let clerk = cx.lookup::<Clerk>("clerk").ok()?;
    ///         clerk.number().await.ok()
    ///     }
    /// }
    ///
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// system.spawn(Clerk::default())?;
    /// assert_eq!(system.spawn(Client)?.queue().wait(), Ok(Some(1)));
    /// # Ok::<(), odeon::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`System::register`](crate::System::register).
    pub fn register<B: Actor>(&mut self, name: &str, actor: Addr<B>) -> Result<(), NameError> {
        let register = |system, max| register::<B>(system, max, name, actor.raw());
        let found = self.with_core(|core| (core.links.system(), core.config.names_max));
        found.map_or(Err(NameError::Ended), |(system, max)| register(system, max))
    }

    /// Takes a name away that was given in this system; false if it stood for nobody.
    pub fn unregister(&mut self, name: &str) -> bool {
        let system = self.with_core(|core| core.links.system());
        system.is_some_and(|system| names::unregister(system, name))
    }

    /// The actor that has this name in this system.
    ///
    /// # Errors
    /// As [`System::lookup`](crate::System::lookup).
    pub fn lookup<B: Actor>(&self, name: &str) -> Result<Addr<B>, NameError> {
        let system = self.with_core(|core| core.links.system());
        system.map_or_else(|| Err(NameError::Unknown(name.to_owned())), |system| lookup(system, name))
    }
}
