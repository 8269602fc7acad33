//! Ties, slow readers and bodies on the same cores: they share buffers, slots and turns, and know nothing of each other.
//!
//! Knows: who is there. Must not know what each of them expects.

use super::bodies;
use super::echo::{Clients, Format};
use super::play;
use super::proxies::Proxies;
use super::slow::Cries;
use super::world::{World, pick};

pub(crate) fn run(seed: u64) -> [u64; 3] {
    let mut world = World::new(seed, |plan, random| {
        plan.config.owned_bytes_min = pick(random, [0, 20, 4096]);
        bodies::limits(plan, random);
        plan.config.actors_max = plan.config.actors_max.max(64);
    });
    bodies::listen(&mut world, World::address());
    let mut cries = Cries::default();
    cries.listen(&mut world);
    let clients = Clients::new(&mut world, World::address(), Format::Large);
    let proxies = Proxies::new(&mut world);
    play::play(world, vec![Box::new(cries), Box::new(clients), Box::new(proxies)])
}
