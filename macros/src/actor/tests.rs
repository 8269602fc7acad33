//! Blocks, and what becomes of them.
//!
//! Knows: tokens. Must not know whether they compile: `tests/actor.rs` does.

use super::*;

fn check(arguments: TokenStream, block: TokenStream, expected: TokenStream) {
    assert_eq!(dense(&expand(arguments, block).to_string()), dense(&expected.to_string()));
}

/// Tokens, however they stick together.
fn dense(text: &str) -> String {
    text.replace(char::is_whitespace, "")
}

/// Each text is a part of what is made, but for spaces.
fn check_part(arguments: TokenStream, block: TokenStream, parts: &[&str]) {
    assert_parts(&expand(arguments, block), parts);
}

fn assert_parts(made: &TokenStream, parts: &[&str]) {
    for part in parts {
        assert!(dense(&made.to_string()).contains(&dense(part)), "{made}\ndoes not contain\n{part}");
    }
}

/// Each text is a part of one error, and there are no others. The block is kept.
fn check_refused(arguments: TokenStream, block: TokenStream, texts: &[&str]) {
    let made = expand(arguments, block).to_string();
    for text in texts {
        assert!(made.contains(text), "{made}\ndoes not say\n{text}");
    }
    assert_eq!(made.matches("compile_error").count(), texts.len(), "{made}");
    assert_eq!(
        made.matches("compile_error").count(),
        made.matches("help: ").count(),
        "each has a cure: {made}"
    );
    assert!(made.contains("impl Room"), "{made}");
}

#[test]
fn a_message_can_be_told_and_asked() {
    check(
        quote!(pub(crate), mailbox(capacity = 8)),
        quote! {
            impl Room {
                /// Somebody said something.
                #[message] fn said(&mut self, said: Said, cx: &mut Context<Self>) {}
            }
        },
        quote! {
            impl Room {
                /// Somebody said something.
                fn said(&mut self, said: Said, cx: &mut Context<Self>) {}
            }
            #[doc(hidden)] #[allow(non_upper_case_globals)] const
            _RoomAddr_IS_OF_ONE_BLOCK_WITH_ALL_HANDLERS__BLOCKS_FOR_OTHER_TYPES_SAY_address: () = ();
            #[doc = " What a `Room` can be asked from anywhere, by methods of its address."]
            #[allow(clippy::type_complexity)] pub(crate) trait RoomAddr {
                /// Somebody said something.
                fn said(&self, said: Said) -> ::odeon::Ask<Room, Said> where for<'any> Said: ::odeon::Message;
            }
            #[allow(deprecated, clippy::type_complexity)] const _: () = {
                #[automatically_derived] impl Room { const _ALL_HANDLERS_OF_A_TYPE_STAND_IN_ONE_ACTOR_BLOCK: () = (); }
                pub struct __RoomMessage(__RoomInner);
                enum __RoomInner {
                    told_said(Said),
                    asked_said(Said, ::odeon::Reply<<Said as ::odeon::Message>::Reply>),
                }
                #[automatically_derived]
                impl ::odeon::Actor for Room {
                    type Message = __RoomMessage;
                    const MAILBOX_CAPACITY: ::core::primitive::u32 = 8u32;
                    fn handle(&mut self, message: __RoomMessage, cx: &mut ::odeon::Context<Self>) -> ::odeon::Flow {
                        match message.0 {
                            __RoomInner::told_said(given_0) =>
                                <_ as ::odeon::Respond<<Said as ::odeon::Message>::Reply>>::told(Self::said(self, given_0, cx), "Room::said"),
                            __RoomInner::asked_said(given_0, reply) => match ::odeon::Reply::open(reply) {
                                ::core::option::Option::Some(reply) =>
                                    <_ as ::odeon::Respond<<Said as ::odeon::Message>::Reply>>::answer(Self::said(self, given_0, cx), reply, "Room::said"),
                                ::core::option::Option::None => ::odeon::Flow::Continue,
                            },
                        }
                    }
                    fn name_of(message: &__RoomMessage) -> &'static ::core::primitive::str { #[allow(unreachable_patterns)] match &message.0 {
                        __RoomInner::told_said(..) | __RoomInner::asked_said(..) => ::core::any::type_name::<Said>(), _ => ::core::any::type_name::<Self::Message>(),
                    } }
                }
                #[automatically_derived]
                impl ::odeon::Accepts<Said> for Room where for<'any> Said: ::odeon::Message {
                    fn accept(message: Said) -> Self::Message { __RoomMessage(__RoomInner::told_said(message)) }
                    fn accept_ask(message: Said, reply: ::odeon::Reply<<Said as ::odeon::Message>::Reply>) -> Self::Message {
                        __RoomMessage(__RoomInner::asked_said(message, reply)) }
                }
                fn check() {
                    fn sendable<T: ::odeon::Sendable>() {}
                    {
                        sendable::<Said>();
                        sendable::<<Said as ::odeon::Message>::Reply>();
                    }
                }
                #[automatically_derived]
                impl RoomAddr for ::odeon::Addr<Room> {
                    fn said(&self, given_0: Said) -> ::odeon::Ask<Room, Said> where for<'any> Said: ::odeon::Message {
                        <::odeon::Addr<Room>>::ask(*self, given_0)
                    }
                }
            };
        },
    );
}

