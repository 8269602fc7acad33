//! Actors find each other: by the core they are on, by a key, by a name.

use odeon::prelude::*;

use crate::world::{Notes, On, World, with_system};

/// Knows its number.
struct Numbered(usize);

#[actor]
impl Numbered {
    #[call]
    fn number(&self) -> usize {
        self.0
    }
}

/// One on each core.
fn sharded(world: &World, cores: usize) -> Sharded<Numbered> {
    Sharded::of((0..cores).map(|core| world.spawn(core, Numbered(core))))
}

pub fn a_key_belongs_to_the_same_actor_wherever_it_is_asked_for(on: On) {
    let world = World::new(on, 3);
    let shards = sharded(&world, 3);
    let find = |shards: &Sharded<Numbered>| (0..100_u64).map(|key| shards.by_key(&key)).collect::<Vec<_>>();
    let found = find(&shards);
    for core in 0..3 {
        let shards = shards.clone();
        assert_eq!(world.run(core, move |_| find(&shards)), found);
    }
    let all: Vec<_> = shards.each().collect();
    assert!(all.iter().all(|actor| found.contains(actor)), "each has some");
    assert_eq!(shards.by_key("name"), shards.by_key(&"name".to_owned()));
    // Written down: it stays what it is in every version.
    let places = |key: &str| all.iter().position(|actor| *actor == shards.by_key(key));
    assert_eq!(["alice", "bob", "carol", "dave"].map(places), [Some(2), Some(0), Some(0), Some(2)]);
    world.end();
}

pub fn the_actor_that_is_here_is_on_this_core(on: On) {
    let world = World::new(on, 2);
    let shards = sharded(&world, 2);
    let all: Vec<_> = shards.each().collect();
    for (core, expected) in all.into_iter().enumerate() {
        let shards = shards.clone();
        let here = world.run(core, move |_| {
            let here = shards.here();
            assert!(here.is_some_and(|here| here.local().is_some()));
            here
        });
        assert_eq!(here, Some(expected));
    }
    assert_eq!(shards.here(), None, "this thread is no core");
    world.end();
}

/// Of another type.
struct Other;

#[actor]
impl Other {
    #[call]
    fn nothing(&self) {}
}

pub fn a_name_leads_to_its_actor_from_every_core(on: On) {
    let world = World::new(on, 2);
    let actor = world.spawn(1, Numbered(7));
    assert_eq!(world.run(0, move |cx| cx.register("seven", actor)), Ok(()));
    for core in 0..2 {
        assert_eq!(world.run(core, |cx| cx.lookup::<Numbered>("seven")), Ok(actor));
        assert_eq!(
            world.run(core, |cx| cx.lookup::<Numbered>("eight")),
            Err(NameError::Unknown("eight".to_owned()))
        );
    }
    // Another system knows nothing of it.
    let other = World::new(on, 1);
    assert_eq!(
        other.run(0, |cx| cx.lookup::<Numbered>("seven")),
        Err(NameError::Unknown("seven".to_owned()))
    );
    assert_eq!(other.run(0, move |cx| cx.register("seven", actor)), Ok(()), "its own names are its own");
    assert_eq!(other.run(0, |cx| cx.lookup::<Numbered>("seven")), Ok(actor));
    other.end();
    assert_eq!(world.run(0, |cx| cx.lookup::<Numbered>("seven")), Ok(actor));
    world.end();
}

pub fn a_name_is_given_once_and_has_a_type(on: On) {
    let world = World::new(on, 2);
    let [first, second] = [0, 1].map(|core| world.spawn(core, Numbered(core)));
    let other = world.spawn(0, Other);
    world.run(0, move |cx| {
        assert_eq!(cx.register("name", first), Ok(()));
        assert_eq!(cx.register("name", first), Ok(()), "it has it already");
        assert_eq!(cx.register("name", second), Err(NameError::Taken("name".to_owned())));
        assert_eq!(cx.register("name", other), Err(NameError::Taken("name".to_owned())));
        let wrong = cx.lookup::<Other>("name");
        assert!(matches!(wrong, Err(NameError::OtherType(name)) if name.ends_with("Numbered")), "{wrong:?}");
        assert_eq!(cx.register(&"x".repeat(256), first), Err(NameError::TooLong));
        assert_eq!(cx.register(&"x".repeat(255), first), Ok(()));
        assert!(cx.unregister("name") && !cx.unregister("name"));
        assert_eq!(cx.lookup::<Numbered>("name"), Err(NameError::Unknown("name".to_owned())));
        assert_eq!(cx.register("name", other), Ok(()));
        assert_eq!(cx.lookup::<Other>("name"), Ok(other));
    });
    world.end();
}

