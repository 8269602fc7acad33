//! Tests of the table of cells: in which order they run, who is found by what, and when a slot is used again.
//!
//! Knows: cores without a thread. Must not know what actors do.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::config::Config;
use crate::executor::{CoreId, Links};
use crate::sys::{Clock, Time};

type Log = Rc<RefCell<Vec<u32>>>;

/// Notes its number when it runs, puts more beside it, and then ends or rests.
struct Noted {
    number: u32,
    more: u32,
    outcome: Outcome,
    log: Log,
}

impl Body<Cell<u32>> for Noted {
    fn activate(&self, head: &Cell<u32>, activation: &Activation<'_>) -> Outcome {
        self.log.borrow_mut().push(self.number + head.take());
        for more in 0..self.more {
            let body = Noted { number: 1000 + more, more: 0, outcome: Outcome::Rest, log: self.log.clone() };
            assert!(activation.core.spawn(Cell::new(0), body).is_ok(), "there is room");
        }
        self.outcome
    }
}

fn core() -> Core {
    let mut config = Config { actors_max: 40, receive_buffers: 1, ..Config::default() };
    (config.receive_buffer_bytes, config.send_slots) = (64, [1, 0, 0, 0, 0]);
    let clock = Clock::Virtual(Rc::new(Cell::new(Time::ZERO)));
    Core::new(CoreId(0), Rc::new(config), clock, Links::new(CoreId(0), []))
}

fn spawn(core: &Core, number: u32, more: u32, outcome: Outcome, log: &Log) -> Key {
    let body = Noted { number, more, outcome, log: log.clone() };
    core.spawn(Cell::new(0), body).unwrap_or_else(|_| panic!("there is room"))
}

fn run(core: &Core) {
    while core.run_next() {}
}

#[test]
fn cells_run_in_the_order_in_which_they_were_queued_and_each_once() {
    let (core, log) = (core(), Log::default());
    let cells = [1, 2, 3].map(|number| spawn(&core, number, 0, Outcome::Rest, &log));
    run(&core);
    for index in [2, 0, 2, 1, 0] {
        core.schedule(cells[index]);
    }
    run(&core);
    assert_eq!(*log.borrow(), [1, 2, 3, 3, 1, 2]);
    assert!(!core.has_ready());
}

fn next_name(core: &Core) -> Option<&'static str> {
    core.cells.name(core.cells.next()?)
}

#[test]
fn the_next_to_run_is_known_by_the_type_of_its_head() {
    let (core, log) = (core(), Log::default());
    assert_eq!(core.cells.next(), None);
    let first = spawn(&core, 1, 0, Outcome::Ended, &log);
    spawn(&core, 2, 0, Outcome::Rest, &log);
    assert_eq!(next_name(&core), Some(type_name::<Cell<u32>>()));
    run(&core);
    core.schedule(first);
    assert_eq!(next_name(&core), None, "it is gone");
}

#[test]
fn a_head_is_reached_by_its_type_only_and_while_its_cell_is_open() {
    let (core, log) = (core(), Log::default());
    let cell = spawn(&core, 7, 0, Outcome::Rest, &log);
    run(&core);
    assert_eq!(core.cells.reach(cell, 7, |_: &u32, _| ()), Err(7));
    assert!(!core.has_ready(), "whoever was not found is not queued");
    assert_eq!(core.cells.reach(cell, 30_u32, Cell::set), Ok(()));
    run(&core);
    core.cells.close(cell, Fate::UNKNOWN);
    assert_eq!(core.cells.reach(cell, 30_u32, Cell::set), Err(30));
    assert_eq!(*log.borrow(), [7, 37]);
}

#[test]
fn the_table_may_grow_while_a_cell_runs_and_while_a_head_is_held() {
    let (core, log) = (core(), Log::default());
    let cell = spawn(&core, 1, 20, Outcome::Rest, &log);
    let others: Result<Vec<_>, _> = core.cells.reach(cell, 2, |head: &Cell<u32>, value| {
        let others = (0..10).map(|number| spawn(&core, 10 + number, 0, Outcome::Rest, &log)).collect();
        head.set(value);
        others
    });
    run(&core);
    let expected: Vec<u32> = [3].into_iter().chain(10..20).chain(1000..1020).collect();
    assert_eq!((others.map(|others| others.len()), log.borrow().as_slice()), (Ok(10), expected.as_slice()));
}

