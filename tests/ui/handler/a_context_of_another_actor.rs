use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);


struct Hall;

#[actor]
impl Hall {}

#[actor]
impl Room {
    #[message]
    fn said(&mut self, _said: Said, _cx: &mut Context<Hall>) {}
}

fn main() {}
