//! Odeon's own rows, from where its benchmark has them.
//!
//! Knows: which they are. Must not know how they are played.

use crate::{DEPTH, Games, IDLE, MESSAGES, RING};
use crate::{asks, crowd, fan_in, many, players};

pub(crate) const GAMES: Games = Games {
    name: "odeon",
    ping_pong_same_core: || Box::new(players::pass_round(1, 2, MESSAGES)),
    fan_in_same_core: || Box::new(fan_in::fan_in_same_core()),
    ask_same_core: || Box::new(asks::ask(1, MESSAGES, 1)),
    ring_503: || Box::new(players::pass_round(1, RING, MESSAGES)),
    many_to_many: || Box::new(many::many_to_many()),
    spawn_message_stop: || Box::new(crowd::spawn_message_stop(DEPTH)),
    allocations: Some([
        || Box::new(players::allocations_per_tell()),
        || Box::new(asks::allocations_per_ask()),
    ]),
    idle_actor_bytes: || crowd::weigh(IDLE),
};