#[test]
fn a_slot_whose_generation_would_wrap_is_retired() {
    let (core, log) = (core(), Log::default());
    let first = spawn(&core, 1, 0, Outcome::Rest, &log);
    let slot = core.cells.slot(first.index).expect("it exists");
    slot.generation.set(u32::MAX - 1);
    let last = Key { generation: u32::MAX - 1, ..first };
    assert!(core.cells.exists(last) && !core.cells.exists(first));
    assert!(!core.cells.remove(last));
    let next = spawn(&core, 2, 0, Outcome::Rest, &log);
    assert_ne!(next.index, first.index, "the retired slot is not used again");
    assert!(!core.cells.exists(last) && !core.cells.exists(first));
    assert_eq!(core.cells.keys(), [next]);
}

#[test]
fn a_slot_that_is_vacant_is_nobody_to_find_to_run_or_to_remove() {
    let (core, log) = (core(), Log::default());
    let old = spawn(&core, 1, 0, Outcome::Rest, &log);
    assert!(!core.cells.remove(old));
    let next = Key { generation: old.generation + 1, ..old };
    for cell in [old, next] {
        assert!(!core.cells.remove(cell));
        assert_eq!(core.cells.reach(cell, 1_u32, Cell::set), Err(1));
    }
    assert_eq!((core.cells.live(), core.cells.keys(), next_name(&core)), (0, Vec::new(), None));
    assert!(core.run_next(), "its turn was to come");
    assert!(!core.run_next());
    assert!(log.borrow().is_empty());
}

#[test]
fn a_slot_that_is_used_again_while_it_is_queued_runs_its_new_occupant_once() {
    let (core, log) = (core(), Log::default());
    let old = spawn(&core, 1, 0, Outcome::Rest, &log);
    assert!(!core.cells.remove(old));
    let new = spawn(&core, 2, 0, Outcome::Ended, &log);
    assert_eq!((old.index, core.cells.reach(old, 1_u32, Cell::set)), (new.index, Err(1)));
    run(&core);
    assert_eq!((log.borrow().as_slice(), core.cells.live()), ([2].as_slice(), 0));
    // Where another is queued behind it, the new occupant has its turn.
    let old = spawn(&core, 3, 0, Outcome::Rest, &log);
    spawn(&core, 5, 0, Outcome::Ended, &log);
    assert!(!core.cells.remove(old));
    let new = spawn(&core, 4, 0, Outcome::Rest, &log);
    run(&core);
    assert_eq!(log.borrow().as_slice(), [2, 4, 5]);
    assert!(!core.cells.remove(new));
    assert_eq!(Rc::strong_count(&log), 1, "what ended is freed");
}

/// True if a cell can be freed now; the attempt leaves nothing behind if it cannot.
fn is_freed(core: &Core, cell: Key) -> bool {
    catch_unwind(AssertUnwindSafe(|| core.cells.remove(cell))).is_ok()
}

#[test]
fn no_cell_is_freed_while_anything_is_lent_whatever_has_ended_meanwhile() {
    let (core, log) = (core(), Log::default());
    let [cell, other] = [1, 2].map(|number| spawn(&core, number, 0, Outcome::Rest, &log));
    let cells = &core.cells;
    let find = |end: bool| {
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            cells.find(other, |_: &Cell<u32>| assert!(end, "as planned")).expect("it exists");
        }));
        assert_eq!(unwound.is_ok(), end);
    };
    let reach = |end: bool| {
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let reached = cells.reach(other, 0, |_: &Cell<u32>, _: u32| assert!(end, "as planned"));
            assert_eq!(reached, Ok(()));
        }));
        assert_eq!(unwound.is_ok(), end);
    };
    // Each panic takes an interpreter seconds.
    for end in [true, false].into_iter().skip(usize::from(cfg!(miri))) {
        let found = cells.find(cell, |head: &Cell<u32>| {
            assert!(!is_freed(&core, cell), "it is lent");
            find(end);
            assert!(!is_freed(&core, cell) && !is_freed(&core, other), "the first is still lent");
            reach(end);
            assert!(!is_freed(&core, cell) && !is_freed(&core, other), "the first is still lent");
            head.get()
        });
        assert_eq!(found, Some(0));
        let reached = cells.reach(cell, 0, |head: &Cell<u32>, _: u32| {
            find(end);
            assert!(!is_freed(&core, cell), "it is still lent");
            head.get()
        });
        assert_eq!(reached, Ok(0));
    }
    assert!(is_freed(&core, cell) && is_freed(&core, other), "nothing is lent");
    assert_eq!((cells.live(), Rc::strong_count(&log)), (0, 1));
}
