//! What `#[actor]` makes of blocks: every kind of handler and every key, in whole systems.
//!
//! Knows: what is written in a block, and what then happens. Must not know expansions. Mistakes are in `ui/`.

#[path = "actor/asynchronous.rs"]
mod asynchronous;
#[path = "actor/calls.rs"]
mod calls;
#[path = "actor/connections.rs"]
mod connections;
#[path = "actor/cores.rs"]
mod cores;
#[path = "actor/fairness.rs"]
mod fairness;
#[path = "actor/hooks.rs"]
mod hooks;
#[path = "actor/messages.rs"]
mod messages;
#[path = "actor/order.rs"]
mod order;
#[path = "actor/places.rs"]
mod places;
#[path = "actor/world.rs"]
mod world;