pub fn a_name_ends_with_its_actor(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        let actor = world.spawn(core, Numbered(core));
        world.run(0, move |cx| {
            cx.register("one", actor).expect("it is free");
            cx.register("two", actor).expect("it is free");
        });
        let stays = world.spawn(core, Other);
        world.run(0, move |cx| cx.register("three", stays).expect("it is free"));
        actor.stop();
        world.until("the end of its names", || {
            ["one", "two"].into_iter().all(|name| {
                world.run(1, move |cx| cx.lookup::<Numbered>(name))
                    == Err(NameError::Unknown(name.to_owned()))
            })
        });
        assert_eq!(world.run(1, |cx| cx.lookup::<Other>("three")), Ok(stays));
        // Whoever has ended is given none.
        world.run(core, move |cx| assert_eq!(cx.register("late", actor), Err(NameError::Ended)));
        assert_eq!(world.run(1 - core, move |cx| cx.register("late", actor)), Ok(()), "its core finds out");
        world.until("the end of the late name", || {
            world.run(0, |cx| cx.lookup::<Numbered>("late")) == Err(NameError::Unknown("late".to_owned()))
        });
        assert!(world.run(0, |cx| cx.unregister("three")));
    }
    world.end();
}

pub fn there_are_as_many_names_as_may_be(on: On) {
    let world = World::with(on, 1, |config| config.names_max = 3);
    let actor = world.spawn(0, Numbered(0));
    world.run(0, move |cx| {
        for name in ["a", "b", "c"] {
            assert_eq!(cx.register(name, actor), Ok(()));
        }
        assert_eq!(cx.register("d", actor), Err(NameError::Full));
        assert!(cx.unregister("b"));
        assert_eq!(cx.register("d", actor), Ok(()));
    });
    world.end();
}

pub fn a_pool_takes_turns_whoever_asks(on: On) {
    let world = World::new(on, 2);
    let pool = Pool::of((0..4).map(|number| world.spawn(number, Numbered(number))));
    let all: Vec<_> = pool.each().collect();
    let mut chosen = Vec::new();
    for round in 0..8 {
        let pool = pool.clone();
        chosen.push(world.run(round % 2, move |_| pool.next()));
    }
    assert_eq!(chosen, [&all[..], &all[..]].concat());
    assert_eq!(pool.by_key("alice"), Sharded::of(all).by_key("alice"));
    world.end();
}

pub fn whoever_is_least_busy_is_chosen_until_the_answer_has_come(on: On) {
    let world = World::new(on, 2);
    let pool = Pool::of((0..3).map(|number| world.spawn(number, Numbered(number))));
    // Takes one out of turn, so that turns alone would choose wrongly from here on.
    let first = pool.least_busy();
    let _out_of_turn = [pool.next(), pool.next()];
    let others = [pool.least_busy(), pool.least_busy()];
    assert!(others.iter().all(|other| **other != *first) && *others[0] != *others[1]);
    // A worker of whom an answer is waited for is busy; one that is not waited for any more is not.
    let [asked, free] = others;
    let (of_asked, of_free) = (*asked, *free);
    let answers = Notes::new();
    let noted = answers.clone();
    let pool_here = pool.clone();
    let chosen = world.run(1, move |cx| {
        asked.number().then(cx, move |_, answer, _| {
            drop(asked);
            noted.note(answer);
        });
        drop(free);
        *pool_here.least_busy()
    });
    assert_eq!(chosen, of_free);
    world.until("the answer", || answers.len() == 1);
    assert!(answers.take()[0].is_ok());
    drop(first);
    let busy = [pool.least_busy(), pool.least_busy(), pool.least_busy()];
    assert!(busy.iter().any(|busy| **busy == of_asked), "it has nothing to do: {busy:?}");
    drop(busy);
    // The third is free again each time, whosever turn it is.
    let held = [pool.least_busy(), pool.least_busy()];
    let third = pool.each().find(|worker| held.iter().all(|held| **held != *worker));
    assert!((0..6).all(|_| Some(*pool.least_busy()) == third));
    world.end();
}

