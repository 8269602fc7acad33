use std::time::Duration;

use odeon::prelude::*;

struct Session;

#[actor(codec = Lines<80>, outbox(grace = Duration::from_secs(5), bytes = 1 << 16), mailbox(capacity = room()))]
impl Session {
    #[frame]
    fn line(&mut self, _line: &str) {}

    #[every(Duration::from_secs(30))]
    fn tick(&mut self) {}

    #[every(PAUSE * 2, missed = skip)]
    fn slow(&mut self) {}

    #[idle(std::time::Duration::new(30, 0))]
    fn idle(&mut self) {}

    #[call(timeout = Duration::from_millis(500))]
    async fn stats(&mut self) {}
}

const PAUSE: Duration = Duration::from_secs(1);

const fn room() -> u32 {
    8
}

fn main() {}
