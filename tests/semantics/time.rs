//! What is to come a whole period after the one that was late does so by the clock, whoever has blocked the core.
//!
//! No simulated system: there, nothing takes time.

use std::time::Duration;

use odeon::Time;
use odeon::prelude::*;
use odeon::sys::now;

use crate::world::{Notes, On, Run, World};

const PERIOD: Duration = Duration::from_millis(5);

fn block(duration: Duration) {
    let end = now().after(duration);
    while now() < end {
        std::hint::spin_loop();
    }
}

#[derive(Message, Clone)]
struct Again;

/// Notes when it was called.
struct Ticker(Notes<Time>);

#[actor]
impl Ticker {
    #[started]
    fn start(&mut self, cx: &mut Context<Self>) {
        let often = Interval::every(PERIOD).missed(MissedTicks::Delay);
        assert!(cx.send_every(often, Again).is_ok(), "there is room");
        // What was set before this comes due in the same turn, ahead of it.
        block(2 * PERIOD);
    }

    #[message]
    fn again(&mut self, _: Again) {
        self.0.note(now());
    }
}

pub fn what_was_late_comes_again_a_whole_period_later(on: On) {
    let world = World::new(on, 1);
    for _ in 0..3 {
        let (ticks, ended) = (Notes::new(), Notes::new());
        let (noted, ends) = (ticks.clone(), ended.clone());
        let ticker = world.run(0, move |cx| {
            let blocks = move |_: &mut Context<_>| {
                block(4 * PERIOD);
                ends.note(now());
            };
            assert!(cx.send_after(PERIOD / 2, Run(Box::new(blocks))).is_ok(), "there is room");
            cx.spawn(Ticker(noted)).expect("there is room")
        });
        let (mut end, mut after) = (None, Vec::new());
        world.until("two that come after the block", || {
            end = end.or_else(|| ended.take().pop());
            after.extend(ticks.take());
            after.retain(|tick| end.is_none_or(|end| *tick > end));
            end.is_some() && after.len() >= 2
        });
        let apart = end.map(|end| after[1].since(end));
        assert!(apart >= Some(PERIOD), "{apart:?} after the core was free for the first, it came again");
        ticker.stop();
    }
    world.end();
}
