use odeon::prelude::*;

struct Room;


struct Point(u64, u64);

#[actor]
impl Room {
    #[call]
    fn area(&self, Point(x, y): Point) -> u64 {
        x * y
    }
}

fn main() {}
