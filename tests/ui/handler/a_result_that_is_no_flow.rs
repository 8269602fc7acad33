use odeon::prelude::*;

struct Room;


#[actor(codec = Lines<80>)]
impl Room {
    #[frame]
    fn line(&mut self, line: &str) -> usize {
        line.len()
    }

    #[every("1s")]
    fn tick(&mut self) -> Result<(), Vec<u8>> {
        Ok(())
    }
}

fn main() {}
