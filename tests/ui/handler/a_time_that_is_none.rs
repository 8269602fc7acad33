use odeon::prelude::*;

struct Room;


#[actor]
impl Room {
    #[every("10 seconds")]
    fn first(&mut self) {}

    #[every(10)]
    fn second(&mut self) {}

    #[every("0s")]
    fn third(&mut self) {}

    #[every]
    fn fourth(&mut self) {}

    #[every("never")]
    fn fifth(&mut self) {}

    #[call(timeout = "1.5s")]
    async fn sixth(&mut self) {}
}

fn main() {}