#[test]
fn what_comes_before_others_says_so_by_its_type() {
    check_part(
        quote!(),
        quote! {
            impl Room {
                #[message(priority = control)] fn evict(&mut self, who: Evict) {}
                #[message(priority = user)] fn said(&mut self, said: Said) {}
                #[call(priority = control)] fn mute(&mut self, who: u64) {}
                #[call(local, priority = control)] fn near(&mut self) {}
            }
        },
        &[
            "impl ::odeon::Accepts<Evict> for Room where for<'any> Evict: ::odeon::Message {
                const PRIORITY: ::odeon::Priority = ::odeon::Priority::Control;
                fn accept(",
            "impl ::odeon::Accepts<Said> for Room where for<'any> Said: ::odeon::Message { fn accept(",
            "fn mute(&self, who: u64) -> ::odeon::Ask<Room, ::odeon::Call<Room, (u64,), (), true> >;",
            "::odeon::Call::ask(*self, (given_0,),",
            "fn near(&self,) -> ::odeon::LocalAsk<Room, ::odeon::Call<Room, (), (), true> >;",
            "::odeon::Call::ask_local(*self, (),",
        ],
    );
}

#[test]
fn a_call_takes_any_arguments() {
    check_part(
        quote!(),
        quote! {
            impl Room {
                #[call]
                fn find(&self, cx: &mut Context<Self>, mut name: String, other: Addr<Self>) -> Option<Vec<Self>> { None }
                #[call]
                fn stop_now(&mut self) -> Flow { Flow::Stop }
            }
        },
        &[
            r#"#[doc = " Is answered by `Room::find`."]"#,
            r#"
                fn find(&self, name: String, other: Addr<Room>)
                    -> ::odeon::Ask<Room, ::odeon::Call<Room, (String, Addr<Room>,), Option<Vec<Room> > > >;
            "#,
            r#"asked_find((String, Addr<Room>,), ::odeon::Reply<Option<Vec<Room> > >),"#,
            r#"asked_stop_now((), ::odeon::Reply<()>),"#,
            r#"__RoomInner::asked_find((given_0, given_1,), reply) =>"#,
            r#"Self::find(self, cx, given_0, given_1)"#,
            r#"<_ as ::odeon::Respond<()>>::answer(Self::stop_now(self), reply, "Room::stop_now")"#,
            r#"
                ::odeon::Call::ask(*self, (given_0, given_1,), { |arguments, reply| __RoomMessage(__RoomInner::asked_find(arguments, reply)) })
            "#,
        ],
    );
}

#[test]
fn asynchronous_handlers_run_alone_or_beside_others() {
    check_part(
        quote!(),
        quote! {
            impl Room {
                #[call(timeout = "2s")]
                async fn history(&mut self, count: usize, cx: &mut Context<Self>) -> Vec<Said> { Vec::new() }
                #[message(concurrent, timeout = "never")]
                async fn search(search: Search, me: Handle<Self>) -> Vec<Said> { Vec::new() }
            }
        },
        &[
            r#"
                ::odeon::Context::exclusive(
                    cx,
                    "Room::history",
                    ::odeon::Timeout::After(::core::time::Duration::new(2u64, 0u32)),
                    async move |me: &mut Self, cx: &mut ::odeon::Context<Self>| {
                        <_ as ::odeon::Respond<Vec<Said> >>::answer(Self::history(me, given_0, cx).await, reply, "Room::history")
                    }
                )
            "#,
            r#"
                {
                    let me = ::odeon::Context::handle(cx);
                    ::odeon::Context::concurrent(cx, "Room::search", ::odeon::Timeout::Never, async move {{
                        let result = Self::search(given_0, me).await;
                        ::odeon::Unheard::<<Search as ::odeon::Message>::Reply, _>::of(&result).tell("Room::search");
                        <_ as ::odeon::Respond<<Search as ::odeon::Message>::Reply>>::told(result, "Room::search")
                    }})
                }
            "#,
        ],
    );
}

#[test]
fn a_handler_may_answer_itself() {
    check_part(
        quote!(),
        quote! {
            impl Room {
                #[message]
                fn find(&mut self, reply: Reply<u8>, find: Find) {}
                #[call]
                fn later(&mut self, reply: odeon::Reply<Self>) -> Flow { Flow::Continue }
            }
        },
        &[
            r#"
                __RoomInner::told_find(given_0) => {
                    let reply = ::odeon::Reply::nobody();
                    <_ as ::odeon::IntoFlow>::into_flow(Self::find(self, ::odeon::tell_hook::<Reply<u8>, _>(reply), given_0), "Room::find")
                }
            "#,
            r#"asked_find(Find, ::odeon::Reply<<Find as ::odeon::Message>::Reply>),"#,
            r#"asked_later((), ::odeon::Reply<Room>),"#,
            r#"
                __RoomInner::asked_later((), reply) => match ::odeon::Reply::keep(reply) {
                    ::core::option::Option::Some(reply) => <_ as ::odeon::IntoFlow>::into_flow(Self::later(self, reply), "Room::later"),
            "#,
        ],
    );
}

#[test]
fn an_error_that_nobody_hears_is_reported() {
    check_part(
        quote!(),
        quote! {
            impl Room {
                #[message]
                fn open(&mut self, open: Open) -> Opened { Ok(3) }
            }
        },
        &[r#"
            __RoomInner::told_open(given_0) => {
                let result = Self::open(self, given_0);
                ::odeon::Unheard::<<Open as ::odeon::Message>::Reply, _>::of(&result).tell("Room::open");
                <_ as ::odeon::Respond<<Open as ::odeon::Message>::Reply>>::told(result, "Room::open")
            },
        "#],
    );
}

#[test]
fn what_may_have_another_type_is_checked_where_that_is_written() {
    check_part(
        quote!(),
        quote! {
            impl Room {
                #[message] fn find(&mut self, find: Find, reply: Reply<u64>, cx: &mut Context<Hall>) {}
                #[message] fn say(&mut self, said: Said, cx: &mut Context<Room>) {}
                #[call] fn count(&mut self, reply: Reply<u64>, cx: &mut Context<Self>) {}
            }
        },
        &[
            "Self::find(self, given_0, ::odeon::tell_hook::<Reply<u64>, _>(reply), ::odeon::tell_hook::<&mut Context<Hall>, _>(cx))",
            "Self::say(self, given_0, cx)",
            "Self::count(self, reply, cx)",
        ],
    );
}

#[test]
fn local_handlers_have_a_trait_of_their_own() {
    let made = expand(
        quote!(pub, crate = crate::vendored::odeon),
        quote! {
            impl Room {
                #[message(local)]
                fn near(&mut self, near: Near) {}
                #[call(local)]
                fn shared(&self) -> Rc<str> { self.name.clone() }
            }
        },
    );
    let parts = [
        "pub trait RoomLocalAddr {",
        "impl crate::vendored::odeon::AcceptsLocal<Near> for Room",
        "fn near(&self, near: Near) -> crate::vendored::odeon::LocalAsk<Room, Near> where for<'any> Near: crate::vendored::odeon::Message;",
        "<crate::vendored::odeon::LocalAddr<Room>>::ask(*self, given_0)",
        "crate::vendored::odeon::Call::ask_local(*self, (), { |arguments, reply|",
    ];
    assert_parts(&made, &parts);
    let made = made.to_string();
    assert!(!made.contains("RoomAddr") && !made.contains("sendable"), "{made}");
}

/// An expansion names the crate as it was told, whatever there is in the block.
#[test]
fn nothing_names_a_crate_that_has_another_name() {
    let arguments = quote! {
        pub, crate = renamed, codec = Lines<80>, on_panic = abort, mailbox(capacity = 8, bytes = "1m", overflow = drop_oldest),
        outbox(bytes = "4k", grace = "2s", overflow = drop_oldest), timeouts(first_byte = "1s", frame = "2s")
    };
    let block = quote! {
        impl<T: Clone + 'static> Room<T> {
            #[started] fn started(&mut self, cx: &mut Context<Self>) -> Flow { Flow::Continue }
            #[frame] fn line(&mut self, line: &str, cx: &mut Context<Self>) {}
            #[body] fn body(&mut self, body: Result<Vec<u8>, BodyError>) {}
            #[forwarded] fn forwarded(&mut self, forwarded: ForwardedFile) {}
            #[end_of_stream] fn end(&mut self) -> Flow { Flow::Close }
            #[malformed] fn malformed(&mut self, error: FrameError) {}
            #[idle("10m")] fn idle(&mut self) {}
            #[every("1s", missed = delay)] fn tick(&mut self) -> Result<(), Error> { Ok(()) }
            #[every("2s")] fn tock(&mut self) {}
            #[stopped] fn stopped(&mut self, why: StopReason) {}
            #[message] fn told(&mut self, told: Told) {}
            #[message(priority = control)] fn urgent(&mut self, urgent: Urgent) -> Flow { Flow::Stop }
            #[message(local)] fn near(&mut self, near: Near) -> Rc<str> { near.0 }
            #[message] fn later(&mut self, later: Later, reply: Reply<u64>) {}
            #[message] fn open(&mut self, open: Open) -> io::Result<u64> { Ok(3) }
            #[message(timeout = "1s")] async fn slow(&mut self, slow: Slow, cx: &mut Context<Self>) {}
            #[message(concurrent, timeout = "never")] async fn beside(me: Handle<Self>, beside: Beside) -> u64 { 3 }
            #[call] fn count(&self, more: u64) -> u64 { more }
            #[call(local)] fn shared(&self) -> Rc<str> { self.name.clone() }
            #[call(priority = control)] fn keep(&mut self, reply: Reply<T>) -> Result<(), Error> { Ok(()) }
            #[call] async fn wait(&mut self) {}
            #[call(concurrent)] async fn search(me: Handle<Self>, text: String) -> usize { 3 }
        }
    };
    let made = expand(arguments.clone(), block.clone()).to_string();
    assert!(!made.contains("compile_error"), "{made}");
    assert!(dense(&made).contains("renamed::Context::concurrent("), "{made}");
    assert!(!made.contains("odeon"), "{made}");
    // As many as where it has its own name.
    let arguments = dense(&arguments.to_string()).replace("crate=renamed,", "");
    let named = expand(arguments.parse().expect("it was tokens before"), block).to_string();
    assert_eq!(dense(&named).matches("::odeon::").count(), dense(&made).matches("renamed::").count());
}

#[test]
fn the_traits_may_have_names_of_their_own() {
    let block = quote! {
        impl Room {
            #[call]
            fn count(&self) -> u64 { 0 }
            #[call(local)]
            fn shared(&self) -> Rc<str> { self.name.clone() }
        }
    };
    let made = expand(quote!(pub, address = LobbyAddr), block.clone());
    let parts = [
        "pub trait LobbyAddr {",
        "impl LobbyAddr for",
        "pub trait LobbyLocalAddr {",
        "impl LobbyLocalAddr for",
    ];
    assert_parts(&made, &parts);
    assert!(!made.to_string().contains("RoomAddr"), "{made}");
    assert_parts(&expand(quote!(address = Lobby), block), &["trait Lobby {", "trait LobbyLocal {"]);
}

#[test]
fn hooks_and_connections() {
    check_part(
        quote!(
            codec = Lines<80>,
            outbox(bytes = "64k", grace = "2s", overflow = drop_oldest),
            timeouts(first_byte = "never", frame = "5s")
        ),
        quote! {
            impl Room {
                #[started] fn begun(&mut self, cx: &mut Context<Self>) -> io::Result<()> { Ok(()) }
                #[stopped] fn ended(&mut self, cx: &mut Context<Self>, why: StopReason) {}
                #[frame] fn line(&mut self, line: &str) -> Flow { Flow::Continue }
                #[body] fn picture(&mut self, picture: Result<Vec<u8>, BodyError>) {}
                #[forwarded] fn kept(&mut self, file: ForwardedFile) {}
                #[end_of_stream] fn eof(&mut self) {}
                #[malformed] fn refused(&mut self) {}
                #[idle("10m")] fn asleep(&self) {}
                #[every("30s")] fn ping(&mut self) {}
                #[every("1d", missed = burst)] fn day(&mut self) {}
            }
        },
        &[
            r#"const OUTBOX_GRACE: ::core::option::Option<::core::time::Duration> = ::core::option::Option::Some(::core::time::Duration::new(2u64, 0u32));
            const OUTBOX_OVERFLOW: ::odeon::Overflow = ::odeon::Overflow::DropOldest;"#,
            r#"const INTERVALS: &'static [::odeon::Interval] = &[::odeon::Interval::every(::core::time::Duration::new(30u64, 0u32)), ::odeon::Interval::every(::core::time::Duration::new(86400u64, 0u32)).missed(::odeon::MissedTicks::Burst),];"#,
            r#"match index {
                0usize => <_ as ::odeon::IntoFlow>::into_flow(Self::ping(self), "Room::ping"),
                1usize => <_ as ::odeon::IntoFlow>::into_flow(Self::day(self), "Room::day"),
                _ => ::odeon::Flow::Continue,
            }"#,
            r#"fn started(&mut self, cx: &mut ::odeon::Context<Self>) -> ::odeon::Flow {
                <_ as ::odeon::IntoFlow>::into_flow(Self::begun(self, cx), "Room::begun")
            }"#,
            r#"fn stopped(&mut self, given_0: ::odeon::StopReason, cx: &mut ::odeon::Context<Self>) {
                let given_0 = ::odeon::tell_hook::<StopReason, _>(given_0);
                <_ as ::odeon::IntoFlow>::into_end(Self::ended(self, cx, given_0), "Room::ended");
            }"#,
            r#"match message.0 {}"#,
            r#"impl ::odeon::Connection for Room { type Codec = Lines<80>;"#,
            r#"const IDLE_TIMEOUT: ::core::option::Option<::core::time::Duration> = ::core::option::Option::Some(::core::time::Duration::new(600u64, 0u32));"#,
            r#"const FIRST_BYTE_TIMEOUT: ::core::option::Option<::core::time::Duration> = ::core::option::Option::Some(::core::time::Duration::MAX);
            const FRAME_TIMEOUT: ::core::option::Option<::core::time::Duration> = ::core::option::Option::Some(::core::time::Duration::new(5u64, 0u32));"#,
            r#"const OUTBOX_BYTES_MAX: ::core::option::Option<::core::primitive::usize> = ::core::option::Option::Some(65536usize);"#,
            r#"<_ as ::odeon::IntoFlow>::into_flow(Self::line(self, given_0), "Room::line")"#,
            r#"fn body(
                &mut self,
                given_0: ::core::result::Result<::std::vec::Vec<::core::primitive::u8>, ::odeon::BodyError>,
                cx: &mut ::odeon::Context<Self>
            ) -> ::odeon::Flow {
                let given_0 = ::odeon::tell_hook::<Result<Vec<u8>, BodyError>, _>(given_0);
                <_ as ::odeon::IntoFlow>::into_flow(Self::picture(self, given_0), "Room::picture")
            }"#,
            r#"fn forwarded(&mut self, given_0: ::odeon::ForwardedFile, cx: &mut ::odeon::Context<Self>) -> ::odeon::Flow {
                let given_0 = ::odeon::tell_hook::<ForwardedFile, _>(given_0);
                <_ as ::odeon::IntoFlow>::into_flow(Self::kept(self, given_0), "Room::kept")
            }"#,
            r#"fn end_of_stream(&mut self, cx: &mut ::odeon::Context<Self>) -> ::odeon::Flow"#,
            r#"fn malformed(&mut self, given_0: ::odeon::net::codec::FrameError, cx: &mut ::odeon::Context<Self>)"#,
            r#"fn idle(&mut self, cx: &mut ::odeon::Context<Self>) -> ::odeon::Flow"#,
        ],
    );
}

