use odeon::prelude::*;

struct Room;


#[derive(Message)]
#[message(reply = Option<u64>)]
struct Find(String);

#[actor]
impl Room {
    #[message]
    fn find(&mut self, find: Find, reply: Reply<u64>) {
        reply.send(find.0.len() as u64);
    }
}

fn main() {}
