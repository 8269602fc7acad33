use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);


#[actor]
impl Room {
    #[message(remote)]
    fn said(&mut self, _said: Said) {}

    #[call(reply = u64)]
    fn count(&self) -> u64 {
        0
    }

    #[started(now)]
    fn started(&mut self) {}
}

fn main() {}