#[test]
fn generics_are_handed_on() {
    check_part(
        quote!(),
        quote! {
            impl<T: Clone, U, const N: usize> store::Cache<T, U, N> where U: Send {
                #[message]
                fn put(&mut self, put: Put<T>) {}
            }
        },
        &[
            r#"trait CacheAddr<T: Clone + 'static, U, const N: usize> where U: Send + 'static {"#,
            r#"fn put(&self, put: Put<T>) -> ::odeon::Ask<store::Cache<T, U, N>, Put<T>> where for<'any> Put<T>: ::odeon::Message;"#,
            r#"pub struct __CacheMessage<T: Clone + 'static, U, const N: usize>(__CacheInner<T, U, N>) where U: Send + 'static;"#,
            r#"never(::core::convert::Infallible, ::core::marker::PhantomData<fn() -> (*const T, *const U,)>),"#,
            r#"__CacheInner::never(never, _) => match never {},"#,
            r#"impl<T: Clone + 'static, U, const N: usize> ::odeon::Actor for store::Cache<T, U, N> where U: Send + 'static {"#,
            r#"impl<T: Clone + 'static, U, const N: usize> ::odeon::Accepts<Put<T>> for store::Cache<T, U, N> where U: Send + 'static, for<'any> Put<T>: ::odeon::Message"#,
            r#"impl<T: Clone + 'static, U, const N: usize> CacheAddr<T, U, N> for ::odeon::Addr<store::Cache<T, U, N> > where U: Send + 'static"#,
        ],
    );
}

