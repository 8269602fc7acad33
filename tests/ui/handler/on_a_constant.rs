use odeon::prelude::*;

struct Room;


#[actor]
impl Room {
    #[message]
    const NAME: &'static str = "lobby";
}

fn main() {}
