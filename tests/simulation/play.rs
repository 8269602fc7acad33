//! Several things that go on in one world at the same time, each with peers of its own.
//!
//! Knows: in which order they act, and come to an end. Must not know what they do.

use super::journal::Journal;
use super::world::World;

/// One of them.
pub(crate) trait Part {
    /// Does some of it.
    fn act(&mut self, world: &mut World);

    /// Does what is left. True once it is over.
    fn hurry(&mut self) -> bool;

    /// Looks at the books before the system ends; everything is over if it is `whole`.
    fn close(&mut self, world: &mut World, whole: bool) {
        let _ = (world, whole);
    }

    /// Looks at what has come of it after the system has ended. `whole`: nothing was cut off, neither by an accident nor by that end.
    fn look_at(&mut self, journal: &Journal, whole: bool);
}

/// Plays them until they are over, or the system ends in the middle of everything.
pub(crate) fn play(mut world: World, mut parts: Vec<Box<dyn Part>>) -> [u64; 3] {
    for _ in 0..world.rounds(60) {
        parts.iter_mut().for_each(|part| part.act(&mut world));
        world.pass();
    }
    let whole = !world.random.chance(0.3);
    if whole {
        world.until("everything is said and heard", |_| {
            parts.iter_mut().filter_map(|part| (!part.hurry()).then_some(())).count() == 0
        });
    } else {
        world.pause_midway();
    }
    parts.iter_mut().for_each(|part| part.close(&mut world, whole));
    let (journal, whole) = (world.journal.clone(), whole && world.gentle);
    world.finish_with(move || parts.iter_mut().for_each(|part| part.look_at(&journal, whole)))
}
