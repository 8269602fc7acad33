use odeon::prelude::*;

struct Room;


#[actor]
impl Room {
    #[message]
    fn said(&mut self, _cx: &mut Context<Self>) {}
}

fn main() {}
