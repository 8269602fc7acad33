use odeon::prelude::*;

struct Endless;

impl Actor for Endless {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Connection for Endless {
    type Codec = odeon::net::codec::Fixed<0>;

    fn frame(&mut self, _: &[u8; 0], _: &mut Context<Self>) -> Flow {
        Flow::Continue
    }
}

fn main() {
    let system = System::builder().build().unwrap();
    system.listener("127.0.0.1:0").start(|_| Endless).unwrap();
}
