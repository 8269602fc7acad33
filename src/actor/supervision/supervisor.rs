//! A supervisor, as the executor runs it: a cell that is told how those below it fare, and decides.
//!
//! Knows: the order of those below, how often they failed, what comes next. Must not know what they are.
//!
//! Each that is below has a *place*, by a number that only grows. They begin in the order of their places and end in the reverse, one
//! after the other: `advance` looks for the first thing that is to be done and is not under way, and is called whenever something has
//! been heard. A supervisor may itself be below another, and is begun and halted like any child.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use super::super::address::{cut_off, demand};
use super::failures::Failures;
use super::words::{Above, Board, What, Word, begin};
use super::{Restart, Strategy};
use crate::executor::{
    Activation, Body, Core, Counters, Demand, Matter, Name, Outcome, RawAddress, WheelKey,
};
use crate::sys::{Count, Random, Time};

/// What a supervisor is called by the one above it.
pub(super) const NAME: &str = "a supervisor";

/// The body of the cell of a supervisor.
pub(super) struct Supervisor {
    state: RefCell<State>,
}

struct State {
    restart: Restart,
    above: Option<Above>,
    /// It does not escalate.
    is_root: bool,
    /// It ends with the last one below.
    lone: bool,
    mode: Mode,
    children: BTreeMap<u64, Child>,
    /// Failures within the time of `restart`.
    failures: Failures,
    /// How many times it has begun.
    begun: u32,
    /// It is to say so once all below have.
    says_begun: bool,
    timer: Option<(Time, WheelKey)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Whoever is down is begun.
    Up,
    /// Those from a place on are ended, and begun again at a time.
    Restarting { from: u64, at: Time },
    /// All are ended, and begun again if this one is.
    Halting(What),
    /// They have been.
    Down,
    /// All are ended for good.
    Ending(Demand),
}

struct Child {
    at: RawAddress,
    /// The name of its type.
    name: &'static str,
    phase: Phase,
    /// How many times it was told to begin.
    begun: u32,
    not_before: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Reserved,
    Down,
    Beginning,
    Up,
    Halting,
    Ending,
}

impl Supervisor {
    pub(super) fn new(restart: Restart, above: Option<Above>, is_root: bool, lone: bool) -> Supervisor {
        let mode = if above.is_none() { Mode::Up } else { Mode::Down };
        let state = State {
            restart,
            above,
            is_root,
            lone,
            mode,
            children: BTreeMap::new(),
            failures: Failures::new(restart.count, restart.within),
            begun: 0,
            says_begun: false,
            timer: None,
        };
        Supervisor { state: RefCell::new(state) }
    }
}

impl Body<Board> for Supervisor {
    fn activate(&self, board: &Board, activation: &Activation<'_>) -> Outcome {
        let (core, cell) = (activation.core, activation.cell());
        let mut state = self.state.borrow_mut();
        while activation.next_notice().is_some() {}
        loop {
            // A word to a cell of this core may be heard at once.
            let Some(word) = board.words.borrow_mut().pop_front() else { break };
            state.hear(activation, word);
        }
        if let Some(demand) = core.cells.take_demand(cell) {
            state.obey(demand);
        }
        if core.cells.take_begin(cell) {
            state.begin();
        }
        while state.advance(activation).is_continue() {}
        if !state.has_ended() {
            return if board.words.borrow().is_empty() { Outcome::Rest } else { Outcome::Again };
        }
        if let Some((_, timer)) = state.timer.take() {
            core.disarm(timer);
        }
        while activation.next_notice().is_some() {}
        state.tell(activation, What::Ended);
        Outcome::Ended
    }
}

/// What it is told.
impl State {
    fn hear(&mut self, activation: &Activation<'_>, Word { number, from, what }: Word) {
        if what == What::Reserved {
            self.children.insert(number, Child::reserved(from));
            return;
        }
        let Some(child) = self.children.get_mut(&number) else { return };
        match what {
            What::Reserved => {}
            What::Adopted(name) => (child.at, child.name, child.phase) = (from, name, Phase::Down),
            What::Began(begun) if child.begun == begun && child.phase == Phase::Beginning => {
                child.phase = Phase::Up
            }
            What::Began(_) => {}
            What::Failed(begun) if child.begun == begun => {
                if child.phase != Phase::Ending {
                    child.phase = Phase::Down;
                }
                self.has_failed(activation, number);
            }
            What::Failed(_) => {}
            What::Halted if child.phase != Phase::Ending => child.phase = Phase::Down,
            What::Halted => {}
            What::Ended | What::Forgotten => {
                self.children.remove(&number);
                // Also one that has not begun yet, because there was no place for the only one below it.
                if self.lone && self.children.is_empty() {
                    self.mode = Mode::Ending(Demand::Stop);
                }
            }
        }
    }

