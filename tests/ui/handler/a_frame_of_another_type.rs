use odeon::prelude::*;

struct Room;


#[actor(codec = Lines<80>)]
impl Room {
    #[frame]
    fn line(&mut self, _line: &[u8]) {}
}

fn main() {}
