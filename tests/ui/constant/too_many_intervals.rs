use std::time::Duration;

use odeon::prelude::*;

struct Clock;

impl Actor for Clock {
    type Message = Never;
    const INTERVALS: &'static [Interval] = &[Interval::every(Duration::from_secs(1)); 33];

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

fn main() {
    let system = System::builder().build().unwrap();
    system.spawn(Clock).unwrap();
}
