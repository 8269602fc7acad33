use odeon::prelude::*;

struct Quoted;


#[actor(codec = Lines<80>, outbox(overflow = "refuse"))]
impl Quoted {
    #[frame]
    fn line(&mut self, _: &str) {}
}

struct Unknown;

#[actor(codec = Lines<80>, outbox(bytes = "4k", overflow = drop))]
impl Unknown {
    #[frame]
    fn line(&mut self, _: &str) {}
}

struct Missing;

#[actor(codec = Lines<80>, outbox(overflow))]
impl Missing {
    #[frame]
    fn line(&mut self, _: &str) {}
}

struct Hasty;

#[actor(codec = Lines<80>, outbox(grace = "0s", overflow = refuse))]
impl Hasty {
    #[frame]
    fn line(&mut self, _: &str) {}
}

struct Misspelt;

#[actor(codec = Lines<80>, outbox(graze = "2s"))]
impl Misspelt {
    #[frame]
    fn line(&mut self, _: &str) {}
}

fn main() {}