    fn obey(&mut self, demand: Demand) {
        self.mode = match (demand, self.mode) {
            (Demand::Halt, Mode::Ending(_) | Mode::Down) => return,
            (Demand::Halt, _) => Mode::Halting(What::Halted),
            (Demand::Abort | Demand::Broken, _) => {
                // Nobody but the system has a supervisor end at once.
                self.children.values().for_each(|child| cut_off(child.at));
                self.children.clear();
                Mode::Ending(Demand::Abort)
            }
            (demand, _) => Mode::Ending(demand),
        };
    }

    fn begin(&mut self) {
        if self.mode == Mode::Down {
            self.mode = Mode::Up;
            self.failures.clear();
            self.children.values_mut().for_each(|child| child.not_before = Time::ZERO);
            self.begun = self.begun.wrapping_add(1);
            self.says_begun = true;
        }
    }

    /// One has failed, and is down.
    fn has_failed(&mut self, activation: &Activation<'_>, number: u64) {
        if matches!(self.mode, Mode::Ending(_) | Mode::Halting(_) | Mode::Down) {
            return;
        }
        let (core, now) = (activation.core, activation.core.now());
        let failures = self.failures.add(now);
        if failures > self.restart.count.into() {
            return self.give_up(core, number);
        }
        Counters::add(&core.counters.restarts, 1);
        let delay = self.restart.delay(failures, &mut chance(activation, number));
        self.tell_restart(core, number, delay);
        let at = now.after(delay);
        let first = match self.restart.strategy {
            Strategy::OneForOne => {
                if let Some(child) = self.children.get_mut(&number) {
                    child.not_before = at;
                }
                return;
            }
            Strategy::OneForAll => 0,
            Strategy::RestForOne => number,
        };
        self.mode = match self.mode {
            Mode::Restarting { from, at: before } => {
                Mode::Restarting { from: from.min(first), at: at.max(before) }
            }
            _ => Mode::Restarting { from: first, at },
        };
    }

    #[cold]
    fn give_up(&mut self, core: &Core, number: u64) {
        Counters::add(&core.counters.given_up, 1);
        let Restart { count, within, .. } = self.restart;
        let then = if self.is_root { "" } else { "; the one above it decides" };
        core.report(
            Matter::Supervisor,
            self.name_of(number),
            format_args!(
                "is not begun again: its supervisor gives up, after more than {} within {within:?} (Restart::intensity), and ends all \
                 below it: {}{then}",
                Count(count.into(), "failure"),
                self.names()
            ),
        );
        // Whoever is told that it is begun again is to be, or the one above decides.
        self.mode =
            if self.is_root { Mode::Ending(Demand::GiveUp) } else { Mode::Halting(What::Failed(self.begun)) };
    }

    /// Says what follows a failure that is forgiven.
    #[cold]
    fn tell_restart(&self, core: &Core, number: u64, delay: Duration) {
        let Restart { strategy, count, within, .. } = self.restart;
        let others = match strategy {
            Strategy::OneForOne => "",
            Strategy::OneForAll => ", and all others of its supervisor with it",
            Strategy::RestForOne => ", and those behind it with it",
        };
        let after = if delay.is_zero() { String::new() } else { format!(" after {delay:.1?}") };
        let failures = self.failures.count();
        core.report(
            Matter::Restart,
            self.name_of(number),
            format_args!(
                "is begun again{after}{others}: {failures} of {} forgiven within {within:?} (Restart::intensity)",
                Count(count.into(), "failure")
            ),
        );
    }

    fn name_of(&self, number: u64) -> &'static str {
        self.children.get(&number).map_or(NAME, |child| child.name)
    }

    /// The types of those below, and how many of each: the first few.
    fn names(&self) -> String {
        const NAMES_MAX: usize = 8;
        let (mut names, mut others): (Vec<(&str, usize)>, _) = (Vec::new(), 0);
        for child in self.children.values() {
            if let Some((_, count)) = names.iter_mut().find(|(name, _)| *name == child.name) {
                *count += 1;
            } else if names.len() < NAMES_MAX {
                names.push((child.name, 1));
            } else {
                others += 1;
            }
        }
        let word = |(name, count): (&'static str, usize)| match count {
            1 => Name(name).to_string(),
            count => format!("{count} × {}", Name(name)),
        };
        let mut words: Vec<String> = names.into_iter().map(word).collect();
        if others > 0 {
            words.push(format!("{others} of others"));
        }
        words.join(", ")
    }
}

