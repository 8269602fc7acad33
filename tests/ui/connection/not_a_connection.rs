use odeon::prelude::*;

struct Room;

impl Actor for Room {
    type Message = Never;

    fn handle(&mut self, message: Never, cx: &mut Context<Self>) -> Flow {
        cx.write("hello");
        match message {}
    }
}

fn main() {}

fn listen(system: &System) {
    system.listener("127.0.0.1:0").start(|_| Room).expect("a port is free");
}
