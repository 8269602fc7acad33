use odeon::prelude::*;

struct Room;


#[actor]
impl Room {
    #[started]
    #[every("1s")]
    fn tick(&mut self) {}
}

fn main() {}
