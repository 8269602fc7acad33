//! Unit tests of actors without a system: what a handler does, seen through a `TestContext`.
//!
//! Knows: `odeon::testing` and actors to be tested with it. Must not know what a context is made of.

#[path = "testing/actors.rs"]
mod actors;
#[path = "testing/lives.rs"]
mod lives;
#[path = "testing/system.rs"]
mod system;
#[path = "testing/what_is_seen.rs"]
mod what_is_seen;
#[path = "testing/what_waits.rs"]
mod what_waits;
