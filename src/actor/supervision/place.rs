//! How supervisors, and what they supervise, come to be.
//!
//! Knows: cells, and who is told of them. Must not know what becomes of them.

use std::any::type_name;

use super::super::address::demand;
use super::super::head::Head;
use super::super::{Actor, Addr, Context};
use super::Restart;
use super::child::Supervised;
use super::supervisor::{NAME, Supervisor};
use super::words::{Above, Board, What, Word, hear};
use crate::executor::{Core, Demand, RawAddress, current};
use crate::mem::{Full, Key};

/// Makes a supervisor on this core: below another one, or for itself. `lone`: it ends with the last that it supervises.
///
/// # Errors
/// When the core holds as many actors as it may.
pub(crate) fn open(
    core: &Core,
    restart: Restart,
    above: Option<Above>,
    lone: bool,
) -> Result<RawAddress, Full> {
    let is_root = above.is_none();
    let above = match above {
        Some(above) => above,
        None => reserve(core, roots(core)?).ok_or(Full)?,
    };
    let supervisor = Supervisor::new(restart, Some(above), is_root, lone);
    match core.spawn_kept(Board::default(), supervisor) {
        Ok(cell) => {
            above.tell(core, cell, What::Adopted(NAME));
            Ok(core.address(cell))
        }
        Err(_) => Err(refuse(core, above)),
    }
}

/// The supervisor of those that are nobody's: when the core ends, it stops them in the reverse of their order.
fn roots(core: &Core) -> Result<RawAddress, Full> {
    if let Some(roots) = core.roots.get().filter(|roots| core.cells.exists(*roots)) {
        return Ok(core.address(roots));
    }
    let supervisor = Supervisor::new(Restart::default(), None, true, false);
    let cell = core.spawn(Board::default(), supervisor).map_err(|_| Full)?;
    core.roots.set(Some(cell));
    Ok(core.address(cell))
}

/// Takes the next place below a supervisor of this core; none if that has ended.
pub(crate) fn reserve(core: &Core, supervisor: RawAddress) -> Option<Above> {
    let number =
        core.cells.find(supervisor.cell(), |board: &Board| board.next.replace(board.next.get() + 1))?;
    hear(core, supervisor.cell(), Word { number, from: supervisor, what: What::Reserved });
    Some(Above { supervisor, number })
}

/// Stops a supervisor of any core, and those below it before.
pub(crate) fn stop_supervisor(supervisor: RawAddress) {
    demand(supervisor, Demand::Stop);
}

/// Makes an actor on this core that begins when its supervisor says so.
///
/// # Errors
/// When the core holds as many actors as it may.
pub(crate) fn spawn_child<A, F>(core: &Core, above: Above, make: F) -> Result<Addr<A>, Full>
where
    A: Actor,
    F: FnMut() -> A + 'static,
{
    match core.spawn_kept(Head::<A>::vacant(), Supervised::new(make, above)) {
        Ok(cell) => {
            above.tell(core, cell, What::Adopted(type_name::<A>()));
            Ok(Addr::from_raw(core.address(cell)))
        }
        Err((_, refused)) => {
            core.drop_contained(refused);
            Err(refuse(core, above))
        }
    }
}

/// There is no room for what was to have this place.
#[cold]
fn refuse(core: &Core, above: Above) -> Full {
    // Nobody else has a place of this number: the word is the only one with this name.
    let name = Key { index: above.number as u32, generation: u32::MAX };
    above.tell(core, name, What::Forgotten);
    Full
}

impl<A: Actor> Context<A> {
    /// Has the actor that `make` makes run on this core, under a supervisor of its own that makes another one when it has failed. The
    /// new one has the address and the mailbox of the old. Neither depends on this actor.
    ///
    /// `make` runs after this handler has returned, once for each; a panic of it counts as a failure. Otherwise as
    /// [`System::supervise`](crate::System::supervise).
    ///
    /// # Errors
    /// [`Full`] when the core holds as many actors as `Config::actors_max` allows.
    pub fn supervise<B, F>(&mut self, restart: Restart, make: F) -> Result<Addr<B>, Full>
    where
        B: Actor,
        F: FnMut() -> B + 'static,
    {
        let core = self.me().raw().core();
        current::at(core, |core| {
            let core = core.ok_or(Full)?;
            let supervisor = open(core, restart, None, true)?;
            let above = reserve(core, supervisor).ok_or(Full)?;
            spawn_child(core, above, make)
        })
    }
}