#[test]
fn conditions_go_with_what_is_made_of_a_handler() {
    check_part(
        quote!(codec = Lines<80>),
        quote! {
            #[cfg(a)]
            impl Room {
                #[cfg(b)] #[message] #[inline] fn said(&mut self, said: Said) {}
                #[every("1s")] #[cfg(c)] #[cfg(d)] fn tick(&mut self) {}
                #[every("2s")] fn tock(&mut self) {}
                #[cfg(e)] #[frame] fn line(&mut self, line: &str) {}
                #[cfg(not(e))] #[frame] fn other_line(&mut self, line: &str) {}
            }
        },
        &[
            r#"#[cfg(b)] #[inline] fn said(&mut self, said: Said) {}"#,
            r#"#[cfg(a)] #[doc = " What a `Room` can be asked from anywhere, by methods of its address."] #[allow(clippy::type_complexity)] trait RoomAddr {"#,
            r#"#[cfg(b)] #[doc = " Is answered by `Room::said`."] fn said(&self, said: Said)"#,
            r#"#[cfg(a)] #[allow(deprecated, clippy::type_complexity)] const _: () = {"#,
            r#"#[cfg(b)] told_said(Said), #[cfg(b)] asked_said(Said,"#,
            r#"#[cfg(b)] __RoomInner::told_said(given_0) =>"#,
            r#"#[cfg(b)] __RoomInner::asked_said(given_0, reply) =>"#,
            r#"#[cfg(b)] #[automatically_derived] impl ::odeon::Accepts<Said> for Room"#,
            r#"#[cfg(b)] { sendable::<Said>();"#,
            r#"#[cfg(c)] #[cfg(d)] ::odeon::Interval::every(::core::time::Duration::new(1u64, 0u32)),"#,
            r#"match [#[cfg(c)] #[cfg(d)] 0usize, 1usize,][index] { #[cfg(c)] #[cfg(d)] 0usize =>"#,
        ],
    );
}

