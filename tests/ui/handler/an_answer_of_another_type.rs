use odeon::prelude::*;

struct Room;


#[derive(Message)]
#[message(reply = Option<u64>)]
struct Find(String);

#[actor]
impl Room {
    #[message]
    fn find(&mut self, find: Find) -> Vec<u64> {
        vec![find.0.len() as u64]
    }
}

fn main() {}
