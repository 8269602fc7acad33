//! Requests of 64 bytes on 64 connections, and the answers.

use std::cell::Cell;
use std::rc::Rc;

use odeon::prelude::*;
use odeon::system::workbench::{NullLoad, Workbench};

const CONNECTIONS: u32 = 64;
const BYTES: usize = 64;

/// Counts the connections that are left.
struct Left(Rc<Cell<u32>>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

fn serve<A: Connection>(request: Vec<u8>, requests: u64, make: fn(Left) -> A) {
    let load = NullLoad { connections: CONNECTIONS, answer_len: request.len() as u32, request, requests };
    let mut bench = Workbench::new(1, Config::default(), &load);
    let left = Rc::new(Cell::new(CONNECTIONS));
    let of_all = left.clone();
    bench.listen(0, move |_| make(Left(of_all.clone()))).expect("there is room for a listener");
    bench.run_until(|| left.get() == 0);
}

struct Echo {
    _left: Left,
}

impl Actor for Echo {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Connection for Echo {
    type Codec = Raw;

    fn frame(&mut self, bytes: &[u8], cx: &mut Context<Self>) -> Flow {
        cx.write(bytes);
        Flow::Continue
    }
}

pub(crate) fn by_hand(requests: u64) {
    serve(vec![7; BYTES], requests, |left| Echo { _left: left });
}

struct MacroEcho {
    _left: Left,
}

#[actor(codec = Raw)]
impl MacroEcho {
    #[frame]
    fn bytes(&mut self, bytes: &[u8], cx: &mut Context<Self>) {
        cx.write(bytes);
    }
}

pub(crate) fn by_macro(requests: u64) {
    serve(vec![7; BYTES], requests, |left| MacroEcho { _left: left });
}

struct Lined {
    _left: Left,
}

impl Actor for Lined {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Connection for Lined {
    type Codec = Lines<1024>;

    fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        cx.write_line(line);
        Flow::Continue
    }
}

struct MacroLined {
    _left: Left,
}

#[actor(codec = Lines<1024>)]
impl MacroLined {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        cx.write_line(line);
    }
}

/// Sixteen lines at a time: what each needs.
fn lines<A: Connection>(count: u64, make: fn(Left) -> A) {
    const TOGETHER: usize = 16;
    let mut line = [b'x'; BYTES];
    line[BYTES - 1] = b'\n';
    serve(line.repeat(TOGETHER), count / TOGETHER as u64, make);
}

pub(crate) fn lines_by_hand(count: u64) {
    lines(count, |left| Lined { _left: left });
}

pub(crate) fn lines_by_macro(count: u64) {
    lines(count, |left| MacroLined { _left: left });
}
