use odeon::prelude::*;

struct Room;


#[actor(codec = "Lines<80>", crate = "odeon")]
impl Room {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        cx.write_line(line);
    }
}

fn main() {}
