//! What actors are called, in each system of the process.
//!
//! Knows: names, whom each stands for, the type that it was given with. Must not know what actors do.
//!
//! A name goes with its actor: the core of that one knows that it has a name, and takes it away when the actor ends; when a core ends,
//! so do the names of all that lived on it. A system is named by its first core, whose id is used once.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use super::address::{CoreId, RawAddress};
use super::core::Core;
use super::current;
use super::directory;
use super::links::insist;
use crate::mem::Key;

static NAMES: RwLock<Names> = RwLock::new(Names { systems: BTreeMap::new(), actors: BTreeMap::new() });

struct Names {
    systems: BTreeMap<CoreId, BTreeMap<String, Named>>,
    /// What each of those is called, and in which system.
    actors: BTreeMap<RawAddress, Vec<(CoreId, String)>>,
}

/// Whom a name stands for.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    /// Its address.
    pub address: RawAddress,
    /// Its type.
    pub actor: TypeId,
    /// What that is called.
    pub type_name: &'static str,
}

/// Why a name was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unnamed {
    /// It stands for another actor.
    Taken,
    /// There are as many names as there may be.
    Full,
    /// The actor has ended.
    Ended,
}

// A panic while the lock is held could only come from the allocator.
fn write() -> RwLockWriteGuard<'static, Names> {
    NAMES.write().unwrap_or_else(PoisonError::into_inner)
}

impl Names {
    fn remove(&mut self, system: CoreId, name: &str) -> Option<Named> {
        let names = self.systems.get_mut(&system)?;
        let named = names.remove(name)?;
        if names.is_empty() {
            self.systems.remove(&system);
        }
        Some(named)
    }

    fn forget(&mut self, actor: RawAddress) {
        for (system, name) in self.actors.remove(&actor).unwrap_or_default() {
            self.remove(system, &name);
        }
    }
}

/// Gives an actor a name in a system of at most so many names; once, if it has it already.
pub fn register(system: CoreId, name: &str, named: Named, max: usize) -> Result<(), Unnamed> {
    let actor = named.address;
    let mut names = write();
    let of_system = names.systems.entry(system).or_default();
    match of_system.get(name) {
        Some(known) if known.address == actor => {}
        Some(_) => return Err(Unnamed::Taken),
        None if of_system.len() >= max => return Err(Unnamed::Full),
        None => {
            of_system.insert(name.to_owned(), named);
            names.actors.entry(actor).or_default().push((system, name.to_owned()));
        }
    }
    drop(names);
    // Looked at afterwards: a core that ends later takes away what is there by then.
    if directory::port(actor.core()).is_none() {
        write().forget(actor);
        return Err(Unnamed::Ended);
    }
    let known_here = current::at(actor.core(), |core| core.map(|core| core.name(actor.cell())));
    match known_here {
        Some(true) => Ok(()),
        Some(false) => Err(Unnamed::Ended),
        None => {
            current::with(|from| insist(from, actor, arrive_name, ()));
            Ok(())
        }
    }
}

/// Whom a name stands for.
#[must_use]
pub fn find(system: CoreId, name: &str) -> Option<Named> {
    let names = NAMES.read().unwrap_or_else(PoisonError::into_inner);
    names.systems.get(&system)?.get(name).copied()
}

/// Takes a name away; false if it stood for nobody.
pub fn unregister(system: CoreId, name: &str) -> bool {
    let mut names = write();
    let Some(named) = names.remove(system, name) else { return false };
    if let Some(of_actor) = names.actors.get_mut(&named.address) {
        of_actor.retain(|(of, other)| *of != system || other != name);
        if of_actor.is_empty() {
            names.actors.remove(&named.address);
        }
    }
    true
}

/// A core has ended: nothing on it has a name any more, and if it was the first of its system, nothing in that.
pub(super) fn close(core: CoreId) {
    let mut names = write();
    let first = RawAddress::new(core, Key::from_bits(0));
    let gone: Vec<_> = names
        .actors
        .range(first..)
        .map(|(actor, _)| *actor)
        .take_while(|actor| actor.core() == core)
        .collect();
    gone.into_iter().for_each(|actor| names.forget(actor));
    if let Some(of_system) = names.systems.remove(&core) {
        for (name, named) in of_system {
            if let Some(of_actor) = names.actors.get_mut(&named.address) {
                of_actor.retain(|(of, other)| *of != core || *other != name);
            }
        }
        names.actors.retain(|_, of_actor| !of_actor.is_empty());
    }
}

fn arrive_name(cell: Key, (): ()) {
    current::with(|core| core.map(|core| core.name(cell)));
}

impl Core {
    /// Notes that an actor of this core has a name. False if it has ended: then it has none.
    fn name(&self, cell: Key) -> bool {
        let is_there = self.cells.mark_named(cell);
        if !is_there {
            self.forget_name(cell);
        }
        is_there
    }

    /// An actor of this core has ended: it is not called anything any more.
    #[cold]
    pub(super) fn forget_name(&self, cell: Key) {
        write().forget(self.address(cell));
    }
}
