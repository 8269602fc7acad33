use odeon::prelude::*;

struct Room;


#[derive(Message)]
#[message(reply = Option<u64>)]
struct Find(String);

#[actor]
impl Room {
    #[message]
    fn find(&mut self, _find: Find) {}
}

fn main() {}
