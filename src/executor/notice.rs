//! What reaches a cell beside its messages, in lists that share one pool of nodes per core.
//!
//! Knows: completions and timers as data. Must not know what a cell makes of them.

use std::cell::{Cell, RefCell};

use crate::driver::{Event, FileRequest};

/// Something that a cell is told by its core. It comes before the messages in the mailbox.
#[derive(Debug)]
pub enum Notice {
    /// What became of an op of this cell.
    Io(Event),
    /// A timer that this cell set is due; the number is the one it was set with.
    Timer(u32),
    /// What became of a write that this cell has [asked for](super::Core::store).
    Stored(Box<FileRequest>),
    /// Send slots that this cell waits for have been released. Others may have taken them since: then it waits again.
    Slots,
    /// This cell is the first in line for [room](super::Core::wait_for_room), and some has been given back.
    Room,
    /// Another connection is forwarded to this cell.
    Fed,
    /// The one whose stream is forwarded to this cell has nothing more.
    FeedEnded,
    /// This cell ends its output.
    Finished,
    /// The one that this cell forwards to, or is fed by, has ended before.
    Untied,
}

const NONE: u32 = u32::MAX;

/// The notices that wait for one cell, oldest first.
#[derive(Debug)]
pub(super) struct NoticeList {
    first: Cell<u32>,
    last: Cell<u32>,
}

impl NoticeList {
    /// No notices.
    pub(super) const fn new() -> NoticeList {
        NoticeList { first: Cell::new(NONE), last: Cell::new(NONE) }
    }

    /// True if none waits.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.first.get() == NONE
    }
}

#[derive(Debug)]
struct Node {
    notice: Option<Notice>,
    next: u32,
}

/// The nodes of all lists of a core. Their number is bounded by what can be in flight: ops and timers.
#[derive(Debug)]
pub(super) struct Notices {
    nodes: RefCell<Vec<Node>>,
    free: Cell<u32>,
}

impl Notices {
    /// No nodes yet.
    #[must_use]
    pub(super) fn new() -> Notices {
        Notices { nodes: RefCell::new(Vec::new()), free: Cell::new(NONE) }
    }

    /// Appends to a list of this pool.
    // So that the notice is put together where it will be.
    #[inline]
    pub(super) fn push(&self, list: &NoticeList, notice: Notice) {
        let mut nodes = self.nodes.borrow_mut();
        let index = self.free.get();
        let index = if index == NONE {
            nodes.push(Node { notice: Some(notice), next: NONE });
            nodes.len() as u32 - 1
        } else {
            let node = &mut nodes[index as usize];
            self.free.set(node.next);
            node.next = NONE;
            // A free node holds none, so there is nothing to look at and to drop.
            std::mem::forget(node.notice.replace(notice));
            index
        };
        let last = list.last.replace(index);
        if last == NONE {
            list.first.set(index);
        } else {
            nodes[last as usize].next = index;
        }
    }

    /// Takes the oldest notice of a list of this pool.
    pub(super) fn pop(&self, list: &NoticeList) -> Option<Notice> {
        let index = list.first.get();
        if index == NONE {
            return None;
        }
        let mut nodes = self.nodes.borrow_mut();
        let node = &mut nodes[index as usize];
        let notice = node.notice.take();
        list.first.set(node.next);
        if node.next == NONE {
            list.last.set(NONE);
        }
        node.next = self.free.replace(index);
        notice
    }

    /// Takes the first notice of a list of this pool that is `wanted`, from among the others.
    pub(super) fn take(&self, list: &NoticeList, wanted: impl Fn(&Notice) -> bool) -> Option<Notice> {
        let mut nodes = self.nodes.borrow_mut();
        let (mut before, mut index) = (NONE, list.first.get());
        while index != NONE && !nodes[index as usize].notice.as_ref().is_some_and(&wanted) {
            (before, index) = (index, nodes[index as usize].next);
        }
        if index == NONE {
            return None;
        }
        let node = &mut nodes[index as usize];
        let (notice, next) = (node.notice.take(), node.next);
        node.next = self.free.replace(index);
        if next == NONE {
            list.last.set(before);
        }
        match before {
            NONE => list.first.set(next),
            before => nodes[before as usize].next = next,
        }
        notice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_share_nodes_and_keep_their_order() {
        let notices = Notices::new();
        let lists = [NoticeList::new(), NoticeList::new()];
        for round in 0..3 {
            for number in 0..10 {
                notices.push(&lists[number % 2], Notice::Timer(number as u32 + round));
            }
            for number in 0..10 {
                let Some(Notice::Timer(got)) = notices.pop(&lists[number % 2]) else {
                    panic!("lost a notice")
                };
                assert_eq!(got, number as u32 + round);
            }
            assert!(lists[0].is_empty() && notices.pop(&lists[1]).is_none());
        }
        assert_eq!(notices.nodes.borrow().len(), 10, "nodes are used again");
    }

    #[test]
    fn one_of_a_list_may_be_taken_before_the_others() {
        for taken in 0..3 {
            let (notices, list) = (Notices::new(), NoticeList::new());
            (0..3).for_each(|number| notices.push(&list, Notice::Timer(number)));
            let number = |notice| match notice {
                Some(Notice::Timer(number)) => Some(number),
                _ => None,
            };
            let wanted = |notice: &Notice| matches!(notice, Notice::Timer(number) if *number == taken);
            assert_eq!(number(notices.take(&list, wanted)), Some(taken));
            assert!(notices.take(&list, wanted).is_none());
            notices.push(&list, Notice::Timer(3));
            for left in (0..4).filter(|left| *left != taken) {
                assert_eq!(number(notices.pop(&list)), Some(left));
            }
            assert!(list.is_empty() && notices.pop(&list).is_none());
        }
    }
}
