use odeon::prelude::*;

struct Room;


#[actor(codec = String)]
impl Room {
    #[frame]
    fn line(&mut self, _line: &str) {}
}

fn main() {}
