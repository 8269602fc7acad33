//! Hooks of actors without a connection: started, stopped, and what is done again and again.

use std::time::Duration;

use odeon::prelude::*;

use super::world::{Failure, Notes, World};

const OFTEN: Duration = Duration::from_millis(20);

struct Clock {
    notes: Notes,
    fails_at: u32,
    ticks: u32,
}

#[actor]
impl Clock {
    #[started]
    fn begun(&self, cx: &mut Context<Self>) {
        self.notes.note(format_args!("begun: {}", cx.me() == cx.me()));
    }

    #[cfg(not(test))]
    #[every("1ms")]
    fn not_there(&mut self) {
        self.notes.note("not there");
    }

    #[every(OFTEN)]
    fn tick(&mut self) -> Result<(), Failure> {
        self.ticks += 1;
        if self.ticks == self.fails_at {
            return Err(Failure(self.notes.clone()));
        }
        self.notes.note("tick");
        Ok(())
    }

    #[cfg(test)]
    #[every("30ms")]
    fn tock(&mut self, _: &mut Context<Self>) -> Flow {
        self.notes.note("tock");
        Flow::Continue
    }

    #[stopped]
    fn ended(&mut self, cx: &mut Context<Self>, why: StopReason) -> Result<(), Failure> {
        self.notes.note(format_args!("{why:?}: {}", cx.me() == cx.me()));
        Err(Failure(self.notes.clone()))
    }
}

/// Ends at its first interval, while the second is over as well.
struct First;

#[actor]
impl First {
    #[every("10ms")]
    fn one(&mut self) -> Flow {
        Flow::Stop
    }

    #[every("10ms")]
    fn two(&mut self) {}
}

/// Has the desk of the first.
struct Second(Notes);

#[actor]
impl Second {
    #[every("10ms")]
    fn often(&mut self) {
        self.0.note("often");
    }

    #[every("1h")]
    fn seldom(&mut self) {
        self.0.note("seldom");
    }
}

#[test]
fn an_interval_that_is_over_when_its_actor_ends_is_nobody_elses() {
    let mut world = World::new();
    world.spawn(First);
    world.run_for(Duration::from_millis(15));
    let second = world.spawn(Second(world.notes.clone()));
    world.run_for(Duration::from_millis(15));
    assert_eq!(world.notes.take(), ["often"]);
    second.stop();
    world.run();
    world.end();
}

#[test]
fn intervals_come_again_and_again_each_in_its_time() {
    let mut world = World::new();
    let clock = world.spawn(Clock { notes: world.notes.clone(), fails_at: 0, ticks: 0 });
    world.run();
    assert_eq!(world.notes.take(), ["begun: true"]);
    assert_eq!(Clock::INTERVALS, [OFTEN, Duration::from_millis(30)].map(Interval::every));
    world.run_for(Duration::from_millis(50));
    assert_eq!(world.notes.take(), ["tick", "tock", "tick"]);
    world.run_for(Duration::from_millis(60));
    assert_eq!(world.notes.take(), ["tick", "tock", "tick", "tock", "tick"]);
    clock.stop();
    world.run_for(Duration::from_millis(60));
    assert_eq!(world.notes.take(), ["Stopped: true", "shown"]);
    world.end();
}

#[test]
fn an_error_of_a_hook_ends_the_actor() {
    let mut world = World::new();
    world.spawn(Clock { notes: world.notes.clone(), fails_at: 2, ticks: 0 });
    world.run_for(Duration::from_millis(100));
    let notes = world.notes.take();
    assert_eq!(notes[..5], ["begun: true", "tick", "tock", "shown", "Failed: true"]);
    world.end();
}

/// Nothing can be sent to it, and it does nothing.
struct Idle;

#[actor]
impl Idle {}

/// Does not even begin.
struct Refusing(Notes);

#[actor]
impl Refusing {
    #[started]
    fn begun(&mut self) -> Result<Flow, Failure> {
        Err(Failure(self.0.clone()))
    }

    #[stopped]
    fn ended(&mut self) {
        self.0.note("ended");
    }
}

#[test]
fn an_actor_needs_no_handler() {
    let mut world = World::new();
    let idle = world.spawn(Idle);
    world.run();
    idle.stop();
    world.end();
}

#[test]
fn an_actor_that_cannot_start_ends() {
    let mut world = World::new();
    world.spawn(Refusing(world.notes.clone()));
    world.run();
    assert_eq!(world.notes.take(), ["shown", "ended"]);
    world.end();
}
