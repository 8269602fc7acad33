use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);

#[actor]
impl Room {
    #[message(priority = high)]
    fn said(&mut self, _said: Said) {}

    #[call(priority = "control")]
    fn quoted(&mut self) {}

    #[call(priority)]
    fn nothing(&mut self) {}

    #[call(priority = system)]
    fn ours(&mut self) {}
}

fn main() {}
