use odeon::prelude::*;

struct Room;


#[actor]
impl Room {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        cx.write_line(line);
    }

    #[idle("10m")]
    fn asleep(&mut self) {}

    #[end_of_stream]
    fn ended(&mut self) {}

    #[malformed]
    fn refused(&mut self, _error: FrameError) {}
}

fn main() {}
