use odeon::prelude::*;

#[derive(Debug)]
struct StopReason;

struct FrameError;

struct Upload;


#[actor(codec = Lines<20>)]
impl Upload {
    #[frame]
    fn line(&mut self, _line: &str) {}

    #[forwarded]
    fn kept(&mut self, _file: odeon::fs::File) {}

    #[stopped]
    fn last(&mut self, _reason: StopReason) {}

    #[malformed]
    fn refused(&mut self, _error: FrameError) {}
}

fn main() {}
