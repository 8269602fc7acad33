//! Names of actors, given and looked up from outside.
//!
//! Knows: which system this is. Must not know how names are kept.

use super::System;
use crate::actor::{Actor, Addr, NameError, lookup, register};
use crate::executor::names;

impl System {
    /// Gives an actor a name, by which everybody in this system finds it: this method's twin [`lookup`](System::lookup), and
    /// [`Context::lookup`](crate::Context::lookup) in handlers. An actor may have several. It has them until it ends, or until they are
    /// [taken away](System::unregister); then they can be given again. To give an actor a name that it has changes nothing.
    ///
    /// When an actor has ended, its name is free once its core has said so: who gives it anew from another one may be told
    /// [`NameError::Taken`] for a moment, and who looks it up may get the address of an actor that is no more, like everybody who
    /// keeps one.
    ///
    /// **Costs** a lock that all cores share: look a name up once and keep the address.
    ///
    /// ```
    /// use odeon::prelude::*;
    ///
    /// #[derive(Default)]
    /// struct Sum(i64);
    ///
    /// #[actor]
    /// impl Sum {
    ///     #[call]
    ///     fn add(&mut self, more: i64) -> i64 {
    ///         self.0 += more;
    ///         self.0
    ///     }
    /// }
    ///
    /// struct Other;
    ///
    /// #[actor]
    /// impl Other {
    ///     #[call]
    ///     fn nothing(&self) {}
    /// }
    ///
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let sum = system.spawn(Sum::default())?;
    /// system.register("sum", sum)?;
    /// let another = system.spawn(Sum::default())?;
    /// let error = system.register("sum", another).unwrap_err();
    /// assert_eq!(error.to_string(), "the name `sum` is taken");
    ///
    /// assert_eq!(system.lookup::<Sum>("sum")?.add(42).wait(), Ok(42));
    /// let error = system.lookup::<Other>("sum").unwrap_err();
    /// assert!(error.to_string().contains("Sum"), "{error}");
    /// assert_eq!(system.lookup::<Sum>("total"), Err(NameError::Unknown("total".to_owned())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`NameError::Taken`], [`NameError::TooLong`]; [`NameError::Full`] when there are as many names as `Config::names_max` allows;
    /// [`NameError::Ended`] from its own core when the actor has ended. From elsewhere that is found by its core, a moment later: until then
    /// the name stands for it, and is free again afterwards.
    pub fn register<A: Actor>(&self, name: &str, actor: Addr<A>) -> Result<(), NameError> {
        register::<A>(self.cores[0].id, self.config.names_max, name, actor.raw())
    }

    /// Takes a name away; false if it stood for nobody.
    pub fn unregister(&self, name: &str) -> bool {
        names::unregister(self.cores[0].id, name)
    }

    /// The actor that has this name.
    ///
    /// # Errors
    /// [`NameError::Unknown`] when nobody has it, [`NameError::OtherType`] when somebody else has.
    pub fn lookup<A: Actor>(&self, name: &str) -> Result<Addr<A>, NameError> {
        lookup(self.cores[0].id, name)
    }
}
