use odeon::prelude::*;

struct Deaf;

impl Actor for Deaf {
    type Message = Never;
    const MAILBOX_CAPACITY: u32 = 0;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

fn main() {
    let system = System::builder().build().unwrap();
    system.spawn(Deaf).unwrap();
}
