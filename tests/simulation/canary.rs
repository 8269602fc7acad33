//! Mistakes that the simulated backend makes on purpose, and the check must find: a check that cannot fail keeps nothing.
//!
//! Knows: the mistakes by name. Must not know the runtime.

use std::panic::{AssertUnwindSafe, catch_unwind};

use odeon::system::simulation::{Canary, Faults};

use super::echo;
use super::world::World;

/// Runs the echo scenario with a mistake until a seed is found that fails; what it said.
fn found(canary: Canary, faults: Faults) -> Option<String> {
    (0..50).find_map(|seed| {
        let faults = Faults { canary, ..faults.clone() };
        let world = World::new(seed, |plan, _| plan.faults = faults);
        let panic = catch_unwind(AssertUnwindSafe(|| echo::run_in(world))).err()?;

        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
    })
}

#[test]
fn without_a_mistake_nothing_is_found() {
    let faults = Faults { short_send: 0.5, buffer_cut: 0.5, ..Faults::default() };
    assert_eq!(found(Canary::None, faults), None);
}

#[test]
fn a_lost_buffer_is_found() {
    let faults = Faults { buffer_cut: 0.2, ..Faults::default() };
    let said = found(Canary::LoseBuffer, faults).expect("a seed must fail");
    assert!(said.contains("receive buffers") || said.contains("takes for ever"), "{said}");
}

#[test]
fn swapped_bytes_are_found() {
    let said = found(Canary::SwapBytes, Faults::default()).expect("a seed must fail");
    assert!(said.contains("what came back at"), "{said}");
}

#[test]
fn the_lost_rest_of_a_short_send_is_found() {
    let faults = Faults { short_send: 0.5, ..Faults::default() };
    let said = found(Canary::DropRest, faults).expect("a seed must fail");
    assert!(said.contains("came back"), "{said}");
}

#[test]
fn a_release_that_is_not_told_is_found() {
    let faults = Faults { pinned_send: 0.5, ..Faults::default() };
    assert_eq!(found(Canary::None, faults.clone()), None);
    found(Canary::LoseRelease, faults).expect("a seed must fail");
}
