use odeon::prelude::*;

struct Room;


#[actor]
impl Room {
    #[call]
    fn count(&self, reply: Reply<u64>) -> u64 {
        reply.send(1);
        1
    }
}

fn main() {}
