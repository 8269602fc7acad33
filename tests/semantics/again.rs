//! Promise 6: who has failed is begun again once for each failure, unless it is to end, and is told what becomes of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use odeon::HandleError;
use odeon::prelude::*;

use crate::failure::{HOUR, always, count};
use crate::world::{Notes, On, World, panic_quietly};

/// What becomes of those who have a name, in order.
type Ends = Notes<(u8, StopReason)>;

const SOON: Duration = Duration::from_millis(1);

/// Panics while its state is lent, when it is told to.
struct Frail {
    name: u8,
    begun: Notes<u8>,
    ends: Ends,
}

/// The state is lent to a handler of its own.
#[derive(Message)]
struct Beside;

/// The state is lent to a task of its own, which then asks it to end.
#[derive(Message)]
struct Apart {
    abort: bool,
}

/// What a task of its own is told that asks for the state, whenever that is something else.
#[derive(Message)]
struct Haunt {
    heard: Notes<Result<(), HandleError>>,
}

impl Frail {
    fn new(name: u8, begun: &Notes<u8>, ends: &Ends) -> Frail {
        Frail { name, begun: begun.clone(), ends: ends.clone() }
    }
}

#[actor]
impl Frail {
    #[started]
    fn started(&mut self) {
        self.begun.note(self.name);
    }

    #[message(concurrent)]
    async fn beside(me: Handle<Self>, _: Beside) {
        let _ = me.with(|_, _| panic_quietly());
    }

    #[message]
    fn apart(&mut self, Apart { abort }: Apart, cx: &mut Context<Self>) {
        let me = cx.handle();
        let task = async move {
            let _ = catch_unwind(AssertUnwindSafe(|| me.with(|_, _| panic_quietly())));
            if abort { me.me().abort() } else { me.me().stop() }
        };
        odeon::task::spawn(task).detach();
    }

    /// Has a task of its own go on asking for the state, and panics.
    #[message]
    fn haunt(&mut self, Haunt { heard }: Haunt, cx: &mut Context<Self>) {
        let me = cx.handle();
        let asks = async move {
            let mut before = Ok(());
            loop {
                let now = me.with(|_, _| ());
                if now != before {
                    heard.note(now);
                }
                if now == Err(HandleError::Stopped) {
                    return;
                }
                before = now;
                odeon::time::sleep(SOON).await;
            }
        };
        odeon::task::spawn(asks).detach();
        panic_quietly();
    }

    #[stopped]
    fn stopped(&mut self, why: StopReason) {
        self.ends.note((self.name, why));
    }
}

pub fn a_panic_with_the_state_lent_is_one_failure(on: On) {
    let world = World::new(on, 2);
    let mut cases = 0;
    for core in 0..2 {
        for restart in [Restart::one_for_one(), Restart::one_for_one().backoff(SOON..SOON)] {
            let (begun, ends) = (Notes::new(), Ends::new());
            let noted = (begun.clone(), ends.clone());
            let make = move || Frail::new(1, &noted.0, &noted.1);
            let frail = world.supervise(core, restart.intensity(1, HOUR), make);
            world.run(core, move |_| frail.tell(Beside).expect("there is room"));
            world.until("the next one", || begun.len() == 2);
            frail.stop();
            world.until("its end", || ends.len() == 2);
            assert_eq!(ends.take(), [(1, StopReason::Panicked), (1, StopReason::Stopped)]);
            cases += 1;
            let counts = ["restarts", "panics", "given up"].map(|what| {
                count(&world, |ledger| match what {
                    "restarts" => ledger.restarts,
                    "panics" => ledger.panics,
                    _ => ledger.given_up,
                })
            });
            assert_eq!(counts, [cases, cases, 0], "on core {core}, {restart:?}");
        }
    }
    world.end();
}

/// Tells why another one has ended.
struct Observer {
    who: Addr<Frail>,
    told: Notes<StopReason>,
}

#[actor]
impl Observer {
    #[started]
    fn started(&mut self, cx: &mut Context<Self>) {
        cx.watch(self.who).expect("there is room");
    }

    #[message]
    fn down(&mut self, Down { reason, .. }: Down) {
        self.told.note(reason);
    }
}

pub fn who_has_failed_and_is_asked_to_end_before_its_turn_ends(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        for (abort, reason) in [(false, StopReason::Stopped), (true, StopReason::Aborted)] {
            let (begun, ends, told) = (Notes::new(), Ends::new(), Notes::new());
            let noted = (begun.clone(), ends.clone());
            let frail = world.supervise(core, always(), move || Frail::new(1, &noted.0, &noted.1));
            let observer = Observer { who: frail, told: told.clone() };
            world.run(core, move |cx| {
                cx.spawn(observer).expect("there is room");
                frail.tell(Apart { abort }).expect("there is room");
            });
            world.until("its end", || told.len() == 1);
            assert_eq!(told.take(), [reason]);
            assert_eq!((begun.take(), ends.take()), (vec![1], vec![(1, StopReason::Panicked)]));
        }
    }
    world.end();
}

