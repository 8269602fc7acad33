use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);

#[actor(mailbox(capacity = 8, overflow = drop))]
impl Room {
    #[message]
    fn said(&mut self, _said: Said) {}
}

struct Hall;

#[actor(mailbox(overflow = "refuse"))]
impl Hall {
    #[message]
    fn said(&mut self, _said: Said) {}
}

struct Yard;

#[actor(mailbox(overflow = close))]
impl Yard {
    #[message]
    fn said(&mut self, _said: Said) {}
}

fn main() {}