pub fn a_system_that_has_ended_leaves_no_names(on: On) {
    let [first, second] = [0, 1].map(|_| World::new(on, 2));
    let actor = first.spawn(1, Numbered(1));
    for world in [&first, &second] {
        assert_eq!(world.run(0, move |cx| cx.register("name", actor)), Ok(()));
    }
    let lookup = |world: &World, core| world.run(core, |cx| cx.lookup::<Numbered>("name"));
    assert_eq!([lookup(&second, 0), lookup(&second, 1)], [Ok(actor), Ok(actor)]);
    first.end();
    // Both names were of an actor that was there.
    for core in 0..2 {
        assert_eq!(lookup(&second, core), Err(NameError::Unknown("name".to_owned())));
        assert_eq!(second.run(core, move |cx| cx.register("name", actor)), Err(NameError::Ended));
    }
    let next = second.spawn(1, Other);
    assert_eq!(second.run(0, move |cx| cx.register("name", next)), Ok(()));
    second.end();
}

pub fn what_is_spawned_by_key_is_where_the_key_belongs(on: On) {
    with_system(on, 3, |system| {
        let shards = system.sharded(Numbered).expect("there is room");
        let numbers = shards.each().map(|shard| shard.number().wait());
        assert_eq!(numbers.collect::<Vec<_>>(), [0, 1, 2].map(Ok));
        assert_eq!(shards.each().map(|shard| core_of(system, shard)).collect::<Vec<_>>(), [0, 1, 2]);
        let mut found = [0; 3];
        for key in 0..20_u64 {
            let neighbour = system.spawn_by_key(&key, Numbered(9)).expect("there is room");
            let core = core_of(system, neighbour);
            assert_eq!(shards.each().position(|other| other == shards.by_key(&key)), Some(core));
            found[core] += 1;
            neighbour.stop();
        }
        assert!(found.iter().all(|count| *count > 0), "each has some: {found:?}");
    });
}

pub fn what_is_spawned_on_each_core_or_in_turn_is_there_and_says_so(on: On) {
    with_system(on, 3, |system| {
        let each = system.spawn_each(Numbered).expect("there is room");
        let pool = system.pool(4, Numbered).expect("there is room");
        let cores = |actors: &mut dyn Iterator<Item = Addr<Numbered>>| {
            actors.map(|actor| (core_of(system, actor), actor.number().wait())).collect::<Vec<_>>()
        };
        assert_eq!(cores(&mut each.iter().copied()), [(0, Ok(0)), (1, Ok(1)), (2, Ok(2))]);
        assert_eq!(cores(&mut pool.each()), [(0, Ok(0)), (1, Ok(1)), (2, Ok(2)), (0, Ok(3))]);
        assert_eq!((system.pool(0, Numbered).expect("there is room").len(), pool.len()), (1, 4));
        let turns: Vec<_> = (0..8).map(|_| pool.next().number().wait()).collect();
        assert_eq!(turns, [0, 1, 2, 3, 0, 1, 2, 3].map(Ok));
        // Whoever is gone keeps its place in the pool, and says so.
        let gone = pool.next();
        gone.stop();
        while gone.number().wait().is_ok() {}
        let turns: Vec<_> = (0..4).map(|_| pool.next().number().wait().ok()).collect();
        assert_eq!(turns, [Some(1), Some(2), Some(3), None]);
    });
}

/// On which core an actor is, which says so itself.
fn core_of(system: &System, actor: Addr<Numbered>) -> usize {
    let seekers = system.spawn_each(move |_| Seeks(actor)).expect("there is room");
    let here: Vec<_> = seekers.iter().map(|seeker| seeker.is_here().wait()).collect();
    seekers.iter().for_each(|seeker| seeker.stop());
    assert_eq!(here.iter().filter(|here| **here == Ok(true)).count(), 1, "{here:?}");
    here.iter().position(|here| *here == Ok(true)).expect("it is somewhere")
}

struct Seeks(Addr<Numbered>);

#[actor]
impl Seeks {
    #[call]
    fn is_here(&self) -> bool {
        self.0.local().is_some()
    }
}
