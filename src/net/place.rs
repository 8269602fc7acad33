//! Answers that are written later than what follows them.
//!
//! Knows: whose output a place is in. Must not know when it is filled.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

use super::codec::{Encode, FrameError, Sink};
use super::connection::Connection;
use crate::actor::Context;
use crate::executor::{Core, Output, PlaceError, PlaceId, RawAddress, current};
use crate::mem::{Bytes, Full, SendPool};

/// A place in the output of a connection, for an answer that is not ready yet. What is written later waits behind it, so that
/// answers leave in the order of requests. Made by [`Context::defer`], filled by [`Context::fill`] and its like.
///
/// Dropping it unfilled ends its connection with [`StopReason::Failed`](crate::StopReason::Failed): the peer could not tell to
/// which request the next answer belongs. What is told of that on standard error says where it was reserved. It stays on its core.
#[must_use = "a place that is not filled ends the connection"]
pub struct Place {
    connection: RawAddress,
    /// None if it leads nowhere.
    id: Option<PlaceId>,
    /// By which code it was reserved.
    reserved: &'static Location<'static>,
    local: PhantomData<*const ()>,
}

impl Place {
    /// Does something with the output that the place is in, if the connection is still there.
    fn with_output<R>(
        &self,
        act: impl FnOnce(&mut Output, &SendPool, PlaceId) -> Result<R, PlaceError>,
    ) -> Option<Result<R, PlaceError>> {
        current::at(self.connection.core(), |core| {
            let (core, id) = (core?, self.id?);
            let cell = self.connection.cell();
            let done = core.with_output(cell, |output| act(output, &core.pools.send, id));
            core.schedule(cell);
            done
        })
    }

    /// It is filled, or its connection is gone: dropping it means nothing.
    fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.with_output(|output, pool, id| {
            output.abandon(pool, id, self.reserved);
            Ok(())
        });
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Place").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<A: Connection> Context<A> {
    /// Reserves a place in the output for an answer that is not ready yet: what is written later waits behind it. Until it is
    /// filled, the connection owes its peer an answer, as after [`Context::expect_answer`].
    ///
    /// Places may be filled in any order. A connection with half of `Config::deferred_max` open places does not read; when all are
    /// open, this ends it with [`StopReason::OutboxFull`](crate::StopReason::OutboxFull), and the place leads nowhere.
    ///
    /// **Costs** some 70 bytes for as long as it is open, and a copy more of what waits behind it.
    ///
    /// ```
    /// use odeon::prelude::*;
    ///
    /// struct Dictionary;
    ///
    /// #[actor]
    /// impl Dictionary {
    ///     #[call]
    ///     fn look(&self, word: String) -> usize {
    ///         word.len()
    ///     }
    /// }
    ///
    /// struct Session {
    ///     dictionary: Addr<Dictionary>,
    /// }
    ///
    /// #[actor(codec = Lines<1024>)]
    /// impl Session {
    ///     #[frame]
    ///     fn line(&mut self, word: &str, cx: &mut Context<Self>) {
    ///         let place = cx.defer();
    ///         self.dictionary.look(word.to_owned()).then(cx, move |_, found, cx| match found {
    ///             Ok(found) => cx.fill_line(place, found.to_string()),
    ///             Err(_) => cx.fill_line(place, "not now"),
    ///         });
    ///     }
    /// }
    /// ```
    #[track_caller]
    pub fn defer(&mut self) -> Place {
        let defer =
            |core: &Core| core.with_output(self.cell(), |output| output.defer(core.config.deferred_max));
        let deferred = self.with_core(defer).flatten();
        if deferred == Some(Err(Full)) {
            self.overflow();
        }
        Place {
            connection: self.me().raw(),
            id: deferred.and_then(Result::ok),
            reserved: Location::caller(),
            local: PhantomData,
        }
    }

    /// Writes the answer for which a place was reserved, whole. Where there is no room for it, the connection ends with
    /// [`StopReason::OutboxFull`](crate::StopReason::OutboxFull). If the connection has ended, nothing happens.
    ///
    /// **Costs** a copy more than [`Context::write`], unless it is the first place that is open.
    pub fn fill(&mut self, place: Place, answer: impl AsRef<[u8]>) {
        let answer = answer.as_ref();
        write_last(place, |output, pool, id| output.fill(pool, id, answer));
    }

    /// As [`Context::fill`], with `\n` behind the answer.
    pub fn fill_line(&mut self, place: Place, answer: impl AsRef<[u8]>) {
        let answer = answer.as_ref();
        write_last(place, |output, pool, id| {
            output.look_for_room(answer.len() + 1)?;
            output.append(pool, id, answer)?;
            output.fill(pool, id, b"\n")
        });
    }

    /// Writes a part of the answer for which a place was reserved. More parts may follow; [`Context::fill`] writes the last, perhaps
    /// an empty one.
    pub fn append(&mut self, place: &Place, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        if place.with_output(|output, pool, id| output.append(pool, id, part)) == Some(Err(PlaceError::Full))
        {
            overflow(place);
        }
    }

    /// As [`Context::fill`], of counted bytes: where this is the first place that is open, they are sent from where they lie, as by
    /// [`Context::write_bytes`]; elsewhere they are copied.
    pub fn fill_bytes(&mut self, place: Place, answer: impl Into<Bytes>) {
        let mut answer = answer.into();
        write_last(place, |output, pool, id| {
            output.append_bytes(pool, id, &mut answer)?;
            output.close(pool, id)
        });
    }

    /// As [`Context::append`], of counted bytes: see [`Context::fill_bytes`].
    pub fn append_bytes(&mut self, place: &Place, part: impl Into<Bytes>) {
        let mut part = part.into();
        let appended = place.with_output(|output, pool, id| output.append_bytes(pool, id, &mut part));
        if appended == Some(Err(PlaceError::Full)) {
            overflow(place);
        }
    }

    /// Encodes a frame by the connection's codec, and writes it as the answer for which a place was reserved.
    ///
    /// # Errors
    /// Those of the codec: the item has no encoding, or is above the limit. The place is left unfilled then, which ends the
    /// connection.
    pub fn fill_frame(&mut self, place: Place, item: <A::Codec as Encode>::Item<'_>) -> Result<(), FrameError>
    where
        A::Codec: Encode,
    {
        let mut codec = A::Codec::default();
        let bytes = codec.encoded_bytes(item)?;
        if place.with_output(|output, _, _| Ok(output.look_for_room(bytes)?)) == Some(Err(PlaceError::Full)) {
            overflow(&place);
            return Ok(());
        }
        codec.encode(item, &mut PlaceSink(&place))?;
        write_last(place, |output, pool, id| output.close(pool, id));
        Ok(())
    }
}

fn write_last(place: Place, act: impl FnOnce(&mut Output, &SendPool, PlaceId) -> Result<(), PlaceError>) {
    match place.with_output(act) {
        Some(Err(PlaceError::Full)) => overflow(&place),
        Some(Ok(()) | Err(PlaceError::Closed)) | None => place.forget(),
    }
}

fn overflow(place: &Place) {
    place.with_output(|output, _, _| {
        output.overflow();
        Ok(())
    });
}

/// Where a codec writes: room was made before.
struct PlaceSink<'a>(&'a Place);

impl Sink for PlaceSink<'_> {
    fn write(&mut self, bytes: &[u8]) {
        if self.0.with_output(|output, pool, id| output.append(pool, id, bytes))
            == Some(Err(PlaceError::Full))
        {
            overflow(self.0);
        }
    }
}
