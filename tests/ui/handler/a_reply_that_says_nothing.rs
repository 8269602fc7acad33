use odeon::prelude::*;

struct Room;

#[actor]
impl Room {
    #[call]
    fn later(&mut self, _reply: Reply) {}
}

fn main() {}