pub fn who_is_ended_because_another_has_failed_is_told_what_becomes_of_it(on: On) {
    use StopReason::{Escalated, Panicked, Restarting};
    let world = World::new(on, 2);
    for nested in [false, true] {
        let (begun, ends) = (Notes::new(), Ends::new());
        let impatient = Restart::one_for_one().intensity(0, HOUR);
        let frail = world.with_supervisor(impatient, |root| {
            let spawn = |group: odeon::Supervisor<'_>, name: u8| {
                let noted = (begun.clone(), ends.clone());
                let make = move || Frail::new(name, &noted.0, &noted.1);
                group.spawn_on(usize::from(name % 2), make).expect("there is room")
            };
            spawn(root, 0);
            let group = if nested { root.supervisor(impatient).expect("there is room") } else { root };
            spawn(group, 1);
            let frail = spawn(group, 2);
            spawn(group, 3);
            spawn(root, 4);
            frail
        });
        world.until("all of them", || begun.len() == 5);
        world.run(0, move |_| frail.tell(Beside).expect("there is room"));
        world.until("the end of all", || ends.len() == 5);
        let told = if nested {
            // First the group, whose own supervisor does not know that the one above gives up.
            [(2, Panicked), (3, Restarting), (1, Restarting), (4, Escalated), (0, Escalated)]
        } else {
            [(2, Panicked), (4, Escalated), (3, Escalated), (1, Escalated), (0, Escalated)]
        };
        assert_eq!(ends.take(), told);
    }
    assert_eq!(count(&world, |ledger| ledger.given_up), 3);
    world.end();
}

/// Gives itself a name as it starts.
struct Clerk(Notes<()>);

#[actor]
impl Clerk {
    #[started]
    fn started(&mut self, cx: &mut Context<Self>) -> Result<(), NameError> {
        cx.register("clerk", cx.me())?;
        self.0.note(());
        Ok(())
    }

    #[message]
    fn beside(&mut self, _: Beside) {
        panic_quietly();
    }
}

pub fn who_gives_itself_a_name_as_it_starts_is_begun_again_and_has_it(on: On) {
    let world = World::with(on, 2, |config| config.names_max = 1);
    for core in 0..2 {
        let begun = Notes::new();
        let noted = begun.clone();
        let restart = Restart::one_for_one().intensity(3, HOUR);
        let clerk = world.supervise(core, restart, move || Clerk(noted.clone()));
        for times in 1..=4 {
            world.until("its beginning", || begun.len() == times);
            for from in 0..2 {
                assert_eq!(world.run(from, |cx| cx.lookup::<Clerk>("clerk")), Ok(clerk));
            }
            world.run(core, move |_| clerk.tell(Beside).expect("there is room"));
        }
        let lookup = |from| world.run(from, |cx| cx.lookup::<Clerk>("clerk"));
        world
            .until("the end of its name", || lookup(1 - core) == Err(NameError::Unknown("clerk".to_owned())));
        // Whoever has ended has no name for having had one.
        assert_eq!(world.run(core, move |cx| cx.register("clerk", clerk)), Err(NameError::Ended));
    }
    assert_eq!(count(&world, |ledger| ledger.restarts), 6);
    world.end();
}

pub fn whoever_wants_the_state_of_one_that_is_down_is_told_so(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        // What lasts for a moment may be over before anybody asks, where time is not imagined.
        let waits = [HOUR, 3 * SOON];
        for wait in if let On::Seed(_) = on { &waits[..] } else { &waits[..1] } {
            let (begun, ends, heard) = (Notes::new(), Ends::new(), Notes::new());
            let noted = (begun.clone(), ends.clone());
            let make = move || Frail::new(1, &noted.0, &noted.1);
            let frail = world.supervise(core, Restart::one_for_one().backoff(*wait..*wait), make);
            let haunt = Haunt { heard: heard.clone() };
            world.run(core, move |_| frail.tell(haunt).expect("there is room"));
            let mut expected = vec![Err(HandleError::Restarting)];
            world.until("its failure to be known", || heard.len() == expected.len());
            if *wait != HOUR {
                expected.push(Ok(()));
                world.until("its beginning to be known", || heard.len() == expected.len());
            }
            frail.stop();
            expected.push(Err(HandleError::Stopped));
            world.until("its end to be known", || heard.len() == expected.len());
            assert_eq!(heard.take(), expected);
        }
    }
    world.end();
}