#[test]
fn documentation_is_told_once_more() {
    check_part(
        quote!(),
        quote! {
            impl Room {
                #[doc = " Like [`Self::other`]."]
                #[doc = include_str!("said.md")]
                #[deprecated]
                #[call]
                fn said(&mut self) {}
            }
        },
        &[
            r#"trait RoomAddr { #[doc = " Like [`Room::other`]."] #[doc = include_str!("said.md")] #[deprecated] fn said(&self,"#,
        ],
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    check_refused(
        quote!(mailbox(capacity = 0), colour = Red<A, B>, outbox(bytes = 1), timeouts(frame = "1s")),
        quote! {
            impl Room {
                #[message] fn said(self, said: Said) {}
                #[every("soon")] async fn tick(&mut self) {}
                #[call(priority = high)] fn count<T>(&self, of: &T) -> u64 { 0 }
                #[started] const A: u8 = 0;
            }
        },
        &[
            "a mailbox without room",
            "unknown key `colour`",
            "only actors with a connection have an outbox",
            "only actors with a connection have a peer that may be late",
            "`self` is lent",
            "is not a time",
            "`#[every]` is synchronous",
            "`high` is not a priority",
            "nobody says what a handler is generic over",
            "is owned",
            "`#[started]` belongs on a method",
        ],
    );
}

#[test]
fn a_mistake_leaves_no_gap_for_others_to_fall_into() {
    check_part(
        quote!(),
        quote! {
            impl Room {
                #[frame] fn line(&mut self, line: &str) {}
                #[message] fn said(self, said: Said) {}
            }
        },
        &[
            r#"impl Room { fn line(&mut self, line: &str) {} fn said(self, said: Said) {} }"#,
            r#"impl ::odeon::Actor for Room"#,
            r#"impl ::odeon::Accepts<Said> for Room"#,
            r#"impl RoomAddr for ::odeon::Addr<Room>"#,
            r#"impl ::odeon::Connection for Room"#,
            r#"-> ::odeon::Flow { ::odeon::Flow::Continue }"#,
        ],
    );
}

#[test]
fn what_is_there_twice_is_refused_unless_conditions_may_part_it() {
    check_refused(
        quote!(),
        quote! {
            impl Room {
                #[message] fn said(&mut self, said: Said) {}
                #[message] fn heard(&mut self, said: Said) {}
                #[started] fn a(&mut self) {}
                #[cfg(b)] #[started] fn c(&mut self) {}
            }
        },
        &["`said` handles this message already", "`a` is the `#[started]` of this actor already"],
    );
    check_refused(
        quote!(),
        quote! {
            impl Room {
                #[message] fn said(&mut self, said: Said) {}
                #[call] fn said(&self) -> u64 { 0 }
                #[cfg(b)] #[started] fn r#said(&mut self) {}
            }
        },
        &[
            "this actor has a `#[message]` of this name already",
            "this actor has a `#[message]` of this name already",
        ],
    );
    check_refused(
        quote!(),
        quote! {
            impl Room {
                #[cfg(b)] #[message] fn said(&mut self, said: Said) {}
                #[cfg(not(b))] #[message] fn heard(&mut self, said: Said) {}
            }
        },
        &[],
    );
}

#[test]
fn names_that_addresses_have_are_refused() {
    for name in checks::TAKEN {
        let name = quote::format_ident!("{name}");
        check_refused(
            quote!(),
            quote!(impl Room { #[call] fn #name(&self) {} }),
            &["addresses have a method"],
        );
        check_refused(quote!(), quote!(impl Room { #[started] fn #name(&self) {} }), &[]);
    }
}

#[test]
fn a_flow_that_would_be_answered_is_refused() {
    check_refused(
        quote!(),
        quote! {
            impl Room {
                #[call] fn a(&self) -> Result<Flow, String> { Ok(Flow::Stop) }
                #[call] fn b(&self, reply: Reply<u8>) -> Result<Flow, String> { Ok(Flow::Stop) }
                #[message] fn c(&self, said: Said) -> Result<Flow, String> { Ok(Flow::Stop) }
            }
        },
        &["this `Flow` would be answered, and not followed"],
    );
}
