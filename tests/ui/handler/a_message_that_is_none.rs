use odeon::prelude::*;

struct Room;


#[actor]
impl Room {
    #[message]
    fn said(&mut self, _said: String) {}
}

fn main() {}
