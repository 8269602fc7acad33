use odeon::prelude::*;

struct Clock;

#[actor]
impl Clock {
    #[every("1s", missed = later)]
    fn unknown(&mut self) {}

    #[every("1s", missed)]
    fn nothing(&mut self) {}

    #[every("1s", jitter = "1ms")]
    fn other(&mut self) {}

    #[message]
    fn fine(&mut self, _: Fine) {}
}

#[derive(Message)]
struct Fine;

fn main() {}
