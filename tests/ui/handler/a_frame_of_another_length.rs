use odeon::prelude::*;
use odeon::net::codec::Fixed;

struct Meter;


#[actor(codec = Fixed<8>)]
impl Meter {
    #[frame]
    fn sample(&mut self, _sample: &[u8; 4]) {}
}

fn main() {}
