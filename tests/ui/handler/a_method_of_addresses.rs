use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);


#[actor]
impl Room {
    #[message]
    fn tell(&mut self, _said: Said) {}

    #[call]
    fn stop(&mut self) {}

    #[call]
    fn clone(&mut self) {}
}

fn main() {}