/// Chance that is the same when a simulation is repeated, and another for each that fails at the same time, whoever its supervisor is.
fn chance(activation: &Activation<'_>, number: u64) -> Random {
    let (core, cell) = (activation.core, activation.cell());
    let place = [u64::from(core.number()), cell.to_bits(), number];
    Random::new(place.into_iter().fold(core.now().0, |seed, part| Random::new(seed ^ part).bits()))
}

/// What it does next.
impl State {
    /// Continues if there may be more to do at once.
    fn advance(&mut self, activation: &Activation<'_>) -> ControlFlow<()> {
        match self.mode {
            Mode::Up => self.begin_next(activation),
            Mode::Restarting { from, at } => {
                self.halt_last(from)?;
                self.wait_until(activation, at)?;
                self.mode = Mode::Up;
                ControlFlow::Continue(())
            }
            Mode::Halting(then) => {
                self.halt_last(0)?;
                self.tell(activation, then);
                self.mode = Mode::Down;
                ControlFlow::Continue(())
            }
            Mode::Down => ControlFlow::Break(()),
            Mode::Ending(demand) => {
                let there = |child: &&mut Child| child.phase != Phase::Reserved;
                if let Some(last) = self.children.values_mut().rev().find(there)
                    && last.phase != Phase::Ending
                {
                    last.phase = Phase::Ending;
                    last.is_asked(demand);
                }
                ControlFlow::Break(())
            }
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.mode, Mode::Ending(_))
            && self.children.values().all(|child| child.phase == Phase::Reserved)
    }

    /// Begins those that are down, one after the other.
    fn begin_next(&mut self, activation: &Activation<'_>) -> ControlFlow<()> {
        let (now, mut next) = (activation.core.now(), Time::MAX);
        for child in self.children.values_mut() {
            match child.phase {
                Phase::Reserved | Phase::Beginning => return ControlFlow::Break(()),
                Phase::Down if child.not_before > now => next = next.min(child.not_before),
                Phase::Down => {
                    child.phase = Phase::Beginning;
                    child.begun = child.begun.wrapping_add(1);
                    begin(child.at);
                    return ControlFlow::Break(());
                }
                Phase::Up | Phase::Halting | Phase::Ending => {}
            }
        }
        if next != Time::MAX {
            self.wait_until(activation, next)?;
            // There is no timer: nobody waits.
            self.children.values_mut().for_each(|child| child.not_before = Time::ZERO);
            return ControlFlow::Continue(());
        }
        if std::mem::take(&mut self.says_begun) {
            self.tell(activation, What::Began(self.begun));
        }
        ControlFlow::Break(())
    }

    /// Ends the last one from a place on that is up. Continues if none is.
    fn halt_last(&mut self, from: u64) -> ControlFlow<()> {
        let is_up = |child: &&mut Child| matches!(child.phase, Phase::Beginning | Phase::Up | Phase::Halting);
        let Some(last) = self.children.range_mut(from..).rev().map(|(_, child)| child).find(is_up) else {
            return ControlFlow::Continue(());
        };
        if last.phase == Phase::Up {
            last.phase = Phase::Halting;
            last.is_asked(Demand::Halt);
        }
        ControlFlow::Break(())
    }

    /// Continues once this time has come, or if there is no timer for it.
    fn wait_until(&mut self, activation: &Activation<'_>, at: Time) -> ControlFlow<()> {
        let core = activation.core;
        if at <= core.now() {
            return ControlFlow::Continue(());
        }
        if self.timer.is_some_and(|(due, _)| due > core.now() && due <= at) {
            return ControlFlow::Break(());
        }
        if let Some((_, timer)) = self.timer.take() {
            core.disarm(timer);
        }
        let Ok(timer) = core.arm(activation.cell(), 0, at) else { return ControlFlow::Continue(()) };
        self.timer = Some((at, timer));
        ControlFlow::Break(())
    }

    fn tell(&self, activation: &Activation<'_>, what: What) {
        if let Some(above) = self.above {
            above.tell(activation.core, activation.cell(), what);
        }
    }
}

impl Child {
    /// There is a place for it, and no more.
    fn reserved(at: RawAddress) -> Child {
        Child { at, name: NAME, phase: Phase::Reserved, begun: 0, not_before: Time::ZERO }
    }

    fn is_asked(&self, what: Demand) {
        demand(self.at, what);
    }
}
