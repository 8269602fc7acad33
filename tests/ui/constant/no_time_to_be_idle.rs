use std::time::Duration;

use odeon::prelude::*;

struct Hasty;

impl Actor for Hasty {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Connection for Hasty {
    type Codec = Lines<80>;
    const IDLE_TIMEOUT: Option<Duration> = Some(Duration::ZERO);

    fn frame(&mut self, _: &str, _: &mut Context<Self>) -> Flow {
        Flow::Continue
    }
}

fn main() {
    let system = System::builder().build().unwrap();
    system.listener("127.0.0.1:0").start(|_| Hasty).unwrap();
}
