//! Calls: any arguments, any answer, by a method on the address.

use std::collections::HashMap;
use std::rc::Rc;

use odeon::prelude::*;

use super::world::World;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Point(u64, u64);

#[derive(Default)]
struct Board {
    points: Vec<Point>,
    waiting: Vec<Reply<usize>>,
}

/// A constant of the block's own module, which a call uses as a type's argument.
const SIDES: usize = 2;

#[actor]
impl Board {
    /// So many corners a rectangle has.
    const CORNERS: usize = 4;

    #[call]
    fn clear(&mut self) {
        self.points.clear();
    }

    #[call]
    fn put(&mut self, mut x: u64, y: u64, cx: &mut Context<Self>) -> usize {
        x += u64::from(cx.me() != cx.me());
        self.points.push(Point(x, y));
        self.points.len()
    }

    #[call]
    fn all(&self) -> Vec<Point> {
        self.points.clone()
    }

    #[call]
    #[expect(clippy::type_complexity, reason = "it is not said again of what the attribute makes")]
    fn corners(
        &self,
        of: [Point; SIDES],
        named: HashMap<&'static str, Box<dyn Fn(&Point) -> u64 + Send>>,
    ) -> [u64; Self::CORNERS] {
        let sum = named.get("sum").map_or(0, |sum| of.iter().map(sum).sum());
        [of[0].0, of[0].1, of[1].0, sum]
    }

    #[call]
    fn same(&self, other: Self, me: Addr<Self>, cx: &mut Context<Self>) -> Option<Self> {
        (self.points == other.points && me == cx.me()).then_some(other)
    }

    #[call]
    fn checked(&self, index: usize) -> Result<Point, String> {
        self.points.get(index).cloned().ok_or_else(|| format!("there are {} points", self.points.len()))
    }

    #[call]
    fn end(&mut self, really: bool) -> Flow {
        if really { Flow::Stop } else { Flow::Continue }
    }

    #[call]
    fn when_full(&mut self, reply: Reply<usize>, at_least: usize) -> Flow {
        self.waiting.push(reply);
        if self.waiting.len() >= at_least {
            for reply in self.waiting.drain(..) {
                reply.send(at_least);
            }
        }
        Flow::Continue
    }

    #[call(local)]
    fn shared(&self) -> Rc<[Point]> {
        Rc::from(self.points.as_slice())
    }

    #[call]
    fn r#type(&self, r#fn: u8) -> u8 {
        r#fn
    }
}

#[test]
fn calls_take_any_arguments_and_answer_anything() {
    let mut world = World::new();
    let board = world.spawn(Board::default());
    assert_eq!(world.ask(board.put(1, 2)), Ok(1));
    assert_eq!(world.ask(board.put(3, 4)), Ok(2));
    assert_eq!(world.ask(board.all()), Ok(vec![Point(1, 2), Point(3, 4)]));
    let sum: Box<dyn Fn(&Point) -> u64 + Send> = Box::new(|point| point.0 + point.1);
    let corners = board.corners([Point(5, 6), Point(7, 8)], HashMap::from([("sum", sum)]));
    assert_eq!(world.ask(corners), Ok([5, 6, 7, 26]));
    assert_eq!(world.ask(board.clear()), Ok(()));
    assert_eq!(world.ask(board.all()), Ok(vec![]));
    assert_eq!(world.ask(board.r#type(3)), Ok(3));
    world.end();
}

#[test]
fn self_is_the_actor_wherever_it_is_written() {
    let mut world = World::new();
    let board = world.spawn(Board::default());
    let other = Board::default();
    assert!(matches!(world.ask(board.same(other, board)), Ok(Some(_))));
    let other = Board { points: vec![Point(1, 1)], ..Board::default() };
    assert!(matches!(world.ask(board.same(other, board)), Ok(None)));
    world.end();
}

#[test]
fn a_result_is_an_answer() {
    let mut world = World::new();
    let board = world.spawn(Board::default());
    assert_eq!(world.ask(board.checked(0)), Ok(Err("there are 0 points".to_owned())));
    assert_eq!(world.ask(board.put(1, 2)), Ok(1));
    assert_eq!(world.ask(board.checked(0)), Ok(Ok(Point(1, 2))));
    world.end();
}

#[test]
fn a_flow_is_followed_and_nothing_is_answered() {
    let mut world = World::new();
    let board = world.spawn(Board::default());
    assert_eq!(world.ask(board.end(false)), Ok(()));
    assert_eq!(world.ask(board.end(true)), Ok(()));
    assert_eq!(world.ask(board.all()), Err(AskError::Stopped));
    world.end();
}

#[test]
fn a_call_may_be_answered_later() {
    let mut world = World::new();
    let board = world.spawn(Board::default());
    let first = board.when_full(2).into_future();
    world.run();
    assert_eq!(world.ask(board.when_full(2)), Ok(2));
    assert_eq!(world.poll(first), Some(Ok(2)));
    world.end();
}

/// Calls from the core on which the board is.
struct Neighbour(Addr<Board>);

#[actor]
impl Neighbour {
    #[call]
    fn count(&mut self, reply: Reply<usize>, cx: &mut Context<Self>) {
        match self.0.local() {
            Some(board) => {
                board.shared().then(cx, |_, points, _| reply.send(points.map_or(0, |points| points.len())))
            }
            None => reply.send(usize::MAX),
        }
    }
}

#[test]
fn local_calls_answer_what_stays_on_the_core() {
    let mut world = World::new();
    let board = world.spawn(Board::default());
    let neighbour = world.spawn(Neighbour(board));
    assert_eq!(world.ask(board.put(1, 2)), Ok(1));
    assert_eq!(world.ask(neighbour.count()), Ok(1));
    world.end();
}

#[test]
fn handlers_are_methods_that_anybody_may_call() {
    let mut board = Board::default();
    board.clear();
    assert_eq!(board.all(), []);
    assert_eq!(Board::CORNERS, 4);
}
