use odeon::prelude::*;

struct Sums;


#[actor(codec = Lines<20>)]
impl Sums {
    #[frame]
    fn length(&mut self, _line: &str) {}

    #[body]
    fn numbers(&mut self, _numbers: Vec<u8>) {}
}

struct Room;


#[actor]
impl Room {
    #[body]
    fn numbers(&mut self, _numbers: Result<Vec<u8>, BodyError>) {}
}

fn main() {}
