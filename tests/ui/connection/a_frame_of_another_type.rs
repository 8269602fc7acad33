use odeon::prelude::*;

struct Session;

impl Actor for Session {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Connection for Session {
    type Codec = Raw;

    fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        cx.write_line(line);
        Flow::Continue
    }
}

fn main() {}
