use odeon::prelude::*;

struct Mute;

impl Actor for Mute {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Connection for Mute {
    type Codec = Lines<80>;
    const OUTBOX_BYTES_MAX: Option<usize> = Some(0);

    fn frame(&mut self, _: &str, _: &mut Context<Self>) -> Flow {
        Flow::Continue
    }
}

fn main() {
    let system = System::builder().build().unwrap();
    system.listener("127.0.0.1:0").start(|_| Mute).unwrap();
}
