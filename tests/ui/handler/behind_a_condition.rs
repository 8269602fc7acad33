use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);


#[actor]
impl Room {
    #[cfg_attr(unix, message)]
    fn said(&mut self, _said: Said) {}
}

fn main() {}
